/*
 * regular.h - regular languages as terms: texts that can be put behind each other, joined, met and excluded.
 *
 * A term is known by its number, and equal terms are one. Where a term says no more than a grammar can (no meeting, no
 * exclusion) it is written as it stands, its repetitions counted. Any other becomes a rule for each state that it can
 * be in, found by derivatives (Brzozowski 1964): what is left of it behind a character is a term again.
 *
 * ^, $ and what is looked ahead at are terms too, until regular_settle has put what follows behind each of them.
 */
#ifndef HEADROOM_ENGINE_PATTERN_REGULAR_H
#define HEADROOM_ENGINE_PATTERN_REGULAR_H

#include "engine/grammar/json_text.h"

enum { REGULAR_NOTHING, REGULAR_EMPTY, REGULAR_ANY }; /* no text; the one without a character; any */

struct regular_term;

struct regular { /* all zero at first; release with regular_done */
        struct char_set *sets;
        uint32_t sets_count, sets_capacity;
        struct regular_term *terms;
        uint32_t terms_count, terms_capacity, *slots;
        uint64_t work;
        int broken; /* 0 or the first -errno: -E2BIG where a limit was met; numbers stay usable */
};
void regular_done(struct regular *r);

/* One character of SET, which is settled, and stays the caller's. */
uint32_t regular_char(struct regular *r, struct char_set *set);
uint32_t regular_then(struct regular *r, uint32_t first, uint32_t second);
uint32_t regular_either(struct regular *r, uint32_t a, uint32_t b);
uint32_t regular_both(struct regular *r, uint32_t a, uint32_t b);
uint32_t regular_not(struct regular *r, uint32_t a);
/* MOST: a number, or GRAMMAR_UNBOUNDED. */
uint32_t regular_repeat(struct regular *r, uint32_t a, uint32_t least, uint32_t most);
/* The texts of A that have LEAST .. MOST characters. */
uint32_t regular_of_length(struct regular *r, uint32_t a, uint64_t least, uint64_t most);

/* ---- assertions ---- */

uint32_t regular_begin(struct regular *r); /* ^ */
uint32_t regular_end(struct regular *r);   /* $ */
/* What follows begins with A, or where EXCLUDED does not. */
uint32_t regular_look(struct regular *r, uint32_t a, bool excluded);
/* All texts in which A is found, in terms without assertions. False: it says what cannot be settled, such as a look within a repetition. */
bool regular_settle(struct regular *r, uint32_t a, uint32_t *ret);
/* A without what looks ahead in it. */
uint32_t regular_without_looks(struct regular *r, uint32_t a);

/* A term without assertions as what stands in a JSON string: an expression. -E2BIG where it has too many states; -ENOMEM. */
int regular_write(struct regular *r, const struct json_text *j, struct grammar_builder *b, uint32_t a, uint32_t *ret_expression);

#endif
