/*
 * buffers.h - the places of the buffers of a forward pass in one allocation.
 *
 * The layout follows from the hyperparameters, the batch and the thread count alone, so that what `inspect` predicts
 * is what transformer_new allocates. Nothing here grows with the context: attention works block by block.
 */
#ifndef HEADROOM_ENGINE_COMPUTE_BUFFERS_H
#define HEADROOM_ENGINE_COMPUTE_BUFFERS_H

#include <stdint.h>

#include "engine/model/hparams.h"

struct buffers_limits {
        uint32_t batch; /* tokens of a pass */
        uint32_t items; /* of a pass, and the logits vectors it can be asked for */
        uint32_t threads;
};

/* Byte offsets, all multiples of ACTIVATION_ALIGN. Per token unless it says otherwise. */
struct buffers {
        uint64_t residual; /* n_embd floats: what the layers add to */
        uint64_t normed;   /* n_embd floats: input of a block, later its output; at last the hidden result */
        uint64_t queries, keys, values, attended; /* floats of all heads */
        uint64_t parts;           /* all together: attention_parts_floats, of chunks that several threads attend to */
        uint64_t gate, up;        /* hparams_ff_values floats each; share the place of queries .. parts, as do the next ones */
        uint64_t routed;          /* per expert that a token uses: n_embd floats, what it takes in and later what it puts out */
        uint64_t scores;          /* of experts: n_expert floats */
        uint64_t choices;         /* per expert that a token uses: struct choice */
        uint64_t sources;         /* per expert that a token uses: the token, in the order of `routed` */
        uint64_t experts_at;      /* all together: n_expert + 1 numbers, where each one's begin in that order */
        uint64_t prepared;        /* the widest input of a product in its longest whole-number form */
        uint64_t rope;            /* cosine and sine for each rotated pair, once per kind of rotation */
        uint64_t results;         /* per item: n_embd floats */
        uint64_t logits;          /* per item: n_vocab floats */
        uint64_t attention;       /* per thread: struct attention_buffers */
        uint64_t attention_bytes; /* of one thread */
        uint64_t bytes;           /* all together */
};

/* An expert that a token goes through. */
struct choice {
        uint32_t expert;
        float weight;   /* of what it puts out */
        uint32_t place; /* in `routed` */
};

struct buffers buffers_layout(const struct hparams *s, struct buffers_limits limits);

/* Few enough that their states are little beside the cache, and enough for the threads of a large machine. */
#define ATTENTION_CHUNKS_MAX       32u
#define ATTENTION_CHUNK_TOKENS_MIN 512u /* less is read sooner than it is joined to the others */
#define ATTENTION_SPLIT_TOKENS     4u   /* whose chunks are shared out: more tokens have tiles enough */

/*
 * Buffers of one thread for a tile of attention, as offsets from the thread's own start; a column is one query head of one token.
 */
struct attention_buffers {
        uint64_t queries;     /* d_head_k floats per column, scaled */
        uint64_t prepared;    /* the same, transformed, as whole numbers */
        uint64_t scores;      /* KV_BLOCK_TOKENS floats per column */
        uint64_t whole, next; /* attention_softmax_floats each: of all chunks so far, and of the one under way */
        uint64_t bytes;
        uint32_t columns;
};

struct attention_buffers attention_buffers_layout(const struct hparams *s);

/* The softmax state of so many columns: of each a maximum, a sum, and d_head_v values mixed so far. */
size_t attention_softmax_floats(const struct hparams *s, uint32_t columns);

/* Room that `parts` has, in floats. */
size_t attention_parts_floats(const struct hparams *s);

/* Tokens of one sequence that one tile of attention takes together, when GROUP query heads share a key head. */
uint32_t attention_tile_tokens(uint32_t group);

#endif
