/*
 * admit.c - carries out policy's answers to the models that wait: one is loaded, others leave for it, or the waiting
 * requests learn why there is no room and by which rule.
 */
#include "daemon/models/admit.h"

#include <stdio.h>
#include <string.h>

#include "daemon/models/lifecycle.h"
#include "daemon/requests/failure.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

#define MIB(bytes) ((unsigned long long) (bytes) >> 20)

/* Advice on a smaller context. Weights alone may be too large: then no context is small enough. */
static const char *hint(const struct model *m, const struct room *room) {
        bool helps =
                room->rule != RULE_WEIGHTS && sat_sub(room->needed_bytes, model_whole(m, &m->form).kv_bytes) < room->limit_bytes;
        return helps ? "a smaller context would help" : "even without the KV cache it is too large";
}

/* The one whose protection ends last. */
static const struct model *last_protected(const struct fleet *f) {
        const struct model *last = NULL;
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct model *m = f->models[i];
                if (model_has_account(m) && (!last || model_protected_until_ms(m) > model_protected_until_ms(last)))
                        last = m;
        }
        return last;
}

static void refuse_behind_guard(struct model *m, const struct load *load) {
        const struct fleet *f = m->fleet;
        const struct model *guarded = last_protected(f);
        uint64_t left_ms = sat_sub(load->guarded_until_ms, f->now_ms);
        struct failure failure;
        failure_set(
                &failure, load->because,
                "model '%s' does not fit now: it needs %llu MiB, and '%s' is protected from other models for %llu s more, longer than "
                "a request waits (%llu s)",
                m->config->id, MIB(load->room.needed_bytes), guarded ? guarded->config->id : "",
                (unsigned long long) (left_ms + 999) / 1000, (unsigned long long) f->config->wait_timeout_ms / 1000);
        failure_set_retry_after(&failure, left_ms);
        model_refuse(m, &failure);
}

static const char *why_refused(const struct model *m, const struct load *load) {
        if (load->verdict == VERDICT_NEVER)
                return hint(m, &load->room);
        if (load->verdict == VERDICT_BLOCKED)
                return "the models that hold it are pinned";
        return m->fleet->memory_blind ? "/proc/meminfo cannot be read" : "other programs hold the rest of the memory";
}

/* The numbers behind a refusal, in the words of the rule that is broken. */
static void refuse(struct model *m, const struct load *load) {
        static const char *const what[RULE_COUNT] = {
                [RULE_NONE] = "",
                [RULE_BUDGET] = "the budget for all models (budget)",
                [RULE_WEIGHTS] = "the part of RAM that weights may fill (weights_fraction)",
                [RULE_AVAILABLE] = "the memory available on this machine after the reserve (reserve)",
                [RULE_PLACES] = "the number of engines",
        };
        const struct footprint whole = model_whole(m, &m->form), *p = &whole; /* of its smallest form */
        uint32_t tokens = m->form.is_elastic && m->context_least > m->form.kv_tokens ? m->context_least : m->form.kv_tokens;
        const struct room *room = &load->room;
        const char *why = why_refused(m, load);
        struct failure failure;
        if (load->because == REASON_NEVER_FITS)
                failure_set(
                        &failure, load->because,
                        "model '%s' can never fit: it needs %llu MiB (weights %llu, KV cache %llu for %u tokens in %s, scratch "
                        "and overhead %llu), more than %s, %llu MiB; %s",
                        m->config->id, MIB(room->needed_bytes), MIB(p->weights_bytes), MIB(p->kv_bytes), tokens,
                        kv_type_name(m->form.kv_type), MIB(sat_add(p->scratch_bytes, p->overhead_bytes)), what[room->rule],
                        MIB(room->limit_bytes), why);
        else
                failure_set(&failure, load->because,
                            "model '%s' does not fit now: it needs %llu MiB, and %llu MiB of %s, %llu MiB, are in use; %s",
                            m->config->id, MIB(room->needed_bytes), MIB(room->used_bytes), what[room->rule],
                            MIB(room->limit_bytes), why);
        model_refuse(m, &failure);
}

static void log_waiting(struct model *m, const struct load *load) {
        if (m->answer_logged)
                return;
        m->answer_logged = true;
        if (load->verdict == VERDICT_HELD)
                log_info("load_held", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", reason_info(load->because)->word),
                         LOG_NUMBER("headroom_mib", m->fleet->gate.headroom_bytes / (1 << 20)),
                         LOG_NUMBER("waiting", m->waiting.count));
        else
                log_info("wait_for_room", LOG_TEXT("model", m->config->id), LOG_TEXT("rule", policy_rule_word(load->room.rule)),
                         LOG_NUMBER("needed_mib", MIB(load->room.needed_bytes)),
                         LOG_NUMBER("used_mib", MIB(load->room.used_bytes)), LOG_NUMBER("limit_mib", MIB(load->room.limit_bytes)),
                         LOG_NUMBER("waiting", m->waiting.count));
}

/* For maintainers: every answer, also one that has been told before. */
static void log_answer(const struct model *m, const struct load *load) {
        log_debug("admission", LOG_TEXT("model", m->config->id), LOG_TEXT("verdict", policy_verdict_word(load->verdict)),
                  LOG_TEXT("rule", policy_rule_word(load->room.rule)), LOG_TEXT("kv", kv_type_name(m->form.kv_type)),
                  LOG_NUMBER("kv_tokens", m->form.kv_tokens), LOG_NUMBER("needed_mib", MIB(load->room.needed_bytes)),
                  LOG_NUMBER("used_mib", MIB(load->room.used_bytes)), LOG_NUMBER("limit_mib", MIB(load->room.limit_bytes)));
}

static void carry_out(struct model *m, const struct load *load) {
        m->last_answer = *load;
        m->form = m->forms[load->form];
        m->context = load->context;
        log_answer(m, load);
        if (load->verdict == VERDICT_PROTECTED)
                refuse_behind_guard(m, load);
        else if (load->refused)
                refuse(m, load);
        else if (load->verdict == VERDICT_ADMIT)
                model_event(m, MODEL_EVENT_ADMITTED);
        else
                log_waiting(m, load);
}

static void log_overrun(struct fleet *f, const struct plan *plan) {
        const struct room *over = &plan->overrun;
        if (over->rule != RULE_NONE && !f->overrun_logged)
                log_warning("over_budget", LOG_TEXT("rule", policy_rule_word(over->rule)),
                            LOG_NUMBER("used_mib", MIB(over->used_bytes)), LOG_NUMBER("limit_mib", MIB(over->limit_bytes)),
                            LOG_NUMBER("victims", plan->unloads_count),
                            LOG_TEXT("effect", plan->unloads_count > 0 ? "idle models are unloaded"
                                                                       : "nothing is loaded until a busy model ends"));
        f->overrun_logged = over->rule != RULE_NONE;
}

void fleet_admit(struct fleet *f, const struct plan *plan) {
        f->free_bytes = plan->free_bytes;
        if (f->stopping)
                return;
        log_overrun(f, plan);
        for (uint32_t i = 0; i < plan->unloads_count; i++) {
                const struct unload *u = &plan->unloads[i];
                struct model *m = fleet_model(f, u->model);
                if (m)
                        model_leave(m, u->because, fleet_model(f, u->for_model));
        }
        for (uint32_t i = 0; i < plan->loads_count; i++) {
                const struct load *load = &plan->loads[i];
                /* Carrying out the load before may have changed this model. */
                struct model *m = fleet_model(f, load->model);
                if (m && m->state == MODEL_WAITING)
                        carry_out(m, load);
        }
}
