/*
 * transformer.h - one pass of the transformer over a batch of tokens of several sequences.
 *
 * A batch mixes prefill chunks and decode steps: each item is a run of consecutive new tokens of one
 * sequence, stored at positions tokens_count .. tokens_count + count - 1. The results of an item do not
 * depend on what else is in the batch, on how its tokens were cut into passes, on who shares its prefix, nor
 * on the number of threads: bit for bit, per kernel set and KV type. Blocks that are made less precise between two passes
 * (kv/requantize.h) are other input to the passes that follow.
 */
#ifndef HEADROOM_ENGINE_COMPUTE_TRANSFORMER_H
#define HEADROOM_ENGINE_COMPUTE_TRANSFORMER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/kv/cache.h"
#include "engine/model/model.h"
#include "engine/compute/threads.h"

enum transformer_want {
        WANT_NOTHING, /* a prefill chunk that is not the last */
        WANT_LOGITS,  /* n_vocab floats for each of the item's last tokens */
        WANT_HIDDEN,  /* n_embd floats for every token of the item: the final norm's output */
};

struct transformer_item {
        struct kv_sequence *sequence; /* grown by the caller for COUNT more tokens; tokens_count advances on return */
        const int32_t *tokens;        /* each in 0 .. n_vocab-1 (asserted) */
        uint32_t count;               /* >= 1 */
        enum transformer_want want;
        const float *result; /* out: inside the pass's buffers, good until the next pass */
        uint32_t second_at;  /* position where a second text begins, of its own token type; 0: there is one text */
        uint32_t logits;     /* of how many of the last tokens they are wanted, 1 .. count; 0 is 1 */
};

struct transformer;

struct transformer_config {
        const struct model *model;
        struct kv_cache *cache;
        struct threads *threads;
        uint32_t batch_max; /* tokens a pass can take over all items */
        uint32_t items_max; /* of a pass, and so many vectors of logits */
};

int transformer_new(const struct transformer_config *config, struct transformer **ret); /* 0 or -ENOMEM */
void transformer_free(struct transformer *f);

/*
 * Sum of counts <= batch_max, n and the logits wanted <= items_max, no sequence twice, room grown for all (asserted). Cannot fail and
 * allocates nothing. Results of items that want nothing are NULL.
 */
void transformer_run(struct transformer *f, struct transformer_item items[], uint32_t n);

/*
 * The logits, n_vocab floats each, of COUNT (1 .. items_max, asserted) rows of n_embd at HIDDEN, as WANT_HIDDEN has given them,
 * which stay; bit for bit what WANT_LOGITS gives for those tokens. Good until the next call of either.
 */
const float *transformer_logits(struct transformer *f, const float *hidden, uint32_t count);

#endif
