/*
 * net_layout.c - which tensors the network has, under which names and where, and how they begin.
 */
#include "tests/demo_model/net.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/demo_model/net_math.h"

static const char *shape_fault(const struct net_shape *s) {
        if (s->layers < 1 || s->layers > NET_LAYERS_MAX)
                return "the number of layers is out of range";
        if (s->context < 16 || s->context > NET_CONTEXT_MAX)
                return "the context length is out of range";
        if (s->heads < 1 || s->kv_heads < 1 || s->heads % s->kv_heads != 0)
                return "heads must be a multiple of kv heads";
        if (s->head_width < 2 || s->head_width % 2 != 0 || s->heads * s->head_width != s->width)
                return "width must be heads times an even head width";
        if (s->vocabulary < 2 || s->ff_width < 1 || s->vocabulary > NET_SIDE_MAX || 2 * s->ff_width > NET_SIDE_MAX ||
            3 * s->width > NET_SIDE_MAX)
                return "a side of a weight matrix is out of range";
        return NULL;
}

__attribute__((format(printf, 4, 5))) static void add(struct net_layout *l, size_t rows, size_t columns, const char *format,
                                                      ...) {
        struct net_tensor *t = &l->tensors[l->tensors_count++];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(t->name, sizeof(t->name), format, arguments);
        va_end(arguments);
        t->rows = rows;
        t->columns = columns;
        t->offset = l->floats;
        l->floats += rows * columns;
}

int net_layout_init(struct net_layout *l, const struct net_shape *shape, const char **reterr) {
        const char *fault = shape_fault(shape);
        size_t width = shape->width, kv_width = shape->kv_heads * shape->head_width;

        if (fault) {
                *reterr = fault;
                return -EINVAL;
        }
        *l = (struct net_layout){ .shape = *shape };
        add(l, shape->vocabulary, width, "token_embd.weight");
        for (size_t i = 0; i < shape->layers; i++) {
                add(l, 1, width, "blk.%zu.attn_norm.weight", i);
                add(l, width, width, "blk.%zu.attn_q.weight", i);
                add(l, kv_width, width, "blk.%zu.attn_k.weight", i);
                add(l, kv_width, width, "blk.%zu.attn_v.weight", i);
                add(l, width, width, "blk.%zu.attn_output.weight", i);
                add(l, 1, width, "blk.%zu.ffn_norm.weight", i);
                add(l, shape->ff_width, width, "blk.%zu.ffn_gate.weight", i);
                add(l, shape->ff_width, width, "blk.%zu.ffn_up.weight", i);
                add(l, width, shape->ff_width, "blk.%zu.ffn_down.weight", i);
        }
        add(l, 1, width, "output_norm.weight");
        return 0;
}

struct net_layer net_layer_at(const struct net_layout *l, size_t layer) {
        const struct net_tensor *t = &l->tensors[1 + layer * NET_TENSORS_PER_LAYER];

        return (struct net_layer){
                .attention_norm = t[0].offset,
                .qkv = t[1].offset,
                .output = t[4].offset,
                .ff_norm = t[5].offset,
                .gate_up = t[6].offset,
                .down = t[8].offset,
        };
}

size_t net_output_norm(const struct net_layout *l) {
        return l->tensors[l->tensors_count - 1].offset;
}

/* Matrices keep the size of what passes through them; those that write to the residual stream begin
 * smaller, so that the sum over all layers does too. */
static double deviation(const struct net_layout *l, size_t tensor) {
        size_t kind = (tensor - 1) % NET_TENSORS_PER_LAYER;
        double keep = 0.7 / sqrt((double) l->tensors[tensor].columns);

        if (tensor == 0)
                return 0.05;
        return kind == 4 || kind == 8 ? keep / sqrt(2.0 * (double) l->shape.layers) : keep;
}

void net_weights_init(const struct net_layout *l, float *weights, struct random *random) {
        for (size_t t = 0; t < l->tensors_count; t++) {
                const struct net_tensor *tensor = &l->tensors[t];
                double scale = deviation(l, t);

                for (size_t i = 0; i < tensor->rows * tensor->columns; i++)
                        weights[tensor->offset + i] = tensor->rows == 1 ? 1.0f : (float) (scale * random_normal(random));
        }
}

float *net_turns_new(size_t context, size_t head_width, float base) {
        float *turns = calloc(context * head_width, sizeof(float));

        for (size_t p = 0; turns && p < context; p++)
                for (size_t i = 0; i < head_width; i += 2) {
                        double angle = (double) p * pow(base, -(double) i / (double) head_width);

                        turns[p * head_width + i] = (float) cos(angle);
                        turns[p * head_width + i + 1] = (float) sin(angle);
                }
        return turns;
}
