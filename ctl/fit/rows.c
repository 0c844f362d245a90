/* rows.c - the table of `fit`. */
#include "ctl/fit/rows.h"

#include <assert.h>

#include "ctl/base/bounds.h"
#include "daemon/base/bounds.h"
#include "policy/admission/footprint.h"
#include "policy/base/sat.h"

const char *fit_word(enum fit fit) {
        static const char *const words[FIT_COUNT] = {
                [FIT_NOW] = "now",
                [FIT_AFTER_UNLOADING] = "after_unloading",
                [FIT_NOT_NOW] = "not_now",
                [FIT_NEVER] = "never",
        };
        assert(fit < FIT_COUNT);
        return words[fit];
}

bool fit_is_possible(enum fit fit) {
        return fit == FIT_NOW || fit == FIT_AFTER_UNLOADING;
}

/* The engines found running count as idle: whether they are busy only their daemon knows. */
static uint32_t list_accounts(const struct machine *m, struct account ret[]) {
        for (uint32_t i = 0; i < m->engines_count; i++) {
                const struct machine_engine *e = &m->engines[i];
                ret[i] = (struct account){
                        .id = i,
                        .state = ACCOUNT_IDLE,
                        .bytes = sat_add(e->file_bytes, e->taken_bytes),
                        .weights_bytes = e->file_bytes,
                        .taken_bytes = e->taken_bytes,
                };
        }
        return m->engines_count;
}

static enum fit fit_of(enum verdict verdict) {
        static const enum fit fits[VERDICT_COUNT] = {
                [VERDICT_ADMIT] = FIT_NOW,       [VERDICT_EVICT] = FIT_AFTER_UNLOADING, [VERDICT_WAIT] = FIT_AFTER_UNLOADING,
                [VERDICT_BLOCKED] = FIT_NOT_NOW, [VERDICT_PROTECTED] = FIT_NOT_NOW,     [VERDICT_SHORT] = FIT_NOT_NOW,
                [VERDICT_NEVER] = FIT_NEVER,
        };
        assert(verdict < VERDICT_COUNT);
        return fits[verdict];
}

static double speed(const struct fit_model *model, const struct fit_question *q, uint32_t context, enum kv_type kv_type) {
        uint64_t read = sat_add(model->decode_bytes, sat_mul(model->kv_bytes_per_token[kv_type], context));
        if (!(q->bandwidth > 0) || read == 0 || read <= q->cache_bytes)
                return 0;
        return q->bandwidth * DECODE_EFFICIENCY_MAX / (double) read;
}

static struct footprint_facts facts_of(const struct fit_model *model, enum kv_type kv_type) {
        return (struct footprint_facts){
                .weights_bytes = model->weights_bytes,
                .kv_bytes_per_token = model->kv_bytes_per_token[kv_type],
                .scratch_bytes = model->scratch_bytes,
                .overhead_bytes = model->overhead_bytes,
        };
}

/* ACCOUNTS: those of the engines found running, which it refers to. */
static struct admission_snapshot snapshot_of(const struct fit_question *q, struct account accounts[]) {
        return (struct admission_snapshot){
                .now_ms = 0,
                .available_bytes = q->machine->available_bytes,
                .accounts = accounts,
                .accounts_count = list_accounts(q->machine, accounts),
        };
}

uint32_t fit_context_auto(const struct fit_model *model, const struct fit_question *q) {
        struct account accounts[ACCOUNTS_MAX];
        struct admission_snapshot snapshot = snapshot_of(q, accounts);
        struct footprint_facts facts = facts_of(model, KV_F16);
        uint32_t least = model->context_trained < CONTEXT_DEFAULT ? model->context_trained : CONTEXT_DEFAULT;
        const struct context_range range = { .least = least,
                                             .full = model->context_trained,
                                             .whole_bytes = policy_footprint(&facts, least, LEARNED_NEUTRAL).total_bytes,
                                             .token_bytes = facts.kv_bytes_per_token };
        return policy_context(&range, policy_admission_free(&q->limits, &snapshot));
}

struct fit_row fit_row(const struct fit_model *model, const struct fit_question *q, uint32_t context, enum kv_type kv_type) {
        struct footprint_facts facts = facts_of(model, kv_type);
        struct footprint footprint = policy_footprint(&facts, sat_mul(context, q->parallel), LEARNED_NEUTRAL);
        struct account accounts[ACCOUNTS_MAX];
        struct admission_snapshot snapshot = snapshot_of(q, accounts);
        struct admission_want want = { .bytes = footprint.total_bytes, .weights_bytes = footprint.weights_bytes };
        struct admission a = policy_admission(&q->limits, &snapshot, &want);
        return (struct fit_row){
                .context = context,
                .kv_type = kv_type,
                .kv_bytes = footprint.kv_bytes,
                .total_bytes = footprint.total_bytes,
                .fit = fit_of(a.verdict),
                .rule = a.rule,
                .short_bytes = sat_sub(sat_add(a.used_bytes, a.needed_bytes), a.limit_bytes),
                .tokens_per_second = speed(model, q, context, kv_type),
        };
}

uint32_t fit_contexts(uint32_t trained, uint32_t ret[]) {
        uint32_t count = 0;
        for (uint64_t context = CONTEXT_SMALLEST; context < trained && count + 1 < CONTEXTS_MAX; context *= 2)
                ret[count++] = (uint32_t) context;
        ret[count++] = trained;
        return count;
}
