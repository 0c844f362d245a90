/*
 * net.h - the network of the demo model: a llama-architecture transformer with its gradient.
 *
 * Pre-normalised blocks (RMSNorm), rotary positions on adjacent pairs as GGUF files of this architecture
 * have them, grouped-query attention, SwiGLU, embedding shared with the output. All weights lie in one
 * array, in the order in which the file lists them; gradients and the optimiser's state have the same
 * layout, so one loop serves them all.
 *
 * A batch is ragged: several conversations one after the other, without padding, each attending to itself
 * alone. Loss is taken only where a target is given. One `net_space` holds what one thread needs.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_NET_H
#define HEADROOM_TESTS_DEMO_MODEL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/demo_model/bounds.h"
#include "tests/demo_model/gemm.h"
#include "tests/demo_model/random.h"

struct net_shape {
        size_t vocabulary, context;
        size_t width, layers, heads, kv_heads, head_width, ff_width;
        float norm_epsilon, rope_base;
};

/* One tensor of the file: ROWS x COLUMNS floats at OFFSET; a norm has one row. */
struct net_tensor {
        char name[40];
        size_t rows, columns, offset;
};

enum { NET_TENSORS_PER_LAYER = 9, NET_TENSORS_MAX = NET_LAYERS_MAX * NET_TENSORS_PER_LAYER + 2 };

struct net_layout {
        struct net_shape shape;
        size_t floats; /* all weights together */
        size_t tensors_count;
        struct net_tensor tensors[NET_TENSORS_MAX];
};

/* Offsets of a layer's tensors; q, k, v lie behind each other, and so do gate and up. */
struct net_layer {
        size_t attention_norm, qkv, output, ff_norm, gate_up, down;
};

struct net_target {
        uint32_t row; /* the token after which ID is expected */
        uint32_t id;
};

struct net_batch {
        size_t tokens_count, sequences_count, targets_count;
        uint32_t *ids; /* tokens_max of the space it is meant for */
        struct net_target *targets;
        size_t starts[SHARD_SEQUENCES_MAX + 1]; /* sequence s is tokens [starts[s], starts[s + 1]) */
        bool coarse[SHARD_SEQUENCES_MAX];       /* round K and V of this sequence as a q4_0 cache would */
};

struct net_space;

/* -EINVAL and one sentence in reterr when the shape cannot be. */
int net_layout_init(struct net_layout *l, const struct net_shape *shape, const char **reterr);
struct net_layer net_layer_at(const struct net_layout *l, size_t layer);
size_t net_output_norm(const struct net_layout *l);

void net_weights_init(const struct net_layout *l, float *weights, struct random *random);

int net_space_new(const struct net_layout *l, size_t tokens_max, struct net_space **ret);
void net_space_free(struct net_space *s);

/*
 * Sum over the targets of -log p, and its gradient times SCALE added to GRADIENT unless that is NULL.
 * *ret_right counts the targets that are also the likeliest token.
 */
double net_loss(struct net_space *s, const float *weights, const struct net_batch *batch, float scale, float *gradient,
                size_t *ret_right);

/* The next token after one sequence, a token at a time: the greedy decoder's view of the same network. */
struct net_decoder;
int net_decoder_new(const struct net_layout *l, const float *weights, struct net_decoder **ret);
void net_decoder_free(struct net_decoder *d);
void net_decoder_restart(struct net_decoder *d);
/* Feeds ID and returns the likeliest token behind it; the caller stays below the context length. */
uint32_t net_decoder_next(struct net_decoder *d, uint32_t id);

#endif
