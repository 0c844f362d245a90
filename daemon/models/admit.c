/*
 * admit.c - who may be loaded now: the accounts of all engines, the question to policy for each model that waits,
 * oldest waiter first, and what follows from the answer.
 */
#include "daemon/models/admit.h"

#include <stdio.h>
#include <string.h>

#include "daemon/models/model.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/gate.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/admission/admission.h"
#include "policy/base/sat.h"

#define MIB(bytes) ((unsigned long long) (bytes) >> 20)

static struct account account_of(const struct model *m) {
        const struct instance *e = &m->engine;
        uint64_t in_cache = sat_sub(e->memory.file_bytes, e->memory.locked_bytes);
        return (struct account){
                .id = m->index,
                .state = model_account_state(m),
                .pinned = m->config->pinned,
                .asked = e->worked,
                .priority = m->config->priority,
                .bytes = model_account_bytes(m),
                .weights_bytes = m->form.predicted.weights_bytes,
                .taken_bytes = sat_sub(e->memory.pss_bytes, in_cache),
                .loaded_ms = e->ready_ms,
                .last_end_ms = e->last_end_ms,
                .load_ms = m->load_ms,
        };
}

struct accounts {
        uint32_t count;
        struct account all[ACCOUNTS_MAX];
};

/* PROMISED: models for which room is being made; whoever comes later may not take it. */
static void collect(const struct fleet *f, const struct model *const promised[], uint32_t promised_count, struct accounts *ret) {
        ret->count = 0;
        for (uint32_t i = 0; i < f->models_count && ret->count < ACCOUNTS_MAX; i++) {
                if (model_has_account(&f->models[i]))
                        ret->all[ret->count++] = account_of(&f->models[i]);
        }
        for (uint32_t i = 0; i < promised_count && ret->count < ACCOUNTS_MAX; i++) {
                const struct model *m = promised[i];
                ret->all[ret->count++] = (struct account){ .id = m->index,
                                                           .state = ACCOUNT_PROMISED,
                                                           .bytes = m->form.predicted.total_bytes,
                                                           .weights_bytes = m->form.predicted.weights_bytes };
        }
}

static struct admission_limits limits_of(const struct fleet *f) {
        return (struct admission_limits){
                .budget_bytes = f->config->budget_bytes,
                .weights_max_bytes = fleet_weights_max(f),
                .reserve_bytes = f->config->reserve_bytes,
                .ram_bytes = f->memory.total_bytes,
                .min_residency_ms = f->config->min_residency_ms,
        };
}

bool fleet_has_room(struct fleet *f, uint64_t bytes) {
        struct accounts accounts;
        fleet_observe_memory(f, MEMORY_AGE_MAX_MS);
        collect(f, NULL, 0, &accounts);
        struct admission_limits limits = limits_of(f);
        struct admission_snapshot snapshot = { f->now_ms, f->memory.available_bytes, accounts.all, accounts.count };
        struct admission_want want = { .bytes = bytes, .since_ms = f->now_ms };
        return policy_admission(&limits, &snapshot, &want).verdict == VERDICT_ADMIT;
}

/* What a smaller context would do. Weights alone may be too large: then none is small enough. */
static const char *hint(const struct model *m, const struct admission *a) {
        bool helps = a->rule != RULE_WEIGHTS && sat_sub(a->needed_bytes, m->form.predicted.kv_bytes) < a->limit_bytes;
        return helps ? "a smaller context would help" : "even without the KV cache it is too large";
}

/* The numbers behind a refusal, in the words of the rule that is broken. */
static void refuse(struct model *m, enum reason reason, const struct admission *a, const char *why) {
        static const char *const what[RULE_COUNT] = {
                [RULE_NONE] = "",
                [RULE_BUDGET] = "the budget for all models (budget)",
                [RULE_WEIGHTS] = "the part of RAM that weights may fill (weights_fraction)",
                [RULE_AVAILABLE] = "the memory available on this machine after the reserve (reserve)",
                [RULE_PLACES] = "the number of engines",
        };
        const struct footprint *p = &m->form.predicted; /* of its smallest form */
        struct failure failure;
        if (reason == REASON_NEVER_FITS)
                failure_set(
                        &failure, reason,
                        "model '%s' can never fit: it needs %llu MiB (weights %llu, KV cache %llu for %u tokens in %s, scratch "
                        "and overhead %llu), more than %s, %llu MiB; %s",
                        m->config->id, MIB(a->needed_bytes), MIB(p->weights_bytes), MIB(p->kv_bytes), m->form.kv_tokens,
                        kv_type_name(m->form.kv_type), MIB(sat_add(p->scratch_bytes, p->overhead_bytes)), what[a->rule],
                        MIB(a->limit_bytes), why);
        else
                failure_set(&failure, reason,
                            "model '%s' does not fit now: it needs %llu MiB, and %llu MiB of %s, %llu MiB, are in use; %s",
                            m->config->id, MIB(a->needed_bytes), MIB(a->used_bytes), what[a->rule], MIB(a->limit_bytes), why);
        model_refuse(m, &failure);
}

static void log_waiting(struct model *m, const struct admission *a) {
        if (m->answer_logged)
                return;
        m->answer_logged = true;
        log_info("wait_for_room", LOG_TEXT("model", m->config->id), LOG_TEXT("rule", policy_rule_word(a->rule)),
                 LOG_NUMBER("needed_mib", MIB(a->needed_bytes)), LOG_NUMBER("used_mib", MIB(a->used_bytes)),
                 LOG_NUMBER("limit_mib", MIB(a->limit_bytes)), LOG_NUMBER("waiting", m->waiting.count));
}

static void log_held(struct model *m) {
        if (m->answer_logged)
                return;
        m->answer_logged = true;
        enum reason why = m->fleet->gate.loads ? REASON_MEMORY_HELD : m->fleet->gate.batch_because;
        log_info("load_held", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", reason_info(why)->word),
                 LOG_NUMBER("headroom_mib", m->fleet->gate.headroom_bytes / (1 << 20)), LOG_NUMBER("waiting", m->waiting.count));
}

/* Others hold the memory. It may come back at once (they ended, the counters lag), so it is hoped for a moment. */
static void hope(struct model *m, const struct admission *a) {
        struct fleet *f = m->fleet;
        if (m->short_since_ms == 0)
                m->short_since_ms = f->now_ms;
        if (f->now_ms - m->short_since_ms >= SHORT_GRACE_MS) {
                refuse(m, REASON_INSUFFICIENT_MEMORY, a,
                       f->memory_known ? "other programs hold the rest of the memory" : "/proc/meminfo cannot be read");
                return;
        }
        log_waiting(m, a);
        fleet_due(f, f->now_ms + SHORT_POLL_MS);
}

static void evict(struct model *m, const struct admission *a) {
        log_waiting(m, a);
        for (uint32_t i = 0; i < a->victims_count; i++)
                model_leave(&m->fleet->models[a->victims[i]], REASON_MAKE_ROOM, m->config->id);
}

/* True when the room it needs is being made. */
static bool follow(struct model *m, const struct admission *a) {
        if (a->verdict != VERDICT_SHORT)
                m->short_since_ms = 0;
        switch (a->verdict) {
        case VERDICT_ADMIT: model_event(m, MODEL_EVENT_ADMITTED); break;
        case VERDICT_EVICT: evict(m, a); break;
        case VERDICT_WAIT:
                log_waiting(m, a);
                fleet_due(m->fleet, a->look_again_ms);
                break;
        case VERDICT_BLOCKED: refuse(m, REASON_INSUFFICIENT_MEMORY, a, "the models that hold it are pinned"); break;
        case VERDICT_SHORT: hope(m, a); break;
        case VERDICT_NEVER: refuse(m, REASON_NEVER_FITS, a, hint(m, a)); break;
        case VERDICT_COUNT: break;
        }
        return a->promised;
}

/* An engine grew past its prediction: idle ones go until the rest holds its word. */
static void see_to_overrun(struct fleet *f) {
        struct accounts accounts;
        collect(f, NULL, 0, &accounts);
        if (accounts.count == 0)
                return;
        struct admission_limits limits = limits_of(f);
        struct admission_snapshot snapshot = { f->now_ms, f->memory.available_bytes, accounts.all, accounts.count };
        struct admission a = policy_admission_overrun(&limits, &snapshot);
        if (a.verdict == VERDICT_ADMIT) {
                f->overrun_logged = false;
                return;
        }
        if (!f->overrun_logged)
                log_warning("over_budget", LOG_TEXT("rule", policy_rule_word(a.rule)), LOG_NUMBER("used_mib", MIB(a.used_bytes)),
                            LOG_NUMBER("limit_mib", MIB(a.limit_bytes)), LOG_NUMBER("victims", a.victims_count),
                            LOG_TEXT("effect", a.victims_count > 0 ? "idle models are unloaded"
                                                                   : "nothing is loaded until a busy model ends"));
        f->overrun_logged = true;
        for (uint32_t i = 0; i < a.victims_count; i++)
                model_leave(&f->models[a.victims[i]], REASON_OVER_BUDGET, NULL);
}

/* Asks for each form that the model can take, and settles on the one of the answer. */
static struct admission ask_policy(struct model *m, const struct accounts *accounts) {
        struct fleet *f = m->fleet;
        struct admission_limits limits = limits_of(f);
        struct admission_snapshot now = { f->now_ms, f->memory.available_bytes, accounts->all, accounts->count };
        struct admission_want want[FORMS_MAX];
        for (uint32_t i = 0; i < m->forms_count; i++) {
                const struct footprint *p = &m->forms[i].predicted;
                want[i] = (struct admission_want){ p->total_bytes, p->weights_bytes, m->config->priority, model_wanted_since(m) };
        }
        uint32_t form;
        struct admission answer = policy_admission_of_forms(&limits, &now, want, m->forms_count, &form);
        m->form = m->forms[form];
        return answer;
}

/* For maintainers: every verdict, also one that has been told before. */
static void log_verdict(const struct model *m, const struct admission *a) {
        static const char *const words[VERDICT_COUNT] = {
                [VERDICT_ADMIT] = "admit",     [VERDICT_EVICT] = "evict", [VERDICT_WAIT] = "wait",
                [VERDICT_BLOCKED] = "blocked", [VERDICT_SHORT] = "short", [VERDICT_NEVER] = "never",
        };
        log_debug("admission", LOG_TEXT("model", m->config->id), LOG_TEXT("verdict", words[a->verdict]),
                  LOG_TEXT("rule", policy_rule_word(a->rule)), LOG_TEXT("kv", kv_type_name(m->form.kv_type)),
                  LOG_NUMBER("kv_tokens", m->form.kv_tokens), LOG_NUMBER("needed_mib", MIB(a->needed_bytes)),
                  LOG_NUMBER("used_mib", MIB(a->used_bytes)), LOG_NUMBER("limit_mib", MIB(a->limit_bytes)),
                  LOG_NUMBER("victims", a->victims_count));
}

static struct model *next_waiting(struct fleet *f, const bool seen[]) {
        struct model *next = NULL;
        uint64_t since = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                struct model *m = &f->models[i];
                if (m->state != MODEL_WAITING || seen[i])
                        continue;
                uint64_t its = model_wanted_since(m);
                if (!next || its < since) {
                        next = m;
                        since = its;
                }
        }
        return next;
}

void fleet_admit(struct fleet *f) {
        const struct model *promised[ACCOUNTS_MAX];
        uint32_t promised_count = 0;
        bool seen[MODELS_MAX] = { 0 };

        see_to_overrun(f);
        for (struct model *m; (m = next_waiting(f, seen));) {
                seen[m->index] = true;
                if (gate_load(m)) {
                        log_held(m);
                        continue;
                }
                fleet_observe_memory(f, MEMORY_AGE_MAX_MS);
                struct accounts accounts;
                collect(f, promised, promised_count, &accounts);
                struct admission answer = ask_policy(m, &accounts);
                m->last_answer = answer;
                log_verdict(m, &answer);
                if (follow(m, &answer) && promised_count < ACCOUNTS_MAX)
                        promised[promised_count++] = m;
        }
}
