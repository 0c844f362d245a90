/*
 * attention.h - attention of a few neighbouring tokens over the paged cache, one key head at a time: to what came before
 * them, or to the last positions of it (a window), or, where the model looks both ways, to the whole text.
 *
 * Softmax is carried along from block to block (Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018), so nothing grows with the context, and each block is read in its own type. Query heads that
 * share a key head, and neighbouring tokens, read a block together; what they compute does not depend on that.
 */
#ifndef HEADROOM_ENGINE_COMPUTE_ATTENTION_H
#define HEADROOM_ENGINE_COMPUTE_ATTENTION_H

#include <stdint.h>

#include "engine/kernels/kernels.h"
#include "engine/kv/cache.h"
#include "engine/compute/buffers.h"
#include "engine/model/hparams.h"

struct attention {
        const struct kernels *kernels;
        const struct hparams *hparams;
        const struct kv_cache *cache;
        struct attention_buffers layout;
        const float *queries; /* per token of the batch: n_head heads of d_head_k, after RoPE */
        float *attended;      /* per token of the batch: n_head heads of d_head_v */
};

/* Consecutive tokens of one sequence; their keys and values are in the cache already. */
struct attention_tile {
        const struct kv_sequence *sequence;
        uint32_t position; /* of the first token */
        uint32_t end;      /* tokens of the sequence when this pass is done */
        uint32_t row;      /* of the first token in the batch */
        uint32_t count;    /* <= attention_tile_tokens of the layer's group */
};

/* All query heads of key head HEAD_KV. BUFFERS: layout.bytes, this thread's own. */
void attention_run(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv, uint8_t *buffers);

#endif
