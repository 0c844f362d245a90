/*
 * net_decoder.c - greedy decoding with a plain float cache of keys and values, to judge what was learnt.
 */
#include "tests/demo_model/net.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/demo_model/net_math.h"

struct net_decoder {
        const struct net_layout *layout;
        const float *weights;
        size_t position;
        float *turns;
        float *keys, *values; /* layer, position, kv width */
        float *x, *normal, *qkv, *attended, *gate_up, *scores, *logits;
};

int net_decoder_new(const struct net_layout *l, const float *weights, struct net_decoder **ret) {
        const struct net_shape *s = &l->shape;
        size_t cache = s->layers * s->context * s->kv_heads * s->head_width;
        struct net_decoder *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->layout = l;
        d->weights = weights;
        d->turns = net_turns_new(s->context, s->head_width, s->rope_base);
        d->keys = calloc(cache, sizeof(float));
        d->values = calloc(cache, sizeof(float));
        d->x = calloc(s->width, sizeof(float));
        d->normal = calloc(s->width, sizeof(float));
        d->qkv = calloc(3 * s->width, sizeof(float));
        d->attended = calloc(s->width, sizeof(float));
        d->gate_up = calloc(2 * s->ff_width, sizeof(float));
        d->scores = calloc(s->context, sizeof(float));
        d->logits = calloc(s->vocabulary, sizeof(float));
        if (!d->turns || !d->keys || !d->values || !d->x || !d->normal || !d->qkv || !d->attended || !d->gate_up || !d->scores ||
            !d->logits) {
                net_decoder_free(d);
                return -ENOMEM;
        }
        *ret = d;
        return 0;
}

void net_decoder_free(struct net_decoder *d) {
        if (!d)
                return;
        free(d->turns);
        free(d->keys);
        free(d->values);
        free(d->x);
        free(d->normal);
        free(d->qkv);
        free(d->attended);
        free(d->gate_up);
        free(d->scores);
        free(d->logits);
        free(d);
}

void net_decoder_restart(struct net_decoder *d) {
        d->position = 0;
}

static void multiply(float *y, const float *x, const float *w, size_t inputs, size_t outputs) {
        for (size_t i = 0; i < outputs; i++)
                y[i] = gemm_dot(w + i * inputs, x, inputs);
}

static void add_product(float *y, const float *x, const float *w, size_t inputs, size_t outputs) {
        for (size_t i = 0; i < outputs; i++)
                y[i] += gemm_dot(w + i * inputs, x, inputs);
}

static void attend(struct net_decoder *d, size_t layer) {
        const struct net_shape *s = &d->layout->shape;
        size_t width = s->head_width, kv_width = s->kv_heads * width, count = d->position + 1;
        float *keys = d->keys + layer * s->context * kv_width, *values = d->values + layer * s->context * kv_width;

        for (size_t h = 0; h < s->heads + s->kv_heads; h++)
                net_rotate(d->qkv + h * width, width, d->turns + d->position * width, 1.0f);
        memcpy(keys + d->position * kv_width, d->qkv + s->width, kv_width * sizeof(float));
        memcpy(values + d->position * kv_width, d->qkv + s->width + kv_width, kv_width * sizeof(float));
        memset(d->attended, 0, s->width * sizeof(float));
        for (size_t h = 0; h < s->heads; h++) {
                size_t shared = h / (s->heads / s->kv_heads) * width;

                for (size_t j = 0; j < count; j++)
                        d->scores[j] = gemm_dot(d->qkv + h * width, keys + j * kv_width + shared, width) / sqrtf((float) width);
                net_softmax(d->scores, count);
                for (size_t j = 0; j < count; j++)
                        for (size_t c = 0; c < width; c++)
                                d->attended[h * width + c] += d->scores[j] * values[j * kv_width + shared + c];
        }
}

static void layer_step(struct net_decoder *d, size_t layer) {
        const struct net_shape *s = &d->layout->shape;
        struct net_layer at = net_layer_at(d->layout, layer);
        const float *w = d->weights;

        (void) net_normalize(d->normal, d->x, w + at.attention_norm, s->width, s->norm_epsilon);
        multiply(d->qkv, d->normal, w + at.qkv, s->width, s->width + 2 * s->kv_heads * s->head_width);
        attend(d, layer);
        add_product(d->x, d->attended, w + at.output, s->width, s->width);
        (void) net_normalize(d->normal, d->x, w + at.ff_norm, s->width, s->norm_epsilon);
        multiply(d->gate_up, d->normal, w + at.gate_up, s->width, 2 * s->ff_width);
        for (size_t i = 0; i < s->ff_width; i++)
                d->gate_up[i] *= net_sigmoid(d->gate_up[i]) * d->gate_up[s->ff_width + i];
        add_product(d->x, d->gate_up, w + at.down, s->ff_width, s->width);
}

uint32_t net_decoder_next(struct net_decoder *d, uint32_t id) {
        const struct net_shape *s = &d->layout->shape;
        uint32_t best = 0;

        assert(d->position < s->context && id < s->vocabulary);
        memcpy(d->x, d->weights + id * s->width, s->width * sizeof(float));
        for (size_t i = 0; i < s->layers; i++)
                layer_step(d, i);
        d->position++;
        (void) net_normalize(d->normal, d->x, d->weights + net_output_norm(d->layout), s->width, s->norm_epsilon);
        multiply(d->logits, d->normal, d->weights, s->width, s->vocabulary);
        for (uint32_t i = 1; i < s->vocabulary; i++)
                if (d->logits[i] > d->logits[best])
                        best = i;
        return best;
}
