/* precision.c - see precision.h. */
#include "policy/admission/precision.h"

#include <string.h>

#include "policy/admission/round.h"
#include "policy/base/sat.h"

uint64_t policy_lowering_frees(const struct model_view *m, enum kv_type to) {
        if (m->level >= m->floor || to >= KV_TYPE_COUNT)
                return 0;
        uint64_t freed = 0;
        for (unsigned level = 0; level < (unsigned) to; level++) {
                unsigned from = kv_type_block_bytes((enum kv_type) level);
                freed = sat_add(freed, sat_mul(m->kv_bytes[level], from - kv_type_block_bytes(to)) / from);
        }
        return freed;
}

void policy_precision_mark(const struct model_view *m, enum kv_type to, struct account *a) {
        uint64_t falls = u64_min(m->lower_bytes[to], sat_sub(a->bytes, a->leaving_bytes));
        uint64_t freed = u64_min(policy_lowering_frees(m, to), sat_sub(a->taken_bytes, a->leaving_taken_bytes));
        a->leaving_bytes += falls;
        a->leaving_taken_bytes += u64_min(freed, falls);
}

void policy_precision_mark_told(const struct model_view *m, struct account *a) {
        for (unsigned to = 0; to < KV_TYPE_COUNT && m->lower_told; to++)
                policy_precision_mark(m, (enum kv_type) to, a);
}

/* --- for a model that wants in --- */

static bool is_acted_on(const struct plan *plan, uint32_t model) {
        for (uint32_t i = 0; i < plan->actions_count; i++)
                if (plan->actions[i].model == model)
                        return true;
        return false;
}

/* Not for who is worth less: a lower priority, or batch work where interactive requests run. */
static bool may_lower(const struct round *r, uint32_t index, enum kv_type to, const struct want *want) {
        const struct model_view *m = &r->snapshot->models[index];
        bool is_up = m->state == ACCOUNT_IDLE || m->state == ACCOUNT_BUSY;
        return m->obeys && is_up && r->accounts[index].state == m->state && !m->lower_told && m->pool_asked >= m->pool &&
               m->level < to && to <= m->floor && m->lower_bytes[to] > 0 && !(m->lacks & ACTION_BIT(ACTION_DOWNSHIFT)) &&
               m->priority <= want->priority && (m->batch || !want->batch) && !is_acted_on(r->plan, m->id);
}

/* The next to lose precision that has not, lowest priority first; UINT32_MAX: there is none. */
static uint32_t next_lower(const struct round *r, enum kv_type to, const struct want *want, const enum kv_type levels[]) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < r->snapshot->models_count; i++)
                if (levels[i] != to && may_lower(r, i, to, want) &&
                    (next == UINT32_MAX || r->snapshot->models[i].priority < r->snapshot->models[next].priority))
                        next = i;
        return next;
}

static void order(struct round *r, uint32_t index, enum kv_type to) {
        const struct model_view *m = &r->snapshot->models[index];
        if (r->plan->actions_count < PLAN_ACTIONS_MAX)
                r->plan->actions[r->plan->actions_count++] = (struct action){ .kind = ACTION_DOWNSHIFT,
                                                                              .model = m->id,
                                                                              .level = to,
                                                                              .expected_bytes = policy_lowering_frees(m, to),
                                                                              .because = REASON_MAKE_ROOM };
}

/* None goes to q4_0 while another is still at f16. */
bool round_lower_precision(struct round *r, const struct want *want, const struct admission_want *asked, uint64_t whole_bytes) {
        enum kv_type levels[ACCOUNTS_MAX] = { KV_F16 };
        struct account before[ACCOUNTS_MAX];
        memcpy(before, r->accounts, sizeof(before));
        bool enough = false;
        for (unsigned to = KV_F16 + 1; to < KV_TYPE_COUNT && !enough; to++)
                for (uint32_t i; !enough && (i = next_lower(r, (enum kv_type) to, want, levels)) != UINT32_MAX;) {
                        levels[i] = (enum kv_type) to;
                        r->accounts[i] = before[i];
                        policy_precision_mark(&r->snapshot->models[i], levels[i], &r->accounts[i]);
                        enough = round_suffices(r, asked) && round_ask_beside(r, *asked, whole_bytes).verdict == VERDICT_ADMIT;
                }
        if (!enough)
                memcpy(r->accounts, before, sizeof(before));
        for (uint32_t i = 0; i < r->snapshot->models_count && enough; i++)
                if (levels[i] > KV_F16)
                        order(r, i, levels[i]);
        return enough;
}
