/* pool.c - see pool.h. */
#include "policy/admission/pool.h"

#include "policy/base/sat.h"

static uint32_t most(uint32_t a, uint32_t b) {
        return a > b ? a : b;
}

static uint32_t least(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

bool policy_pool_is_elastic(const struct model_view *m) {
        return m->obeys && m->pool > 0 && !(m->lacks & ACTION_BIT(ACTION_POOL)) &&
               (m->state == ACCOUNT_IDLE || m->state == ACCOUNT_BUSY || m->state == ACCOUNT_DRAINING);
}

uint64_t policy_pool_bytes(const struct model_view *m, uint32_t tokens) {
        return sat_mul(m->pool_token_bytes, tokens);
}

/* Tokens that are left to M. While one order is under way there is no second one. */
static uint32_t left(const struct model_view *m, enum pool_cut cut) {
        if (m->pool_asked < m->pool || m->pool_told)
                return least(m->pool_asked, m->pool);
        uint32_t keeps = m->pool_floor;
        if (cut <= POOL_PREFIXES)
                keeps = most(keeps, m->pool_needed);
        if (cut == POOL_UNUSED)
                keeps = most(keeps, m->pool_held);
        return least(keeps, m->pool);
}

/* Pages that fall free, which miss from MemAvailable now; what nobody uses does not. */
static uint64_t freed_bytes(const struct model_view *m, enum pool_cut cut) {
        uint64_t bytes = cut >= POOL_PREFIXES ? m->prefix_bytes : 0;
        for (unsigned type = 0; cut == POOL_RUNNING && type < KV_TYPE_COUNT; type++)
                bytes = sat_add(bytes, m->kv_bytes[type]);
        return bytes;
}

static void mark(const struct model_view *m, uint32_t tokens, uint64_t freed, struct account *a) {
        uint64_t gives = policy_pool_bytes(m, m->pool - tokens), holds = sat_sub(m->bytes, freed);
        freed = u64_min(freed, gives);
        a->leaving_bytes = u64_min(gives, sat_sub(a->bytes, holds));
        a->leaving_taken_bytes = u64_min(freed, u64_min(a->taken_bytes, a->leaving_bytes));
}

void policy_pool_mark_asked(const struct model_view *m, struct account *a) {
        if (policy_pool_is_elastic(m) && m->pool_asked < m->pool)
                mark(m, m->pool_asked, 0, a);
}

void policy_pool_range(const struct model_view *m, struct account *a) {
        if (m->pool == 0)
                return;
        a->least_bytes = sat_sub(a->bytes, policy_pool_bytes(m, m->pool - least(m->pool_floor, m->pool)));
        a->whole_bytes = m->pool_whole_bytes;
}

static bool is_ordered(const struct plan *plan, uint32_t model) {
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                if (a->model == model && (a->kind == ACTION_POOL || a->kind == ACTION_TURN_OUT))
                        return true;
        }
        return false;
}

bool policy_pool_cut(const struct model_view *m, enum pool_cut cut, const struct plan *plan, struct account *a) {
        if (is_ordered(plan, m->id) || m->lower_told || !policy_pool_is_elastic(m) || left(m, cut) >= m->pool)
                return false;
        mark(m, left(m, cut), m->pool_asked < m->pool ? 0 : freed_bytes(m, cut), a);
        return a->leaving_bytes > 0;
}

bool policy_pool_order(const struct model_view *m, enum action_kind kind, uint32_t tokens, enum reason because,
                       struct plan *plan) {
        if (plan->actions_count == PLAN_ACTIONS_MAX || is_ordered(plan, m->id))
                return false;
        plan->actions[plan->actions_count++] = (struct action){
                .kind = kind,
                .model = m->id,
                .value = tokens,
                .expected_bytes = tokens < m->pool ? policy_pool_bytes(m, m->pool - tokens) : 0,
                .because = because,
        };
        return true;
}

void policy_pool_order_cut(const struct model_view *m, enum pool_cut cut, enum reason because, struct plan *plan) {
        if (m->pool_asked >= m->pool)
                (void) policy_pool_order(m, cut == POOL_RUNNING ? ACTION_TURN_OUT : ACTION_POOL, left(m, cut), because, plan);
}

uint32_t policy_pool_goal(const struct model_view *m, bool generous) {
        uint64_t tokens = generous ? most(m->pool_wanted, m->pool_needed) : m->pool_needed;
        if (generous)
                tokens = sat_add(tokens, tokens / POOL_STEP_PART);
        tokens = (tokens + POOL_STEP_TOKENS - 1) / POOL_STEP_TOKENS * POOL_STEP_TOKENS;
        return most((uint32_t) u64_min(tokens, m->pool_full), m->pool);
}

void policy_pools_rest(const struct snapshot *snapshot, struct plan *plan) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                uint64_t idle_ms = sat_sub(snapshot->now_ms, u64_max(m->last_end_ms, m->loaded_ms));
                bool rests = m->state == ACCOUNT_IDLE && idle_ms >= POOL_REST_MS && policy_pool_is_elastic(m);
                if (rests && m->pool - left(m, POOL_UNUSED) >= POOL_STEP_TOKENS)
                        policy_pool_order_cut(m, POOL_UNUSED, REASON_IDLE, plan);
        }
}
