/*
 * worth.h - how many guesses a pass should check: as many as make the most tokens in its time, by what was measured of both.
 *
 * A guess that is right saves a pass. What one costs is measured, by the passes that had some.
 * Where the memory is the limit one more is nearly free; where the multiply units are, as with many sequences at once, it costs what it brings.
 * How often guesses are right is measured for each text, apart for guesses that more and fewer tokens speak for.
 *
 * Where it does not pay, some are checked all the same after so many that were passed over, each time after twice as many: both measures may
 * change. So what speculation costs there is bounded, to about a hundredth.
 */
#ifndef HEADROOM_ENGINE_SPECULATION_WORTH_H
#define HEADROOM_ENGINE_SPECULATION_WORTH_H

#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/wire/wire.h"

#define WORTH_GAIN       1.06 /* over no guesses: less is in the measures' own error */
#define WORTH_ANY_FIRST  0.3  /* parts of a pass that guesses cost as long as that was not measured */
#define WORTH_EACH_FIRST 0.12
#define WORTH_PASSES     8u   /* of like ones, that a mean of their times is about */
#define WORTH_MEMORY     0.97 /* of the fading sums: about the last thirty guesses */
#define WORTH_PROBE      3u   /* guesses that are checked to look whether it pays by now */
#define WORTH_REST_MIN   16u  /* guesses that are passed over before that ... */
#define WORTH_REST_MAX   512u /* ... and at most */

/*
 * Of an engine: what passes of answers alone cost, by the number of their sequences. The first guess may cost more than the next, since kernels
 * are best at one token or at several; so there are two shares. A pass that was disturbed moves what is known by little. All zero at first,
 * and after anything has changed their speed.
 */
struct worth_costs {
        struct worth_cost {
                double us;        /* without guesses; 0: not known, and nothing of the rest */
                double any, each; /* what guesses take beside, as parts of that: however many, and each of them */
                uint32_t passes;  /* that had guesses, up to as many as are remembered */
        } of[WIRE_PARALLEL_MAX + 1];
};
void worth_note_pass(struct worth_costs *c, uint32_t sequences, uint32_t guesses, uint64_t us);
/* In microseconds; 0: nothing is known. */
double worth_cost(const struct worth_costs *c, uint32_t sequences, uint32_t guesses);

/* How many tokens speak for a guess: NGRAM_TOKENS, WORTH_FAIR_MATCH, NGRAM_MATCH_MAX. */
#define WORTH_FAIR_MATCH 6u
enum worth_support { WORTH_WEAK, WORTH_FAIR, WORTH_STRONG, WORTH_SUPPORTS };
enum worth_support worth_support_of(uint32_t match);

/* Of a text: how often a guess was right. */
struct worth_belief {
        double right[WORTH_SUPPORTS], asked[WORTH_SUPPORTS]; /* fading sums: of those that were, and of all */
        uint32_t passed_over, rest; /* guesses since the last check, and how many it takes till the next */
};
struct worth_belief worth_belief_first(void);
/* Of COUNT guesses in a row the first RIGHT were. */
void worth_learn(struct worth_belief *b, enum worth_support support, uint32_t count, uint32_t right);

/* A pass that is planned, and the tokens that it will likely make. */
struct worth_pass {
        uint32_t sequences, guesses;
        double tokens;
};
/* Of up to MOST guesses, how many to check in the pass. They are added to it. */
uint32_t worth_guesses(const struct worth_costs *c, struct worth_belief *b, enum worth_support support, uint32_t most,
                       struct worth_pass *pass);

#endif
