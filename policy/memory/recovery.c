/* recovery.c - the restrictions that may be lifted now. */
#include "policy/memory/recovery.h"

#include <stddef.h>

#include "policy/admission/loads.h"
#include "policy/memory/ladder.h"
#include "policy/base/sat.h"

static bool is_up(const struct model_view *m) {
        return m->obeys && (m->state == ACCOUNT_IDLE || m->state == ACCOUNT_BUSY);
}

static void add(struct plan *plan, enum action_kind kind, const struct model_view *m, enum kv_type level, uint32_t value,
                uint64_t bytes) {
        if (plan->actions_count < PLAN_ACTIONS_MAX)
                plan->actions[plan->actions_count++] = (struct action){ .kind = kind,
                                                                        .model = m->id,
                                                                        .level = level,
                                                                        .value = value,
                                                                        .expected_bytes = bytes,
                                                                        .because = REASON_CALM };
}

static bool may(const struct model_view *m, const struct model_past *past, enum action_kind kind, uint64_t now_ms) {
        return is_up(m) && !(m->lacks & ACTION_BIT(kind)) && past->refused_until_ms[kind] <= now_ms;
}

static void chunks_back(const struct snapshot *snapshot, struct model_past *const pasts[], struct plan *plan) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                if (m->chunk < m->chunk_full && may(m, pasts[i], ACTION_CHUNK, snapshot->now_ms))
                        add(plan, ACTION_CHUNK, m, KV_F16, m->chunk_full, 0);
        }
}

/* The model of the highest priority for which GETS_BACK, and for which there is room. */
static const struct model_view *first_served(const struct snapshot *snapshot, struct model_past *const pasts[],
                                             enum action_kind kind, uint64_t spare,
                                             bool (*gets_back)(const struct model_view *, uint64_t *ret_costs),
                                             uint64_t *ret_costs) {
        const struct model_view *best = NULL;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                uint64_t costs = 0;
                if (!gets_back(m, &costs) || costs > spare || !may(m, pasts[i], kind, snapshot->now_ms))
                        continue;
                if (best == NULL || m->priority > best->priority) {
                        best = m;
                        *ret_costs = costs;
                }
        }
        return best;
}

static bool waits_on_disk(const struct model_view *m, uint64_t *ret_costs) {
        *ret_costs = m->suspended_bytes;
        return m->suspended > 0;
}

static bool has_less_context(const struct model_view *m, uint64_t *ret_costs) {
        *ret_costs = 0;
        return m->context < m->context_full;
}

/* More precise again: as if all that is stored now were stored so, which it will be in time. */
static uint64_t upshift_costs(const struct model_view *m) {
        uint64_t from = kv_type_block_bytes(m->level), to = kv_type_block_bytes((enum kv_type)(m->level - 1)), sum = 0;
        for (unsigned level = 0; level < KV_TYPE_COUNT; level++)
                sum = sat_add(sum, m->kv_bytes[level]);
        return sat_mul(sum, to - from) / from;
}

/* One change now, and the one that may have to take it back, must both stay within the cap. */
static bool changed_too_often(const struct model_past *past, uint64_t now_ms) {
        unsigned recent = 0;
        for (unsigned t = 0; t < TRANSITIONS_MAX; t++) {
                if (past->transitions_ms[t] > 0 && now_ms - past->transitions_ms[t] < TRANSITION_KEPT_MS)
                        recent++;
        }
        return recent + 2 > TRANSITIONS_MAX;
}

/* Each step waits for calm of its own. */
static bool upshift_one(const struct limits *limits, struct ladder *l, const struct snapshot *snapshot,
                        struct model_past *const pasts[], uint64_t spare, struct plan *plan) {
        const struct model_view *best = NULL;
        bool flapping = false;
        uint64_t best_costs = 0;
        /* It would be asked for again at once. */
        if (snapshot->wants_count > 0)
                return false;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                if (m->level <= m->ceiling || m->level >= KV_TYPE_COUNT || !may(m, pasts[i], ACTION_UPSHIFT, snapshot->now_ms))
                        continue;
                uint64_t costs = upshift_costs(m);
                if (costs > spare || (m->upshift_bytes > 0 && !policy_has_room(limits, snapshot, m->upshift_bytes)))
                        continue;
                if (changed_too_often(pasts[i], snapshot->now_ms)) {
                        flapping = true;
                } else if (best == NULL || m->priority > best->priority) {
                        best = m;
                        best_costs = costs;
                }
        }
        if (best != NULL) {
                add(plan, ACTION_UPSHIFT, best, (enum kv_type)(best->level - 1), 0, best_costs);
                l->calm_ms = snapshot->now_ms;
        }
        return flapping;
}

bool policy_recover(const struct limits *limits, const struct snapshot *snapshot, const struct headroom *headroom,
                    struct past *past, struct model_past *const pasts[], struct plan *plan) {
        struct ladder *l = &past->ladder;
        chunks_back(snapshot, pasts, plan);
        uint64_t have = headroom->bytes > 0 ? (uint64_t) headroom->bytes : 0;
        uint64_t to_spare = policy_room_to_spare(limits, snapshot);
        if (plan->actions_count > 0 || have < to_spare || snapshot->memory_blind)
                return false;
        if (l->given_back_ms > 0 && snapshot->now_ms - l->given_back_ms < GIVE_BACK_MS)
                return false;
        uint64_t spare = have - to_spare, costs = 0;
        const struct model_view *m;
        bool flapping = false;
        if ((m = first_served(snapshot, pasts, ACTION_RESUME, spare, waits_on_disk, &costs)) != NULL)
                add(plan, ACTION_RESUME, m, KV_F16, 0, costs);
        else if ((m = first_served(snapshot, pasts, ACTION_CONTEXT, spare, has_less_context, &costs)) != NULL)
                add(plan, ACTION_CONTEXT, m, KV_F16, m->context_full, 0);
        else if (snapshot->now_ms - l->calm_ms >= UPSHIFT_CALM_MS)
                flapping = upshift_one(limits, l, snapshot, pasts, spare, plan);
        if (plan->actions_count > 0)
                l->given_back_ms = u64_max(snapshot->now_ms, 1);
        return flapping && plan->actions_count == 0;
}
