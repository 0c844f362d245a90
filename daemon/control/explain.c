/*
 * explain.c - one model's story: its state and the reason, the actions on it with their numbers, and the conditions for
 * undoing them.
 *
 * Told in whole sentences, each one true by itself; the numbers are those that policy decided by, and the conditions of a
 * return are its bounds.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/governor/internal.h"
#include "daemon/requests/outlook.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/model_state.h"
#include "daemon/state/tick.h"
#include "engine/base/strbuf.h"
#include "policy/base/sat.h"

__attribute__((format(printf, 2, 3))) static void say(cJSON *sentences, const char *format, ...) {
        char text[1024];
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        text_repair(text);
        cJSON_AddItemToArray(sentences, cJSON_CreateString(text));
}

static const char *plural(uint32_t count) {
        return count == 1 ? "" : "s";
}

/* --- its state --- */

static void say_loaded(cJSON *out, const struct model *m) {
        uint32_t running = model_running(m), suspended = m->running.count - running;
        say(out, "%s is %s: %u request%s being answered, %u waiting%s.", m->config->id, model_state_name(m->state), running,
            plural(running), m->waiting.count, m->config->pinned ? "; it is pinned, so nothing turns it out" : "");
        if (suspended > 0)
                say(out, "%u of its requests wait on disk.", suspended);
        if (m->engine.stopped)
                say(out,
                    "Somebody stopped the process of its engine %s ago, so nothing of it is computed; kill -CONT %d lets it go on.",
                    governor_time(sat_sub(fleet_clock_ms(), m->engine.stopped_ms)).text, (int) m->engine.pid);
        if (model_protected_until_ms(m) > fleet_clock_ms())
                say(out, "It is protected: no other model turns it out for %s.",
                    governor_time(model_protected_until_ms(m) - fleet_clock_ms()).text);
        say(out, "It holds %s; its account is %s.",
            governor_bytes((int64_t) u64_min(sat_add(m->engine.memory.pss_bytes, m->engine.memory.swap_bytes), INT64_MAX)).text,
            governor_bytes((int64_t) u64_min(model_account_bytes(m), INT64_MAX)).text);
}

static void say_waiting(cJSON *out, const struct model *m) {
        const struct room *a = &m->last_answer.room;
        if (m->last_answer.verdict == VERDICT_HELD)
                say(out, "%s is not loaded yet: %s.", m->config->id, reason_info(m->last_answer.because)->sentence);
        else if (a->rule == RULE_NONE)
                say(out, "%s waits for room.", m->config->id); /* not answered yet */
        else
                say(out, "%s waits for room: it needs %s, and %s of the %s that %s allows are in use.", m->config->id,
                    governor_bytes((int64_t) u64_min(a->needed_bytes, INT64_MAX)).text,
                    governor_bytes((int64_t) u64_min(a->used_bytes, INT64_MAX)).text,
                    governor_bytes((int64_t) u64_min(a->limit_bytes, INT64_MAX)).text, policy_rule_word(a->rule));
}

/* The queue: who waits longest, and what the next one may expect by what was measured. */
static void say_queue(cJSON *out, const struct model *m) {
        const struct request *first = m->waiting.first ? request_of(m->waiting.first) : NULL;
        if (!first)
                return;
        uint64_t next_ms = model_outlook_ms(m, m->waiting.count), first_ms = request_outlook(first).expected_ms;
        char next[160] = "";
        if (first_ms != TIME_NEVER && next_ms != TIME_NEVER)
                (void) snprintf(next, sizeof(next), ", its turn is expected in %s, and that of one that came now in %s",
                                governor_time(first_ms).text, governor_time(next_ms).text);
        say(out, "%u request%s wait%s, the first for %s (%s)%s; a request usually takes %s.", m->waiting.count,
            plural(m->waiting.count), m->waiting.count == 1 ? "s" : "",
            governor_time(sat_sub(fleet_clock_ms(), first->since_ms)).text, requests_why(m, first), next,
            m->service_ms > 0 ? governor_time(m->service_ms).text : "an unknown time");
}

/* Who holds the room that M waits for, where that is by protection. */
static void say_guards(cJSON *out, const struct model *m) {
        const struct fleet *f = m->fleet;
        if (m->state != MODEL_WAITING || m->last_answer.guarded_until_ms == 0)
                return;
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct model *other = f->models[i];
                uint64_t left_ms = sat_sub(model_protected_until_ms(other), fleet_clock_ms());
                if (model_has_account(other) && left_ms > 0)
                        say(out, "%s, which holds room that it needs, is protected from other models for %s.", other->config->id,
                            governor_time(left_ms).text);
        }
}

static void say_state(cJSON *out, const struct model *m) {
        switch (m->state) {
        case MODEL_ABSENT:
                say(out, "%s is not loaded%s%s.", m->config->id, m->last_error[0] ? "; the last trouble with it: " : "",
                    m->last_error);
                break;
        case MODEL_INSPECTING: say(out, "The size of %s is being read from its file.", m->config->id); break;
        case MODEL_WAITING: say_waiting(out, m); break;
        case MODEL_LOADING:
                say(out, "%s is being loaded, in %s for %u tokens.", m->config->id, kv_type_name(m->form.kv_type),
                    m->form.kv_tokens);
                break;
        default: say_loaded(out, m); break;
        }
}

static bool is_loaded(const struct model *m) {
        return m->state == MODEL_READY || m->state == MODEL_DRAINING;
}

/* How it differs from what the configuration asks for. */
static void say_form(cJSON *out, const struct model *m) {
        const struct instance *e = &m->engine;
        if (!is_loaded(m))
                return;
        if (m->form.kv_type != m->config->kv_type)
                say(out, "It was loaded with a KV cache in %s instead of %s, since there was no room for more.",
                    kv_type_name(m->form.kv_type), kv_type_name(m->config->kv_type));
        if (e->level != m->form.kv_type)
                say(out, "Its KV cache is kept in %s; it was loaded with %s%s.", kv_type_name(e->level),
                    kv_type_name(m->form.kv_type), e->report.converting ? ", and is being converted" : "");
        else
                say(out, "Its KV cache is as precise as it was loaded: %s.", kv_type_name(e->level));
        if (m->context_full > m->context_least)
                say(out, "Its context is %u of the %u tokens that it was trained for%s.", e->n_ctx, m->inspected.n_ctx_train,
                    e->n_ctx < m->context_full ? ", as many as there was room for when it was loaded" : "");
        if (m->form.is_elastic)
                say(out, "Its KV pool holds up to %u tokens now, and can grow to %u while there is room.", e->pool, e->pool_full);
        if (e->context_now < e->n_ctx)
                say(out, "New requests get %u tokens of context instead of %u.", e->context_now, e->n_ctx);
        if (e->duty_told < 1000)
                say(out, "It computes %u %% of the time%s.", e->duty_told / 10,
                    e->cycled ? ", stopped and let go by its control group since it does not obey" : "");
}

/* --- the actions on it --- */

static void describe_action(const struct event *e, char *out, size_t size) {
        const struct action *a = &e->action;
        switch (a->kind) {
        case ACTION_TRIM: (void) snprintf(out, size, "its prefix cache was dropped"); break;
        case ACTION_CHUNK: (void) snprintf(out, size, "its prefill chunk became %u tokens", a->value); break;
        case ACTION_DROP_FILES: (void) snprintf(out, size, "cached files were dropped"); break;
        case ACTION_EVICT: (void) snprintf(out, size, "it was unloaded"); break;
        case ACTION_DOWNSHIFT: (void) snprintf(out, size, "its KV cache was lowered to %s", kv_type_name(a->level)); break;
        case ACTION_UPSHIFT: (void) snprintf(out, size, "its KV cache was raised to %s", kv_type_name(a->level)); break;
        case ACTION_CONTEXT: (void) snprintf(out, size, "its context for new requests became %u tokens", a->value); break;
        case ACTION_POOL: (void) snprintf(out, size, "its KV pool became %u tokens", a->value); break;
        case ACTION_TURN_OUT:
                (void) snprintf(out, size, "its KV pool became %u tokens, and its youngest requests wait", a->value);
                break;
        case ACTION_SUSPEND: (void) snprintf(out, size, "its batch requests were put on disk"); break;
        case ACTION_RESUME: (void) snprintf(out, size, "its requests came back from disk"); break;
        default: (void) snprintf(out, size, "it was ended at once"); break;
        }
}

static void describe_outcome(const struct event *e, char *out, size_t size) {
        int used = 0;
        *out = '\0';
        if (e->result == EVENT_FAILED)
                used = snprintf(out, size, "; it could not be done: %s", strerror(-e->error));
        else if (e->action.expected_bytes > 0)
                used = snprintf(out, size, "; %s were expected", governor_bytes((int64_t) e->action.expected_bytes).text);
        if (used >= 0 && e->verified && e->action.expected_bytes > 0)
                (void) snprintf(out + used, size - (size_t) used, ", %s came back",
                                governor_bytes((int64_t) e->freed_bytes).text);
}

static void say_action(cJSON *out, const struct governor *g, const struct event *e) {
        char what[96], outcome[160], gone[64] = "";
        describe_action(e, what, sizeof(what));
        describe_outcome(e, outcome, sizeof(outcome));
        if (e->exhaustion_ms < FORECAST_NEWS_MS && e->because != REASON_CALM)
                (void) snprintf(gone, sizeof(gone), ", gone in %s at that pace", governor_time(e->exhaustion_ms).text);
        say(out, "%s ago %s, because %s: headroom was %s%s%s.", governor_time(sat_sub(g->snapshot.now_ms, e->tick_ms)).text, what,
            reason_info(e->because)->sentence, governor_bytes(e->headroom_bytes).text, gone, outcome);
}

/* Told to MODEL, which is either the one that left or the one that it left for. */
static void say_unload(cJSON *out, const struct governor *g, const struct event *e, uint32_t model, const char *ago) {
        char considered[512];
        governor_candidates(g, e, "; considered: ", considered, sizeof(considered));
        if (e->for_model == model)
                say(out, "%s ago %s was unloaded to make room for it: %s%s.", ago, governor_model_name(g, e->action.model),
                    governor_bytes((int64_t) u64_min(e->bytes, INT64_MAX)).text, considered);
        else if (e->for_model != UINT32_MAX)
                say(out, "%s ago it was unloaded to make room for %s%s.", ago, governor_model_name(g, e->for_model), considered);
        else
                say(out, "%s ago it was unloaded, because %s%s.", ago, reason_info(e->because)->sentence, considered);
}

static void say_refusal(cJSON *out, const struct governor *g, const struct event *e, const char *ago) {
        char considered[512], room[256] = "";
        governor_candidates(g, e, "; considered: ", considered, sizeof(considered));
        if (e->room.rule != RULE_NONE)
                (void) snprintf(room, sizeof(room), ": it needed %s, and %s of the %s that %s allows were in use",
                                governor_bytes((int64_t) u64_min(e->room.needed_bytes, INT64_MAX)).text,
                                governor_bytes((int64_t) u64_min(e->room.used_bytes, INT64_MAX)).text,
                                governor_bytes((int64_t) u64_min(e->room.limit_bytes, INT64_MAX)).text,
                                policy_rule_word(e->room.rule));
        say(out, "%s ago its load was refused, because %s%s%s.", ago, reason_info(e->because)->sentence, room, considered);
}

static void say_event(cJSON *out, const struct governor *g, const struct event *e, uint32_t model) {
        struct governor_words ago = governor_time(sat_sub(fleet_clock_ms(), e->tick_ms));
        switch (e->kind) {
        case EVENT_ACTION: say_action(out, g, e); break;
        case EVENT_LOAD:
                say(out, "%s ago it was loaded, because %s; its account is %s.", ago.text, reason_info(e->because)->sentence,
                    governor_bytes((int64_t) u64_min(e->bytes, INT64_MAX)).text);
                break;
        case EVENT_UNLOAD: say_unload(out, g, e, model, ago.text); break;
        case EVENT_REFUSAL: say_refusal(out, g, e, ago.text); break;
        case EVENT_DEATH: say(out, "%s ago this was the matter: %s.", ago.text, reason_info(e->because)->sentence); break;
        case EVENT_STOP:
        case EVENT_GO: say(out, "%s ago %s.", ago.text, reason_info(e->because)->sentence); break;
        default: break;
        }
}

static bool concerns(const struct event *e, uint32_t model) {
        return (e->action.model == model && e->error != -EALREADY) || e->for_model == model;
}

/* The latest few, in order. */
static void say_events(cJSON *out, struct governor *g, uint32_t model) {
        uint64_t from = g->events.count;
        uint32_t count = 0, actions = 0;
        for (uint64_t number = g->events.count; number > 0 && count < EXPLAIN_EVENTS_MAX; number--) {
                struct event *e = events_next(&g->events, number - 1);
                if (!e || e->number != number)
                        break;
                if (!concerns(e, model))
                        continue;
                count++;
                actions += e->kind == EVENT_ACTION;
                from = number - 1;
        }
        if (actions == 0)
                say(out, "The governor has done nothing to it%s.", g->events.count > EVENTS_MAX ? " lately" : "");
        for (struct event *e = events_next(&g->events, from); e; e = events_next(&g->events, e->number))
                if (concerns(e, model))
                        say_event(out, g, e, model);
}

/* --- how the box is, and what will bring it back --- */

static void say_box(cJSON *out, const struct governor *g) {
        const struct plan *p = &g->plan;
        char gone[64] = "";
        if (g->snapshot.memory_blind)
                say(out, "Memory cannot be read at the moment; restrictions stay in force.");
        if (p->exhaustion_ms < FORECAST_NEWS_MS)
                (void) snprintf(gone, sizeof(gone), ", gone in %s at this pace", governor_time(p->exhaustion_ms).text);
        say(out, "The machine has %s of headroom%s, and stands on the rung '%s'%s%s.", governor_bytes(p->headroom_bytes).text,
            gone, policy_rung_word(p->rung), p->rung > RUNG_CALM ? ": " : "",
            p->rung > RUNG_CALM ? reason_info(p->because)->sentence : "");
        if (p->heat_level > 0)
                say(out, "Engines compute %u %% of the time, because %s.", p->duty_permille / 10, governor_heat(g).text);
        for (uint32_t i = 0; i < p->stuck_count; i++)
                say(out,
                    "%s does not move while the load does, so it is not obeyed; trust_sensors and ignore_sensors in [governor] decide otherwise.",
                    sensors_name(g->sensors, p->stuck[i]).text);
}

static uint64_t room_to_spare(const struct governor *g) {
        return 2 * u64_min(g->limits.reserve_bytes, g->snapshot.ram_bytes / ROOMY_RAM_PART);
}

static void say_return(cJSON *out, const struct governor *g, const struct model *m) {
        struct governor_words room = governor_bytes((int64_t) u64_min(room_to_spare(g), INT64_MAX));
        bool suspended = m->running.count > model_running(m), less = is_loaded(m) && m->engine.context_now < m->engine.n_ctx;
        if (g->plan.rung > RUNG_CALM)
                say(out, "The rung is left after %u s without a reason to stay and with %s of headroom, or after %u s with less.",
                    RECOVERY_MS / 1000, room.text, RECOVERY_TIGHT_MS / 1000);
        if (suspended || less)
                say(out, "%s as soon as the machine is calm and has %s of headroom besides.",
                    suspended ? "Its requests come back from disk" : "Its full context comes back", room.text);
        if (is_loaded(m) && m->engine.level > m->form.kv_type)
                say(out,
                    "Its KV cache becomes more precise, a step at a time, after %u min of calm and with room for that and %s "
                    "besides; with more than %u changes an hour it stays as it is.",
                    UPSHIFT_CALM_MS / 60000, room.text, TRANSITIONS_MAX);
        if (m->state == MODEL_ABSENT)
                say(out, "The next request for it loads it%s.", g->plan.hold_loads ? " once nothing is held any more" : "");
}

cJSON *governor_explain_json(struct governor *g, uint32_t index) {
        const struct model *m = g->fleet->models[index];
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "model", m->config->id);
        cJSON_AddStringToObject(json, "state", model_state_name(m->state));
        cJSON *sentences = cJSON_AddArrayToObject(json, "sentences");
        say_state(sentences, m);
        say_guards(sentences, m);
        say_queue(sentences, m);
        say_form(sentences, m);
        say_events(sentences, g, m->number);
        say_box(sentences, g);
        say_return(sentences, g, m);
        if (!g->config->governor_enabled)
                say(sentences, "The governor is switched off ([governor] enabled = no): it only looks.");
        return json;
}
