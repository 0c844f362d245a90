/* regular.c - see regular.h: terms, each made in the plainest form that is known for it. */
#include "engine/pattern/regular.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pattern/term.h"
#include "policy/base/hash.h"

#define SLOTS (2 * REGULAR_TERMS_MAX) /* a power of two */

void regular_done(struct regular *r) {
        for (uint32_t i = 0; i < r->sets_count; i++)
                char_set_done(&r->sets[i]);
        free(r->sets);
        free(r->terms);
        free(r->slots);
        *r = (struct regular){ 0 };
}

uint32_t regular_fail(struct regular *r, int error) {
        r->broken = r->broken ? r->broken : error;
        return REGULAR_NOTHING;
}

/* ---- lengths ---- */

static uint64_t plus(uint64_t a, uint64_t b) {
        return a == REGULAR_LONG || b == REGULAR_LONG || a + b < a ? REGULAR_LONG : a + b;
}

static uint64_t times(uint64_t a, uint64_t b) {
        if (a == 0 || b == 0)
                return 0;
        return a == REGULAR_LONG || b == REGULAR_LONG || a > REGULAR_LONG / b ? REGULAR_LONG : a * b;
}

static uint64_t lesser(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

static uint64_t greater(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static uint64_t bound(uint32_t most) {
        return most == GRAMMAR_UNBOUNDED ? REGULAR_LONG : most;
}

/* ---- terms ---- */

static uint32_t hash_of(const struct regular_term *t) {
        uint64_t hash = t->kind;
        const uint32_t parts[] = { t->a, t->b, t->least, t->most };
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                hash = (hash ^ parts[i]) * HASH_SPREAD;
        return (uint32_t) (hash >> 32) & (SLOTS - 1);
}

static bool same(const struct regular_term *a, const struct regular_term *b) {
        return a->kind == b->kind && a->a == b->a && a->b == b->b && a->least == b->least && a->most == b->most;
}

static bool grow(struct regular *r) {
        uint32_t capacity = r->terms_capacity ? 2 * r->terms_capacity : 256;
        struct regular_term *grown = realloc(r->terms, capacity * sizeof(*grown));
        if (grown) {
                r->terms = grown;
                r->terms_capacity = capacity;
        }
        return grown != NULL;
}

/* Nothing, the empty text and any text have the first numbers. */
static bool begin(struct regular *r) {
        struct char_set all = { 0 };
        if (r->slots)
                return !r->broken;
        r->slots = calloc(SLOTS, sizeof(*r->slots));
        if (!r->slots || !grow(r)) {
                (void) regular_fail(r, -ENOMEM);
                return false;
        }
        r->terms[REGULAR_NOTHING] = (struct regular_term){ .kind = TERM_NOTHING, .plain = true };
        r->terms[REGULAR_EMPTY] = (struct regular_term){ .kind = TERM_NOT, .nullable = true, .plain = true, .a = UINT32_MAX };
        r->terms[REGULAR_ANY] = (struct regular_term){ .kind = TERM_REPEAT,
                                                       .nullable = true,
                                                       .plain = true,
                                                       .a = REGULAR_ANY + 1,
                                                       .most = GRAMMAR_UNBOUNDED,
                                                       .longest = REGULAR_LONG };
        r->terms_count = REGULAR_ANY + 1;
        r->slots[hash_of(&r->terms[REGULAR_ANY])] = REGULAR_ANY + 1;
        char_set_invert(&all);
        (void) regular_char(r, &all); /* the number behind them */
        char_set_done(&all);
        return !r->broken;
}

/* The term's number, also where there is one like it already. */
static uint32_t term(struct regular *r, struct regular_term t) {
        if (r->broken)
                return REGULAR_NOTHING;
        if (++r->work > REGULAR_WORK_MAX)
                return regular_fail(r, -E2BIG);
        uint32_t slot = hash_of(&t);
        for (; r->slots[slot]; slot = (slot + 1) & (SLOTS - 1))
                if (same(&r->terms[r->slots[slot] - 1], &t))
                        return r->slots[slot] - 1;
        if (r->terms_count == REGULAR_TERMS_MAX)
                return regular_fail(r, -E2BIG);
        if (r->terms_count == r->terms_capacity && !grow(r))
                return regular_fail(r, -ENOMEM);
        r->terms[r->terms_count] = t;
        r->slots[slot] = r->terms_count + 1;
        return r->terms_count++;
}

static bool same_set(const struct char_set *a, const struct char_set *b) {
        return a->count == b->count && (!a->count || !memcmp(a->ranges, b->ranges, a->count * sizeof(*a->ranges)));
}

/* The number of a set like SET; sets_count: there is none. */
static uint32_t find_set(struct regular *r, const struct char_set *set) {
        uint32_t i = 0;
        while (i < r->sets_count && !same_set(&r->sets[i], set))
                i++;
        r->work += i;
        return i;
}

static bool keep_set(struct regular *r, const struct char_set *set) {
        if (r->sets_count == r->sets_capacity) {
                uint32_t capacity = r->sets_capacity ? 2 * r->sets_capacity : 16;
                struct char_set *grown = capacity <= REGULAR_SETS_MAX ? realloc(r->sets, capacity * sizeof(*grown)) : NULL;
                if (!grown) {
                        (void) regular_fail(r, capacity <= REGULAR_SETS_MAX ? -ENOMEM : -E2BIG);
                        return false;
                }
                r->sets = grown;
                r->sets_capacity = capacity;
        }
        struct char_set *kept = &r->sets[r->sets_count++];
        *kept = (struct char_set){ 0 };
        for (uint32_t i = 0; i < set->count; i++)
                char_set_add(kept, set->ranges[i].first, set->ranges[i].last);
        if (kept->broken)
                (void) regular_fail(r, -ENOMEM);
        return !r->broken;
}

uint32_t regular_char(struct regular *r, struct char_set *set) {
        if (!begin(r))
                return REGULAR_NOTHING;
        char_set_settle(set);
        if (set->broken)
                return regular_fail(r, -ENOMEM);
        if (!set->count)
                return REGULAR_NOTHING;
        uint32_t number = find_set(r, set);
        if (number == r->sets_count && !keep_set(r, set))
                return REGULAR_NOTHING;
        return term(r, (struct regular_term){ .kind = TERM_CHAR, .plain = true, .a = number, .shortest = 1, .longest = 1 });
}

uint32_t regular_then(struct regular *r, uint32_t first, uint32_t second) {
        if (!begin(r) || first == REGULAR_NOTHING || second == REGULAR_NOTHING)
                return REGULAR_NOTHING;
        if (first == REGULAR_EMPTY || second == REGULAR_EMPTY)
                return first == REGULAR_EMPTY ? second : first;
        if (first == REGULAR_ANY && second == REGULAR_ANY)
                return REGULAR_ANY;
        const struct regular_term *a = &r->terms[first], *b = &r->terms[second];
        return term(r, (struct regular_term){ .kind = TERM_THEN,
                                              .nullable = a->nullable && b->nullable,
                                              .plain = a->plain && b->plain,
                                              .asserts = a->asserts || b->asserts,
                                              .begins = a->begins || b->begins,
                                              .a = first,
                                              .b = second,
                                              .shortest = plus(a->shortest, b->shortest),
                                              .longest = plus(a->longest, b->longest) });
}

/* One more of a list that is in order, none twice. */
static uint32_t list(struct regular *r, enum regular_kind kind, uint32_t first, uint32_t rest) {
        const struct regular_term *a = &r->terms[first], *b = &r->terms[rest];
        bool either = kind == TERM_EITHER;
        return term(r, (struct regular_term){
                               .kind = (uint8_t) kind,
                               .nullable = either ? a->nullable || b->nullable : a->nullable && b->nullable,
                               .plain = either && a->plain && b->plain,
                               .asserts = a->asserts || b->asserts,
                               .begins = a->begins || b->begins,
                               .a = first,
                               .b = rest,
                               .shortest = either ? lesser(a->shortest, b->shortest) : greater(a->shortest, b->shortest),
                               .longest = either ? greater(a->longest, b->longest) : lesser(a->longest, b->longest),
                       });
}

/* The first of what A lists; *ret_rest: what is behind it, or UINT32_MAX. */
static uint32_t first_of(const struct regular *r, enum regular_kind kind, uint32_t a, uint32_t *ret_rest) {
        bool is_list = r->terms[a].kind == kind;
        *ret_rest = is_list ? r->terms[a].b : UINT32_MAX;
        return is_list ? r->terms[a].a : a;
}

/* Both lists as one. Those of A that stand before the rest are held on a stack of our own: lists are long. */
static uint32_t merge(struct regular *r, enum regular_kind kind, uint32_t a, uint32_t b) {
        uint32_t *held = NULL, count = 0, capacity = 0, merged = UINT32_MAX, rest;
        while (a != UINT32_MAX || b != UINT32_MAX) {
                uint32_t of_a = a != UINT32_MAX ? first_of(r, kind, a, &rest) : UINT32_MAX, next_a = a != UINT32_MAX ? rest : a;
                uint32_t of_b = b != UINT32_MAX ? first_of(r, kind, b, &rest) : UINT32_MAX, next_b = b != UINT32_MAX ? rest : b;
                if (count == capacity) {
                        capacity = capacity ? 2 * capacity : 16;
                        uint32_t *grown = realloc(held, capacity * sizeof(*grown));
                        if (!grown) {
                                free(held);
                                return regular_fail(r, -ENOMEM);
                        }
                        held = grown;
                }
                held[count++] = of_a < of_b ? of_a : of_b;
                a = of_a <= of_b ? next_a : a;
                b = of_b <= of_a ? next_b : b;
        }
        while (count) {
                count--;
                merged = merged == UINT32_MAX ? held[count] : list(r, kind, held[count], merged);
        }
        free(held);
        return merged;
}

uint32_t regular_either(struct regular *r, uint32_t a, uint32_t b) {
        if (!begin(r))
                return REGULAR_NOTHING;
        if (a == REGULAR_ANY || b == REGULAR_ANY)
                return REGULAR_ANY;
        if (a == REGULAR_NOTHING || b == REGULAR_NOTHING || a == b)
                return a == REGULAR_NOTHING ? b : a;
        return merge(r, TERM_EITHER, a, b);
}

uint32_t regular_both(struct regular *r, uint32_t a, uint32_t b) {
        if (!begin(r) || a == REGULAR_NOTHING || b == REGULAR_NOTHING)
                return REGULAR_NOTHING;
        if (a == REGULAR_ANY || b == REGULAR_ANY || a == b)
                return a == REGULAR_ANY ? b : a;
        if (a == REGULAR_EMPTY || b == REGULAR_EMPTY)
                return r->terms[a].nullable && r->terms[b].nullable ? REGULAR_EMPTY : REGULAR_NOTHING;
        return merge(r, TERM_BOTH, a, b);
}

uint32_t regular_not(struct regular *r, uint32_t a) {
        if (!begin(r))
                return REGULAR_NOTHING;
        if (a == REGULAR_NOTHING || a == REGULAR_ANY)
                return a == REGULAR_ANY ? REGULAR_NOTHING : REGULAR_ANY;
        if (r->terms[a].kind == TERM_NOT && a != REGULAR_EMPTY)
                return r->terms[a].a;
        return term(r, (struct regular_term){ .kind = TERM_NOT,
                                              .nullable = !r->terms[a].nullable,
                                              .asserts = r->terms[a].asserts,
                                              .begins = r->terms[a].begins,
                                              .a = a,
                                              .shortest = r->terms[a].nullable,
                                              .longest = REGULAR_LONG });
}

uint32_t regular_repeat(struct regular *r, uint32_t a, uint32_t least, uint32_t most) {
        if (!begin(r))
                return REGULAR_NOTHING;
        const struct regular_term *t = &r->terms[a];
        if (most == 0 || a == REGULAR_EMPTY)
                return REGULAR_EMPTY;
        if (a == REGULAR_NOTHING)
                return least ? REGULAR_NOTHING : REGULAR_EMPTY;
        bool endless = t->kind == TERM_REPEAT && t->least == 0 && t->most == GRAMMAR_UNBOUNDED;
        if (endless || (least == 1 && most == 1))
                return a;
        least = t->nullable ? 0 : least;
        return term(r, (struct regular_term){ .kind = TERM_REPEAT,
                                              .nullable = least == 0,
                                              .plain = t->plain,
                                              .asserts = t->asserts,
                                              .begins = t->begins,
                                              .a = a,
                                              .least = least,
                                              .most = most,
                                              .shortest = times(t->shortest, least),
                                              .longest = times(t->longest, bound(most)) });
}

/* ---- lengths of texts ---- */

static uint64_t without(uint64_t length, uint64_t taken) {
        return length == REGULAR_LONG ? length : length > taken ? length - taken : 0;
}

/* Characters of one kind, as many as there may be. */
static uint32_t repeat_of_length(struct regular *r, struct regular_term t, uint64_t least, uint64_t most) {
        least = greater(least, t.least);
        most = lesser(most, bound(t.most));
        return least > most
                       ? REGULAR_NOTHING
                       : regular_repeat(r, t.a, (uint32_t) least, most == REGULAR_LONG ? GRAMMAR_UNBOUNDED : (uint32_t) most);
}

/* Where only one place can be longer or shorter the bound is that of its repetition, and costs nothing. */
static uint32_t of_length(struct regular *r, uint32_t a, uint64_t least, uint64_t most, uint32_t depth) {
        if (r->broken)
                return REGULAR_NOTHING;
        const struct regular_term t = r->terms[a];
        if (t.shortest > most || t.longest < least)
                return REGULAR_NOTHING;
        if (t.shortest >= least && t.longest <= most)
                return a;
        if (depth > REGULAR_DEPTH_MAX)
                return regular_fail(r, -E2BIG);
        if (t.kind == TERM_REPEAT && r->terms[t.a].kind == TERM_CHAR)
                return repeat_of_length(r, t, least, most);
        if (t.kind == TERM_EITHER)
                return regular_either(r, of_length(r, t.a, least, most, depth + 1), of_length(r, t.b, least, most, depth + 1));
        for (unsigned second = 0; t.kind == TERM_THEN && second < 2; second++) {
                uint32_t fixed = second ? t.b : t.a, other = second ? t.a : t.b;
                uint64_t length = r->terms[fixed].shortest;
                if (r->terms[fixed].longest != length)
                        continue;
                other = of_length(r, other, without(least, length), without(most, length), depth + 1);
                return second ? regular_then(r, other, fixed) : regular_then(r, fixed, other);
        }
        return regular_both(r, a, repeat_of_length(r, r->terms[REGULAR_ANY], least, most));
}

uint32_t regular_of_length(struct regular *r, uint32_t a, uint64_t least, uint64_t most) {
        return begin(r) ? of_length(r, a, least, most, 0) : REGULAR_NOTHING;
}

/* ---- assertions ---- */

static uint32_t assertion(struct regular *r, enum regular_kind kind, uint32_t a) {
        if (!begin(r))
                return REGULAR_NOTHING;
        return term(r, (struct regular_term){ .kind = (uint8_t) kind,
                                              .nullable = true,
                                              .asserts = true,
                                              .begins = kind == TERM_BEGIN || r->terms[a].begins,
                                              .a = a });
}

uint32_t regular_begin(struct regular *r) {
        return assertion(r, TERM_BEGIN, REGULAR_NOTHING);
}

uint32_t regular_end(struct regular *r) {
        return assertion(r, TERM_END, REGULAR_NOTHING);
}

uint32_t regular_look(struct regular *r, uint32_t a, bool excluded) {
        return assertion(r, excluded ? TERM_LOOK_NOT : TERM_LOOK, a);
}
