/* victim.c - the order in which models leave, and the smallest set that makes enough room. */
#include "policy/admission/victim.h"

#include <assert.h>

#include "policy/base/sat.h"

/* Time to load again, per byte, in steps of four: two loads of equal models never take exactly the same
 * time, and that difference must not outweigh who was used last. */
static unsigned reload_cost(const struct account *a) {
        uint64_t ms = u64_max(a->load_ms, RELOAD_FLOOR_MS);
        uint64_t mib = u64_max(a->bytes >> 20, 1);
        uint64_t us_per_mib = sat_mul(ms, 1000) / mib;
        unsigned steps = 0;
        for (; us_per_mib > 0; us_per_mib >>= 2)
                steps++;
        return steps;
}

static bool same_class(const struct account *a, const struct account *b) {
        return (a->state == ACCOUNT_IDLE) == (b->state == ACCOUNT_IDLE) && a->priority == b->priority;
}

/* True if losing A costs less than losing B: a strict total order over different ids. */
static bool leaves_before(const struct account *a, const struct account *b) {
        bool a_idle = a->state == ACCOUNT_IDLE, b_idle = b->state == ACCOUNT_IDLE;
        if (a_idle != b_idle)
                return a_idle;
        if (a->priority != b->priority)
                return a->priority < b->priority;
        unsigned a_cost = reload_cost(a), b_cost = reload_cost(b);
        if (a_cost != b_cost)
                return a_cost < b_cost;
        if (a->last_end_ms != b->last_end_ms)
                return a->last_end_ms < b->last_end_ms;
        return a->id < b->id;
}

static void sort(const struct account *a[], uint32_t count) {
        for (uint32_t i = 1; i < count; i++) {
                const struct account *moving = a[i];
                uint32_t at = i;
                for (; at > 0 && leaves_before(moving, a[at - 1]); at--)
                        a[at] = a[at - 1];
                a[at] = moving;
        }
}

static struct shortage without(struct shortage s, const struct account *gone) {
        return (struct shortage){ sat_sub(s.bytes, gone->bytes), sat_sub(s.weights_bytes, gone->weights_bytes) };
}

/* Bit i of a set is candidate i, cheapest first: of two sets of one size the smaller number spares the more valuable. */
static bool set_covers(const struct account *const a[], uint32_t count, uint32_t set, struct shortage shortage) {
        for (uint32_t i = 0; i < count; i++) {
                if (set & (1u << i))
                        shortage = without(shortage, a[i]);
        }
        return shortage_none(shortage);
}

static uint32_t set_size(uint32_t set) {
        uint32_t size = 0;
        for (; set > 0; set &= set - 1)
                size++;
        return size;
}

static struct victims exact(const struct account *const a[], uint32_t count, struct shortage shortage) {
        uint32_t best = 0;
        uint32_t best_size = count + 1;
        for (uint32_t set = 1; set < 1u << count; set++) {
                uint32_t size = set_size(set);
                if (size < best_size && set_covers(a, count, set, shortage)) {
                        best = set;
                        best_size = size;
                }
        }
        struct victims v = { 0 };
        for (uint32_t i = 0; i < count; i++) {
                if (best & (1u << i))
                        v.leave[v.count++] = a[i];
        }
        return v;
}

/* Takes accounts in order until they suffice; then spares, most valuable first, those that turned out not to be needed. */
static struct victims greedy(const struct account *const a[], uint32_t count, struct shortage shortage) {
        struct victims v = { 0 };
        struct shortage left = shortage;
        for (uint32_t i = 0; i < count && !shortage_none(left); i++) {
                left = without(left, a[i]);
                v.leave[v.count++] = a[i];
        }
        for (uint32_t spared = v.count; spared-- > 0;) {
                struct shortage s = shortage;
                for (uint32_t i = 0; i < v.count; i++) {
                        if (i != spared)
                                s = without(s, v.leave[i]);
                }
                if (!shortage_none(s))
                        continue;
                for (uint32_t i = spared; i + 1 < v.count; i++)
                        v.leave[i] = v.leave[i + 1];
                v.count--;
        }
        return v;
}

struct victims policy_victims(const struct account *candidates[], uint32_t count, struct shortage shortage, bool *ret_suffices) {
        assert(count <= ACCOUNTS_MAX);
        *ret_suffices = true;
        if (shortage_none(shortage))
                return (struct victims){ 0 };
        sort(candidates, count);
        struct shortage left = shortage;
        for (uint32_t i = 0; i < count; i++) {
                left = without(left, candidates[i]);
                bool class_ends = i + 1 == count || !same_class(candidates[i], candidates[i + 1]);
                if (!class_ends || !shortage_none(left))
                        continue;
                uint32_t considered = i + 1;
                return considered <= VICTIMS_EXACT_MAX ? exact(candidates, considered, shortage)
                                                       : greedy(candidates, considered, shortage);
        }
        *ret_suffices = false;
        return (struct victims){ 0 };
}
