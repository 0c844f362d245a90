/*
 * transformer_internal.h - the pass under way, for the files that make it: transformer.c (top to bottom), matmul.c (sharing
 * work out, weights times activations), moe.c (the feed-forward block of a mixture of experts).
 */
#ifndef HEADROOM_ENGINE_COMPUTE_TRANSFORMER_INTERNAL_H
#define HEADROOM_ENGINE_COMPUTE_TRANSFORMER_INTERNAL_H

#include "engine/compute/attention_tiles.h"
#include "engine/compute/transformer.h"
#include "engine/kernels/kernels.h"
#include "engine/model/matrix.h"
#include "engine/compute/rope.h"
#include "engine/compute/buffers.h"

#define MATMULS_MIN 3u /* query, key, value; a mixture of experts has two per expert */

/* The sequence and position of a token in the batch. */
struct row {
        const struct kv_sequence *sequence;
        uint32_t position;
        uint32_t end; /* tokens of the sequence when the pass is done */
        int32_t token;
        uint32_t text; /* 0, or 1: of the second of two */
};

/* A matrix to be multiplied with some rows of the input, and where the result goes. */
struct matmul {
        struct matrix weights;
        float *out; /* per row of the input: one float per row of the weights */
        uint32_t first, count;
};

/* The same, cut into units of work. */
struct matmul_tile {
        struct matmul matmul;
        uint32_t first_unit; /* units of those before it */
        uint32_t chunk_rows;
};

/* The steps between a block's output and the residual; NULL: left out. */
struct epilogue {
        const uint8_t *bias, *post_norm, *after_norm, *after_norm_bias;
};

struct transformer {
        struct transformer_config config;
        const struct kernels *kernels;
        const struct hparams *hparams;
        const struct arch_info *arch;
        struct rope rope, rope_local;

        uint8_t *buffers; /* the one allocation that holds all buffers below; see buffers.h */
        struct buffers layout;
        struct attention_buffers attention_layout;
        float *residual, *normed, *queries, *keys, *values, *attended, *parts, *gate, *up, *angles, *results, *logits;
        float *routed, *scores;
        struct choice *choices;
        uint32_t *sources, *experts_at;
        uint8_t *prepared;
        struct row *rows;                     /* batch_max */
        struct attention_row *attention_rows; /* batch_max: the same, sorted */
        struct attention_tile *tiles;         /* batch_max */

        /* The pass under way. */
        uint32_t rows_count, tiles_count; /* of rows: at last only those that are wanted */
        uint32_t tile_tokens;             /* the width that the tiles were cut to */
        struct attention_work attention_work;
        uint32_t layer;
        const struct model_layer *weights;

        /* The step under way: its input, and what is to be done with it. */
        const float *input;
        uint32_t input_n, input_count;
        enum activation activation;
        const uint8_t *norm;           /* of the step that prepares a block's input; NULL: none */
        bool has_output;               /* the block before has left its output in `normed` */
        struct epilogue epilogue;      /* of that block */
        struct matmul *matmuls_wanted; /* room for those of all experts */
        struct matmul_tile *matmul_tiles;
        uint32_t matmul_tiles_count;
};

/* --- matmul.c --- */

typedef void unit_work(struct transformer *f, uint32_t unit, uint32_t thread);

/* WORK for each of COUNT units, among the threads. */
void matmul_share(struct transformer *f, unit_work *work, uint32_t count);
/* The same where a unit is a token: few are not worth telling another thread. */
void matmul_share_tokens(struct transformer *f, unit_work *work, uint32_t count);

/*
 * From now on matrices meet the COUNT rows of N floats at X, in the form that WEIGHTS want. The caller sees to the form: by
 * matmul_prepare_row in the units that make the rows, or by sharing out matmul_prepare_unit.
 */
void matmul_set_input(struct transformer *f, const float *x, uint32_t n, uint32_t count, const struct matrix *weights);
void matmul_prepare_row(const struct transformer *f, uint32_t row);
void matmul_prepare_unit(struct transformer *f, uint32_t row, uint32_t thread);
/* The input times each matrix. Matrices that want the input in another form than the one before wait for it. */
void matmul_run(struct transformer *f, const struct matmul matmuls[], uint32_t count);
/* The product of a matrix and all rows of the input. */
struct matmul matmul_all_rows(const struct transformer *f, struct matrix weights, float *out);
/* All of it for one matrix and the rows of the pass: OUT = X times WEIGHTS. */
void matmul_run_one(struct transformer *f, const float *x, uint32_t n, struct matrix weights, float *out);

/* --- transformer.c --- */

/* Takes the last block's output into the residual and makes the next block's input of it, in the form that FIRST wants. */
void transformer_begin_block(struct transformer *f, const uint8_t *norm, const struct matrix *first);
/* Gate and up of ROW, N values each, become the input of `down`, which lies in gate. */
void transformer_activate(struct transformer *f, uint32_t row, uint32_t n);

/* --- moe.c --- */

/* The feed-forward block of a layer with experts, up to its output in `normed`. */
void moe_run(struct transformer *f);

#endif
