/*
 * throughput.h - the speed of answers, now and usually: the measure of "far too slow".
 *
 * A step that makes n tokens takes longer with n, and longer with the tokens that its sequences have in the KV cache, so
 * neither the time of a step nor tokens a second can be compared with those of another hour. Each step is therefore compared
 * with its like: for every number of tokens computed at once, of one sequence or several, and every power of two of stored tokens, there is
 * a usual time of its own.
 * `now` is the tokens of the last steps over their times; `usual` is what it would be had each of them taken its usual time.
 * So now / usual is a speed relative to the engine's own, whatever the batch and the context.
 *
 * The usual time is a running median: the first THROUGHPUT_SAMPLES_FIRST times are kept and their middle taken, then each time
 * moves it by a small share of itself towards where it lies. One that is over twice the usual, as a thrashing box makes
 * them, moves it by a sixteenth of that: thousands of such steps are needed before they count as usual.
 *
 * Steps with prompts in them are left out of both: their time is the prompt's. Rests between steps do not count.
 * Another number of threads makes another engine: the usual times are forgotten.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_THROUGHPUT_H
#define HEADROOM_ENGINE_SCHEDULER_THROUGHPUT_H

#include <stdint.h>

#include "engine/wire/wire.h"

#define THROUGHPUT_SAMPLES_FIRST 9u          /* odd; a second or so of one answer */
#define THROUGHPUT_GAIN          (1.0 / 128) /* a change of a tenth, such as a lower KV precision, is usual after some 13 steps */
#define THROUGHPUT_GAIN_FAR      (THROUGHPUT_GAIN / 16)
#define THROUGHPUT_FAR           2.0      /* times the usual time */
#define THROUGHPUT_MEMORY        0.95     /* of the fading sums: about the last 20 steps */
#define THROUGHPUT_FRESH_US      5000000u /* without a step for so long, there is no speed now */
#define THROUGHPUT_DEPTHS        26u      /* powers of two of stored tokens: N_CTX_MAX times the largest batch, and zero */

struct throughput {
        struct throughput_usual {
                float us; /* usual time of such a step; 0: not known yet */
                uint32_t samples_count;
                float samples[THROUGHPUT_SAMPLES_FIRST];
        } usual[WIRE_PARALLEL_MAX][THROUGHPUT_DEPTHS];
        double tokens, us;         /* fading sums over the last steps ... */
        double known_us, usual_us; /* ... and over those of them whose usual time is known: the times they took, the usual ones */
        uint64_t last_us;          /* when the last step ended; 0: none yet */
};

/* A step of answers alone. */
struct throughput_step {
        uint32_t batch;  /* tokens computed, guesses included: 1 .. WIRE_PARALLEL_MAX */
        uint32_t made;   /* tokens that came of it */
        uint64_t stored; /* that stand before those computed, all together */
        uint64_t took_us;
};
void throughput_note(struct throughput *s, const struct throughput_step *step, uint64_t now_us);
/* The number of threads is another now. */
void throughput_forget(struct throughput *s);

/* Tokens a second of all answers together: over the last steps, and usual for steps like those. 0: not known. */
double throughput_now(const struct throughput *s, uint64_t now_us);
double throughput_usual(const struct throughput *s);

#endif
