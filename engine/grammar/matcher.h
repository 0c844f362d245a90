/*
 * matcher.h - follows a text byte by byte through a grammar, and finds the bytes that may come next.
 *
 * A state is the set of all ways to read the text so far: stacks of nodes, whose common parts are shared, and how much of a
 * character has been read. States are remembered with where each byte led, so that what has been seen once costs one
 * look-up. Memory is fixed when the matcher is made; when it is full all but the states in use is forgotten.
 *
 * Where a limit of bounds.h is reached, ways to read the text are dropped, those found last. The rest is still right: each
 * text that is let through is one of the grammar. A state can lose all its ways, or the grammar be such that they cannot be
 * found within the limits: then nothing may follow, and nothing may end.
 *
 * The states of the path: the one at the bottom is of the text that counts, those above it of bytes that are tried.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_MATCHER_H
#define HEADROOM_ENGINE_GRAMMAR_MATCHER_H

#include <stddef.h>

#include "engine/grammar/grammar.h"

struct matcher;

/* G must outlive it. 0 or -ENOMEM. */
int matcher_new(const struct grammar *g, struct matcher **ret);
void matcher_free(struct matcher *m);

/* Puts the state after BYTE on the path; false when it may not follow: then the path is as before. At most GRAMMAR_PIECE_MAX. */
bool matcher_push(struct matcher *m, uint8_t byte);
/* What BYTE leads to was worked out before: pushing it is no work, and changes nothing that is remembered. */
bool matcher_knows(const struct matcher *m, uint8_t byte);
/* Leaves COUNT tried bytes on the path. */
void matcher_cut(struct matcher *m, uint32_t count);
/* Makes the bytes that were tried final. */
void matcher_commit(struct matcher *m);
/* The text went where the grammar was not followed: nothing may follow, nothing may end. */
void matcher_lose(struct matcher *m);

/* Of the topmost state: whether the text may end here; whether nothing can follow. */
bool matcher_may_end(const struct matcher *m);
bool matcher_is_over(const struct matcher *m);

/* The bottom state, while the generation is the same: a state that is met again has the same number. */
uint32_t matcher_state(const struct matcher *m);
uint64_t matcher_generation(const struct matcher *m);

/* How much may be worked out until the next call of this; afterwards only what is remembered is found. */
void matcher_allow_work(struct matcher *m, uint32_t work);

#endif
