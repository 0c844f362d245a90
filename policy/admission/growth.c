/* growth.c - which KV pools may grow, and which shrink for it. */
#include "policy/admission/round.h"

#include <string.h>

#include "policy/base/sat.h"

bool round_suffices(const struct round *r, const struct admission_want *want) {
        struct admission_limits limits = round_limits(r);
        struct admission_snapshot now = round_now(r);
        return policy_admission_needs_nobody(&limits, &now, want);
}

/* Requests are never made to wait for one that came later. */
static bool may_cut(const struct model_view *m, enum pool_cut cut, uint64_t since_ms) {
        bool runs = m->state == ACCOUNT_BUSY || m->state == ACCOUNT_DRAINING;
        return cut != POOL_RUNNING || (runs && m->pool_since_ms > since_ms);
}

bool round_cut_pools(struct round *r, enum pool_cut cut, const struct admission_want *want, uint32_t for_model,
                     uint64_t since_ms) {
        bool is_cut[ACCOUNTS_MAX] = { false };
        struct account before[ACCOUNTS_MAX];
        memcpy(before, r->accounts, sizeof(before));
        bool enough = round_suffices(r, want);
        for (uint32_t i = 0; i < r->snapshot->models_count && !enough; i++) {
                const struct model_view *m = &r->snapshot->models[i];
                is_cut[i] = m->id != for_model && r->accounts[i].state == m->state && may_cut(m, cut, since_ms) &&
                            policy_pool_cut(m, cut, r->plan, &r->accounts[i]);
                enough = is_cut[i] && round_suffices(r, want);
        }
        if (!enough)
                memcpy(r->accounts, before, sizeof(before));
        for (uint32_t i = 0; i < r->snapshot->models_count && enough; i++)
                if (is_cut[i])
                        policy_pool_order_cut(&r->snapshot->models[i], cut, REASON_MAKE_ROOM, r->plan);
        return enough;
}

/* --- side by side --- */

static uint64_t least_of(const struct account *a) {
        return a->least_bytes > 0 ? a->least_bytes : a->bytes;
}

static uint64_t growth_of(const struct account *a) {
        return a->state == ACCOUNT_STOPPING ? 0 : sat_sub(a->whole_bytes, least_of(a));
}

struct admission round_ask_beside(const struct round *r, struct admission_want want, uint64_t whole_bytes) {
        struct round smallest = *r;
        struct admission_limits limits = round_limits(r);
        uint64_t growth = sat_sub(whole_bytes, want.bytes),
                 most = u64_min(limits.budget_bytes, sat_sub(limits.ram_bytes, limits.reserve_bytes));
        uint64_t all = want.bytes;
        for (uint32_t i = 0; i < r->count; i++) {
                struct account *a = &smallest.accounts[i];
                growth = u64_max(growth, growth_of(a));
                a->bytes = u64_min(least_of(a), sat_sub(a->bytes, a->leaving_bytes));
                a->leaving_bytes = 0;
                all = sat_add(all, a->bytes);
        }
        if (sat_add(all, growth) <= most)
                return (struct admission){ .verdict = VERDICT_ADMIT, .look_again_ms = UINT64_MAX };
        struct admission_snapshot now = round_now(&smallest);
        want.bytes = u64_max(want.bytes, u64_min(sat_add(want.bytes, growth), most));
        return policy_admission(&limits, &now, &want);
}

/* --- growing --- */

static uint64_t more_bytes(const struct model_view *m, uint32_t tokens) {
        return policy_pool_bytes(m, tokens - m->pool);
}

static struct admission_want want_of(const struct model_view *m, uint64_t bytes) {
        return (struct admission_want){ .bytes = bytes, .priority = m->priority, .since_ms = m->pool_since_ms };
}

/* Busy ones are not sent away for a pool: their requests end, or give way (POOL_RUNNING). */
static struct admission ask(const struct round *r, uint64_t bytes, const struct model_view *m) {
        struct round asked = *r;
        for (uint32_t i = 0; i < asked.count; i++)
                asked.accounts[i].pinned = asked.accounts[i].pinned || asked.accounts[i].state != ACCOUNT_IDLE;
        struct admission_limits limits = round_limits(&asked);
        struct admission_snapshot now = round_now(&asked);
        now.has_place = true;
        struct admission_want want = want_of(m, bytes);
        return policy_admission(&limits, &now, &want);
}

static bool grow_to(struct round *r, uint32_t index, uint32_t tokens) {
        const struct model_view *m = &r->snapshot->models[index];
        uint64_t bytes = more_bytes(m, tokens);
        if (tokens <= m->pool || ask(r, bytes, m).verdict != VERDICT_ADMIT ||
            !policy_pool_order(m, ACTION_POOL, tokens, REASON_REQUEST, r->plan))
                return false;
        r->accounts[index].bytes = sat_add(r->accounts[index].bytes, bytes);
        return true;
}

/* Nobody else may take the room that is being made. */
static void promise(struct round *r, const struct model_view *m, uint64_t bytes) {
        if (r->count < ACCOUNTS_MAX)
                r->accounts[r->count++] =
                        (struct account){ .id = m->id, .state = ACCOUNT_PROMISED, .pinned = true, .bytes = bytes };
}

/* As far towards the goal as there is room, in whole blocks, as the engine takes it: some tokens may be all that an answer lacks. */
static uint32_t what_fits(const struct round *r, const struct model_view *m, uint32_t goal) {
        uint64_t more = m->pool_token_bytes > 0 ? round_free_bytes(r) / m->pool_token_bytes : 0;
        uint64_t tokens = sat_add(m->pool, more) / POOL_LEAST_TOKENS * POOL_LEAST_TOKENS;
        return (uint32_t) u64_min(u64_max(tokens, m->pool), goal);
}

bool round_turn_has_come(const struct round *r, uint64_t since_ms) {
        return sat_sub(r->snapshot->now_ms, since_ms) >= u64_max(r->limits->min_residency_ms, TURN_MIN_MS);
}

/* One context is enough for the oldest request; its neighbours make room for it. */
static bool turn_out(struct round *r, const struct model_view *m, uint32_t goal) {
        if (goal > m->context_full)
                goal = m->context_full;
        if (goal <= m->pool || !round_turn_has_come(r, m->pool_since_ms))
                return false;
        const struct admission_want want = want_of(m, more_bytes(m, goal));
        return round_cut_pools(r, POOL_RUNNING, &want, m->id, m->pool_since_ms);
}

/* Mildest first: what nobody uses, prefixes, idle models, and who came later. */
static void make_room(struct round *r, const struct model_view *m, uint32_t goal) {
        uint64_t bytes = more_bytes(m, goal);
        const struct admission_want want = want_of(m, bytes);
        bool made = round_cut_pools(r, POOL_UNUSED, &want, m->id, m->pool_since_ms) ||
                    round_cut_pools(r, POOL_PREFIXES, &want, m->id, m->pool_since_ms);
        struct admission a = made ? (struct admission){ .verdict = VERDICT_WAIT } : ask(r, bytes, m);
        if (a.verdict == VERDICT_EVICT) {
                for (uint32_t i = 0; i < a.victims_count; i++)
                        round_unload(r, a.victims[i], REASON_MAKE_ROOM, m->id);
                made = true;
        }
        if (made || turn_out(r, m, goal))
                promise(r, m, bytes);
}

/* For a load, or for what its requests need. */
static bool another_waits(const struct round *r, const struct model_view *m) {
        bool waits = r->snapshot->wants_count > 0;
        for (uint32_t i = 0; i < r->snapshot->models_count && !waits; i++) {
                const struct model_view *other = &r->snapshot->models[i];
                waits = other != m && policy_pool_is_elastic(other) && other->pool_needed > other->pool;
        }
        return waits;
}

/* More than is needed is for when nobody waits: it would be taken away for those, and asked for again, without end. */
static bool may_grow(const struct round *r, const struct model_view *m) {
        return policy_pool_is_elastic(m) && !m->pool_told && m->pool_asked >= m->pool &&
               (m->pool_needed > m->pool || (m->pool_wanted > m->pool && !another_waits(r, m)));
}

/* The next in order of coming that is not DONE; UINT32_MAX: there is none. */
static uint32_t next_of(const struct round *r, const bool done[]) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < r->snapshot->models_count; i++) {
                const struct model_view *m = &r->snapshot->models[i];
                if (!done[i] && may_grow(r, m) &&
                    (next == UINT32_MAX || m->pool_since_ms < r->snapshot->models[next].pool_since_ms))
                        next = i;
        }
        return next;
}

static bool grow(struct round *r, uint32_t index, uint32_t goal) {
        const struct model_view *m = &r->snapshot->models[index];
        return (!another_waits(r, m) && grow_to(r, index, policy_pool_goal(m, true))) || grow_to(r, index, goal) ||
               (goal > m->pool && grow_to(r, index, what_fits(r, m, goal)));
}

void round_grow_pools(struct round *r) {
        bool done[ACCOUNTS_MAX] = { false };
        for (uint32_t i; (i = next_of(r, done)) != UINT32_MAX;) {
                const struct model_view *m = &r->snapshot->models[i];
                uint32_t goal = policy_pool_goal(m, false);
                done[i] = true;
                if (!grow(r, i, goal) && m->pool_needed > m->pool && goal > m->pool)
                        make_room(r, m, goal);
        }
}
