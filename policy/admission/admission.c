/* admission.c - decides whether a model may be loaded, who must leave for it, and when to ask again. */
#include "policy/admission/admission.h"

#include <assert.h>
#include <stddef.h>

#include "policy/base/sat.h"
#include "policy/admission/victim.h"

/* Sums over those accounts that a question counts. */
struct holding {
        uint64_t bytes, weights_bytes;
        uint64_t taken_bytes;
        uint64_t given_back_bytes; /* to MemAvailable by those that stay */
        uint32_t count;
};

/* Sets of account states; a question counts the accounts in one of them. */
#define STATE(s)            (1u << (s))
#define STATES_STAYING      (STATE(ACCOUNT_IDLE) | STATE(ACCOUNT_BUSY) | STATE(ACCOUNT_LOADING))
#define STATES_REAL         (STATES_STAYING | STATE(ACCOUNT_DRAINING) | STATE(ACCOUNT_STOPPING))
#define STATES_AFTER_STOPS  (STATES_STAYING | STATE(ACCOUNT_DRAINING) | STATE(ACCOUNT_PROMISED))
#define STATES_AFTER_DRAINS (STATES_STAYING | STATE(ACCOUNT_PROMISED))

/* Without what is being given back, where the question is about later. */
static struct holding holding_of(const struct admission_snapshot *snapshot, unsigned states) {
        bool later = !(states & STATE(ACCOUNT_STOPPING));
        struct holding h = { 0 };
        for (uint32_t i = 0; i < snapshot->accounts_count; i++) {
                const struct account *a = &snapshot->accounts[i];
                if (!(states & STATE(a->state)))
                        continue;
                uint64_t bytes = later ? sat_sub(a->bytes, a->leaving_bytes) : a->bytes;
                uint64_t taken = later ? sat_sub(a->taken_bytes, a->leaving_taken_bytes) : a->taken_bytes;
                h.bytes = sat_add(h.bytes, bytes);
                h.weights_bytes = sat_add(h.weights_bytes, a->weights_bytes);
                h.taken_bytes = sat_add(h.taken_bytes, u64_min(taken, bytes));
                h.given_back_bytes = sat_add(h.given_back_bytes, sat_sub(a->taken_bytes, taken));
                h.count++;
        }
        return h;
}

struct question {
        const struct admission_limits *limits;
        const struct admission_snapshot *snapshot;
        const struct admission_want *want;
};

/*
 * The shortage if exactly the accounts in STATES remained. Accounts that have gone by then give back what they took from
 * MemAvailable; those that remain may still take the rest of their accounts.
 */
static struct shortage missing(const struct question *q, unsigned states, struct admission *ret_numbers) {
        struct holding stay = holding_of(q->snapshot, states);
        struct holding gone = holding_of(q->snapshot, STATES_REAL & ~states);
        uint64_t available = sat_add(sat_add(q->snapshot->available_bytes, gone.taken_bytes), stay.given_back_bytes);
        uint64_t to_take = sat_add(sat_sub(stay.bytes, stay.taken_bytes), q->limits->reserve_bytes);
        uint64_t over_budget = sat_sub(sat_add(stay.bytes, q->want->bytes), q->limits->budget_bytes);
        uint64_t over_available = sat_sub(sat_add(to_take, q->want->bytes), available);
        uint64_t over_weights = sat_sub(sat_add(stay.weights_bytes, q->want->weights_bytes), q->limits->weights_max_bytes);

        if (ret_numbers != NULL && over_budget > 0) {
                ret_numbers->rule = RULE_BUDGET;
                ret_numbers->limit_bytes = q->limits->budget_bytes;
                ret_numbers->used_bytes = stay.bytes;
                ret_numbers->needed_bytes = q->want->bytes;
        } else if (ret_numbers != NULL && over_weights > 0) {
                ret_numbers->rule = RULE_WEIGHTS;
                ret_numbers->limit_bytes = q->limits->weights_max_bytes;
                ret_numbers->used_bytes = stay.weights_bytes;
                ret_numbers->needed_bytes = q->want->weights_bytes;
        } else if (ret_numbers != NULL && over_available > 0) {
                ret_numbers->rule = RULE_AVAILABLE;
                ret_numbers->limit_bytes = available;
                ret_numbers->used_bytes = to_take;
                ret_numbers->needed_bytes = q->want->bytes;
        }
        return (struct shortage){ u64_max(over_budget, over_available), over_weights };
}

/* Until when those who use a busy model, which may be of higher priority, go on though another waits. */
static uint64_t turn_of(const struct question *q, bool higher_priority) {
        uint64_t turn = policy_turn_ms(q->limits->turn_ms, q->limits->min_residency_ms);
        return sat_add(q->want->since_ms, higher_priority ? sat_mul(turn, TURNS_OF_PRIORITY) : turn);
}

static uint64_t turn_until(const struct account *a, const struct question *q) {
        return turn_of(q, a->priority > q->want->priority);
}

/* Until when a model may not be turned out; 0 when it may leave now. */
static uint64_t protected_until(const struct account *a, const struct question *q) {
        uint64_t residency = sat_add(a->loaded_ms, q->limits->min_residency_ms);
        if (a->state != ACCOUNT_IDLE)
                return u64_max(residency, turn_until(a, q));
        if (!a->asked)
                return 0;
        uint64_t grace = u64_min(u64_max(a->load_ms, IDLE_GRACE_MIN_MS), q->limits->min_residency_ms);
        return u64_min(residency, sat_add(a->last_end_ms, grace));
}

enum protection { HEED_PROTECTION, HEED_TURN, IGNORE_PROTECTION, IGNORE_GUARD };

/* IGNORE_GUARD: who must leave whatever was promised to it, or may leave one day. */
static bool is_protected(const struct account *a, const struct question *q, enum protection protection) {
        uint64_t now = q->snapshot->now_ms;
        if (protection != IGNORE_GUARD && policy_is_guarded(a, now))
                return true;
        return (protection == HEED_PROTECTION && protected_until(a, q) > now) ||
               (protection == HEED_TURN && turn_until(a, q) > now);
}

struct candidates {
        uint32_t count;
        const struct account *a[ACCOUNTS_MAX];
};

static void candidates_add(struct candidates *c, const struct question *q, enum account_state state, enum protection protection) {
        for (uint32_t i = 0; i < q->snapshot->accounts_count; i++) {
                const struct account *a = &q->snapshot->accounts[i];
                if (a->state != state || a->pinned)
                        continue;
                if (!is_protected(a, q, protection))
                        c->a[c->count++] = a;
        }
}

/* The next moment at which the protection of an account ends. */
static uint64_t next_end_of_protection(const struct question *q) {
        uint64_t next = UINT64_MAX;
        for (uint32_t i = 0; i < q->snapshot->accounts_count; i++) {
                const struct account *a = &q->snapshot->accounts[i];
                if (a->pinned || (a->state != ACCOUNT_IDLE && a->state != ACCOUNT_BUSY))
                        continue;
                uint64_t until = u64_max(protected_until(a, q), a->protected_until_ms);
                if (until > q->snapshot->now_ms)
                        next = u64_min(next, until);
        }
        return next;
}

static struct admission evict(struct admission result, const struct victims *victims, enum account_state only) {
        result.verdict = VERDICT_EVICT;
        result.promised = true;
        for (uint32_t i = 0; i < victims->count; i++) {
                if (victims->leave[i]->state == only)
                        result.victims[result.victims_count++] = victims->leave[i]->id;
        }
        return result;
}

static struct admission as(struct admission result, enum verdict verdict) {
        result.verdict = verdict;
        return result;
}

/* Accounts that are leaving already make the room. */
static struct admission promised(struct admission result) {
        result.verdict = VERDICT_WAIT;
        result.promised = true;
        return result;
}

/* Larger than a limit itself: no unloading helps. */
static bool never(const struct question *q, struct admission *ret) {
        const struct admission_limits *l = q->limits;
        struct admission a = { .verdict = VERDICT_NEVER, .look_again_ms = UINT64_MAX, .needed_bytes = q->want->bytes };
        if (q->want->bytes > l->budget_bytes) {
                a.rule = RULE_BUDGET;
                a.limit_bytes = l->budget_bytes;
        } else if (q->want->weights_bytes > l->weights_max_bytes) {
                a.rule = RULE_WEIGHTS;
                a.limit_bytes = l->weights_max_bytes;
                a.needed_bytes = q->want->weights_bytes;
        } else if (sat_add(q->want->bytes, l->reserve_bytes) > l->ram_bytes) {
                a.rule = RULE_AVAILABLE;
                a.limit_bytes = sat_sub(l->ram_bytes, l->reserve_bytes);
        } else {
                return false;
        }
        *ret = a;
        return true;
}

/* The time at which no guard is left that the waiter would have to wait for. */
static uint64_t last_end_of_guard(const struct question *q) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < q->snapshot->accounts_count; i++) {
                const struct account *a = &q->snapshot->accounts[i];
                if (!a->pinned && policy_is_guarded(a, q->snapshot->now_ms))
                        last = u64_max(last, a->protected_until_ms);
        }
        return last;
}

/* Room would do, were it not for those that are protected from others, pinned ones aside. */
static bool only_guards_stand(const struct question *q, struct candidates *c, struct shortage after_drains) {
        bool suffices;
        c->count = 0;
        for (enum account_state state = ACCOUNT_IDLE; state <= ACCOUNT_PROMISED; state++)
                if (state != ACCOUNT_DRAINING && state != ACCOUNT_STOPPING)
                        candidates_add(c, q, state, IGNORE_GUARD);
        (void) policy_victims(c->a, c->count, after_drains, &suffices);
        return suffices;
}

/* Waiting is in vain where the guard ends after the waiter has been given up. */
static struct admission behind_guards(const struct question *q, struct admission result) {
        uint64_t end_ms = last_end_of_guard(q);
        bool in_vain = q->limits->wait_ms > 0 && end_ms > sat_add(q->want->since_ms, q->limits->wait_ms);
        result.guarded_until_ms = end_ms;
        return as(result, in_vain ? VERDICT_PROTECTED : VERDICT_WAIT);
}

/* The model does not fit, and neither stops nor idle models are enough: who is in the way? */
static struct admission in_the_way(const struct question *q, struct admission result) {
        struct shortage after_drains = missing(q, STATES_AFTER_DRAINS, NULL);
        struct candidates c = { 0 };
        bool suffices;

        /* First let those that drain already finish, then look at idle ones again. */
        candidates_add(&c, q, ACCOUNT_IDLE, HEED_PROTECTION);
        (void) policy_victims(c.a, c.count, after_drains, &suffices);
        if (suffices)
                return promised(result);

        c.count = 0;
        candidates_add(&c, q, ACCOUNT_IDLE, IGNORE_PROTECTION);
        (void) policy_victims(c.a, c.count, after_drains, &suffices);
        if (suffices)
                return turn_of(q, false) <= q->snapshot->now_ms ? promised(result) : as(result, VERDICT_WAIT);

        /* Idle ones of the set stay until the busy ones have drained: that may take long, and they may be asked again. */
        candidates_add(&c, q, ACCOUNT_BUSY, HEED_PROTECTION);
        struct victims v = policy_victims(c.a, c.count, after_drains, &suffices);
        if (suffices)
                return evict(result, &v, ACCOUNT_BUSY);

        /*
         * The waiter's turn has come, but some have just been loaded: they may stay a while, and nobody else comes in before it.
         * Without this, small models that relieve each other would keep a large one out for ever: one of them is always young.
         */
        c.count = 0;
        candidates_add(&c, q, ACCOUNT_IDLE, IGNORE_PROTECTION);
        candidates_add(&c, q, ACCOUNT_BUSY, HEED_TURN);
        (void) policy_victims(c.a, c.count, after_drains, &suffices);
        if (suffices)
                return promised(result);

        c.count = 0;
        candidates_add(&c, q, ACCOUNT_IDLE, IGNORE_PROTECTION);
        candidates_add(&c, q, ACCOUNT_BUSY, IGNORE_PROTECTION);
        candidates_add(&c, q, ACCOUNT_LOADING, IGNORE_PROTECTION);
        candidates_add(&c, q, ACCOUNT_PROMISED, IGNORE_PROTECTION);
        (void) policy_victims(c.a, c.count, after_drains, &suffices);
        if (suffices)
                return as(result, VERDICT_WAIT);
        if (only_guards_stand(q, &c, after_drains))
                return behind_guards(q, result);
        return as(result, result.rule == RULE_AVAILABLE ? VERDICT_SHORT : VERDICT_BLOCKED);
}

struct admission policy_admission(const struct admission_limits *limits, const struct admission_snapshot *snapshot,
                                  const struct admission_want *want) {
        assert(snapshot->accounts_count <= ACCOUNTS_MAX);
        const struct question q = { limits, snapshot, want };
        struct admission result = { .look_again_ms = UINT64_MAX };
        if (never(&q, &result))
                return result;

        struct shortage later = missing(&q, STATES_AFTER_STOPS, &result);
        struct shortage now = missing(&q, STATES_REAL, &result);
        if (snapshot->accounts_count >= ACCOUNTS_MAX && !snapshot->has_place && shortage_none(later)) {
                /* There is memory, but no place: the account that is cheapest to lose makes one. */
                result.rule = RULE_PLACES;
                result.limit_bytes = result.used_bytes = ACCOUNTS_MAX;
                result.needed_bytes = later.bytes = 1;
                if (holding_of(snapshot, STATE(ACCOUNT_STOPPING) | STATE(ACCOUNT_DRAINING)).count > 0)
                        return as(result, VERDICT_WAIT);
        } else if (shortage_none(now) && shortage_none(later)) {
                return as(result, VERDICT_ADMIT);
        } else if (shortage_none(later)) {
                return promised(result);
        }

        struct candidates idle = { 0 };
        bool suffices;
        candidates_add(&idle, &q, ACCOUNT_IDLE, HEED_PROTECTION);
        struct victims v = policy_victims(idle.a, idle.count, later, &suffices);
        if (suffices)
                return evict(result, &v, ACCOUNT_IDLE);
        result.look_again_ms = next_end_of_protection(&q);
        return in_the_way(&q, result);
}

uint64_t policy_admission_free(const struct admission_limits *limits, const struct admission_snapshot *snapshot) {
        struct holding h = holding_of(snapshot, STATES_REAL | STATE(ACCOUNT_PROMISED));
        uint64_t to_take = sat_add(sat_sub(h.bytes, h.taken_bytes), limits->reserve_bytes);
        return u64_min(sat_sub(limits->budget_bytes, h.bytes), sat_sub(snapshot->available_bytes, to_take));
}

bool policy_admission_needs_nobody(const struct admission_limits *limits, const struct admission_snapshot *snapshot,
                                   const struct admission_want *want) {
        const struct question q = { limits, snapshot, want };
        return shortage_none(missing(&q, STATES_AFTER_STOPS, NULL));
}

static bool is_refusal(enum verdict verdict) {
        return verdict == VERDICT_NEVER || verdict == VERDICT_BLOCKED || verdict == VERDICT_PROTECTED || verdict == VERDICT_SHORT;
}

struct admission policy_admission_of_forms(const struct admission_limits *limits, const struct admission_snapshot *snapshot,
                                           const struct admission_want want[], uint32_t count, uint32_t *ret_form) {
        assert(count > 0);
        struct admission answer = policy_admission(limits, snapshot, &want[0]);
        uint32_t form = 0;
        while (is_refusal(answer.verdict) && form + 1 < count)
                answer = policy_admission(limits, snapshot, &want[++form]);
        *ret_form = form;
        return answer;
}

struct admission policy_admission_overrun(const struct admission_limits *limits, const struct admission_snapshot *snapshot) {
        assert(snapshot->accounts_count <= ACCOUNTS_MAX);
        static const struct admission_want nothing;
        const struct question q = { limits, snapshot, &nothing };
        struct admission result = { .look_again_ms = UINT64_MAX };
        struct shortage over = missing(&q, STATES_STAYING, &result);
        if (result.rule == RULE_AVAILABLE || shortage_none(over))
                return (struct admission){ .verdict = VERDICT_ADMIT, .look_again_ms = UINT64_MAX };

        struct candidates idle = { 0 };
        bool suffices;
        candidates_add(&idle, &q, ACCOUNT_IDLE, IGNORE_GUARD);
        struct victims v = policy_victims(idle.a, idle.count, over, &suffices);
        if (suffices)
                return evict(result, &v, ACCOUNT_IDLE);
        /* All the idle ones are not enough: let them all go, the rest is busy or pinned. */
        for (uint32_t i = 0; i < idle.count; i++)
                result.victims[result.victims_count++] = idle.a[i]->id;
        return as(result, result.victims_count > 0 ? VERDICT_EVICT : VERDICT_WAIT);
}

bool policy_admission_protects(const struct admission_limits *limits, const struct account *a, const struct admission_want *want,
                               uint64_t now_ms) {
        const struct admission_snapshot snapshot = { .now_ms = now_ms };
        const struct question q = { limits, &snapshot, want };
        return is_protected(a, &q, HEED_PROTECTION);
}
