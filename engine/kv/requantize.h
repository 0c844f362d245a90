/*
 * requantize.h - changing the precision of a KV cache while its sequences run.
 *
 * There is a target. All tokens of a sequence before its newest ones, the window, are lowered to the target, the
 * oldest first, a bounded slice of blocks between two passes; blocks that leave the window later follow. New blocks
 * begin as the cache was loaded, so the newest tokens stay precise. A block that several sequences share is
 * converted once, when it has left the window of all of them. A more precise target stops that: it brings no
 * precision back, and counts for tokens stored from then on.
 *
 * When a slice comes depends on the clock, so from the first block on, an answer depends on more than its request;
 * within a pass everything stays exact. No clock of its own: the caller gives it one. Nothing allocates after init.
 */
#ifndef HEADROOM_ENGINE_KV_REQUANTIZE_H
#define HEADROOM_ENGINE_KV_REQUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/kv/cache.h"

/*
 * Newest tokens of a running sequence that stay as they were stored: with what has begun of a block, 32 to 95 of them. More keeps
 * memory (at 4096 tokens q4_0 frees 70.2 to 71.3 % with 32, 69.6 to 70.8 % with 64) and was not seen to gain anything.
 */
#define REQUANTIZE_WINDOW_TOKENS 32u
/* The share that a slice may add to the step before it: answers slow down by a fifth for a moment, they do not stutter. */
#define REQUANTIZE_STEP_SHARE 0.25
/* The longest slice, since a prefill step may be long; also the length where nothing runs. Enough for 100 MB. */
#define REQUANTIZE_SLICE_US_MAX 20000u

struct requantize {
        struct kv_cache *cache;
        uint64_t (*now_us)(void);
        enum kv_type target;
        uint8_t *in_window; /* by block; blocks_max */
        uint32_t blocks_max;
        bool under_way; /* the last slice left something to do, or none has come since the target changed */
        struct requantize_figures {
                uint64_t blocks, bytes_read, bytes_freed, us; /* since init */
        } figures;
};

/* The target is what the cache was made with: nothing is to be done. 0 or -ENOMEM. */
int requantize_init(struct requantize *s, struct kv_cache *c, uint64_t (*now_us)(void));
void requantize_done(struct requantize *s);

/* A sequence that uses the cache. All that do are named to each slice. */
struct requantize_user {
        const struct kv_sequence *sequence;
        uint32_t window; /* REQUANTIZE_WINDOW_TOKENS; 0 for one that nobody is writing to */
};

/* From now on this is the target. 0, or -EINVAL: the heads of this model cannot be stored so, and nothing has changed. */
int requantize_begin(struct requantize *s, enum kv_type target);

/*
 * Between two passes: converts blocks until BUDGET_US is used up, at least one if there is one. The time of the last
 * block says whether another would fit. Cheap when nothing is to be done.
 */
void requantize_slice(struct requantize *s, const struct requantize_user users[], uint32_t count, uint64_t budget_us);
/* A sequence has ended and is no longer written to: the tokens of its window are due, even if no step follows. */
void requantize_look_again(struct requantize *s);
/* Time for a slice after a step of STEP_US; 0 stands for no step at all. */
uint64_t requantize_budget_us(uint64_t step_us);

/*
 * The emergency: everything at once, windows included, and new blocks begin so too, until the next requantize_begin. A target
 * that is lower already stays. 0 or -EINVAL as above.
 */
int requantize_now(struct requantize *s, const struct requantize_user users[], uint32_t count, enum kv_type target);

#endif
