/*
 * attention.h - attention of a few tokens over the paged cache, one key head at a time: to what came before
 * them, or to the last positions of it (a window), or, where the model looks both ways, to the whole text.
 *
 * Softmax is carried along from block to block (Milakov and Gimelshein, "Online normalizer calculation for
 * softmax", 2018), so nothing grows with the context, and each block is read in its own type. Query heads that
 * share a key head, neighbouring tokens, and sequences that share a beginning read a block together; what they compute
 * does not depend on that.
 *
 * Positions are cut into chunks. Each is attended to by itself, and then joins those before it, in their order. So
 * chunks can be shared out among threads, and an answer's bits follow from its own position alone.
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

/* A token of the batch; its key and value are in the cache already. */
struct attention_row {
        const struct kv_sequence *sequence;
        uint32_t position;
        uint32_t end; /* tokens of the sequence when this pass is done */
        uint32_t row; /* of the batch */
};

/* Tokens whose chunks are equally long, attended to together. Neighbours read a block together where they have the same one. */
struct attention_tile {
        const struct attention_row *rows;
        uint32_t count; /* <= attention_tile_tokens of the layer's group */
};

/* Positions of a chunk, a power of two, so that what a token sees has ATTENTION_CHUNKS_MAX of them at most. */
uint32_t attention_chunk_tokens(const struct hparams *s, const struct attention_row *row);

struct attention_chunks {
        uint32_t first, count;
};

/* The chunks that some token of the tile sees something of. */
struct attention_chunks attention_chunks(const struct attention *a, const struct attention_tile *t, uint32_t layer);

/* All query heads of key head HEAD_KV. BUFFERS: layout.bytes, this thread's own. */
void attention_run(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv, uint8_t *buffers);

/*
 * The same in two steps, for several threads: some of the tile's chunks, each into attention_softmax_floats(columns) floats of PARTS,
 * which begins with its first chunk; and when all of its parts are there, the whole.
 */
void attention_run_part(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv,
                        struct attention_chunks chunks, float *parts, uint8_t *buffers);
void attention_join(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv, float *parts);

#endif
