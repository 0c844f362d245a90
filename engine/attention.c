/*
 * attention.c - one tile: its queries are columns, a block's keys are rows, and a column's softmax state is a
 * maximum, a sum and a mixed value that are rescaled whenever the maximum rises.
 */
#include "engine/attention.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/bounds.h"

/* The tile's state while it passes over the blocks. Column t * group + g: token t, query head g of the group. */
struct columns {
        const struct attention *a;
        uint32_t layer, head_kv, group, count;
        float *queries;
        uint8_t *prepared;
        size_t prepared_bytes;
        bool is_prepared; /* turned, as whole numbers: at the first quantised block */
        float *scores, *mixed, *maxima, *sums;
};

static void columns_load(struct columns *c, const struct attention_tile *t) {
        const struct shape *s = c->a->shape;
        float scale = 1.0f / sqrtf((float) s->d_head_k);
        size_t head_bytes = c->group * s->d_head_k * sizeof(float);
        for (uint32_t i = 0; i < t->count; i++) {
                size_t token = t->row + i;
                const float *from = c->a->queries + (token * s->n_head + (size_t) c->head_kv * c->group) * s->d_head_k;
                memcpy((uint8_t *) c->queries + i * head_bytes, from, head_bytes);
        }
        c->a->kernels->scale(c->queries, scale, c->count * s->d_head_k);
        memset(c->mixed, 0, c->count * (size_t) s->d_head_v * sizeof(float));
        for (uint32_t i = 0; i < c->count; i++) {
                c->maxima[i] = -INFINITY;
                c->sums[i] = 0;
        }
}

static void prepare_once(struct columns *c) {
        const struct kernels *k = c->a->kernels;
        uint32_t d = c->a->shape->d_head_k;
        float turned[SHAPE_HEAD_VALUES_MAX];
        for (uint32_t i = 0; !c->is_prepared && i < c->count; i++) {
                memcpy(turned, c->queries + i * (size_t) d, d * sizeof(float));
                k->turn(turned, d);
                k->prepare[ACTIVATION_I16](turned, d, c->prepared + i * c->prepared_bytes);
        }
        c->is_prepared = true;
}

/* Scores of columns FIRST .. FIRST + COUNT - 1 against the first ROWS keys of a block. */
static void score(struct columns *c, struct kv_rows keys, uint32_t rows, uint32_t first, uint32_t count) {
        const struct kernels *k = c->a->kernels;
        enum tensor_type type = kv_tensor_type(keys.type);
        uint32_t d = c->a->shape->d_head_k;
        bool floats = k->types[type].activation == ACTIVATION_F32;
        if (!floats)
                prepare_once(c);
        k->types[type].multiply(&(struct product){
                .rows = keys.rows,
                .row_bytes = keys.row_bytes,
                .rows_count = rows,
                .columns = floats ? (const uint8_t *) (c->queries + first * (size_t) d) : c->prepared + first * c->prepared_bytes,
                .column_bytes = floats ? d * sizeof(float) : c->prepared_bytes,
                .columns_count = count,
                .n = d,
                .out = c->scores + first * (size_t) KV_BLOCK_TOKENS,
                .out_stride = KV_BLOCK_TOKENS,
        });
}

/* Turns scores into weights relative to the largest score so far, and what was mixed before into the same measure. */
static void weigh(struct columns *c, uint32_t column, uint32_t rows) {
        const struct kernels *k = c->a->kernels;
        float *scores = c->scores + column * (size_t) KV_BLOCK_TOKENS;
        float largest = k->maximum(scores, rows);
        if (largest > c->maxima[column]) {
                float factor = expf(c->maxima[column] - largest);
                uint32_t d = c->a->shape->d_head_v;
                k->scale(c->mixed + column * (size_t) d, factor, d);
                c->sums[column] *= factor;
                c->maxima[column] = largest;
        }
        c->sums[column] += k->exponential_sum(scores, rows, c->maxima[column]);
}

/* Columns FIRST .. FIRST + COUNT - 1 take in the first ROWS tokens of a block. */
static void take_in(struct columns *c, uint32_t block, uint32_t rows, uint32_t first, uint32_t count) {
        const struct attention *a = c->a;
        struct kv_rows values = kv_cache_values(a->cache, block, c->layer, c->head_kv);
        score(c, kv_cache_keys(a->cache, block, c->layer, c->head_kv), rows, first, count);
        for (uint32_t i = 0; i < count; i++)
                weigh(c, first + i, rows);
        a->kernels->kv[values.type].mix(&(struct mixture){
                .rows = values.rows,
                .row_bytes = values.row_bytes,
                .rows_count = rows,
                .weights = c->scores + first * (size_t) KV_BLOCK_TOKENS,
                .weights_stride = KV_BLOCK_TOKENS,
                .columns_count = count,
                .n = a->shape->d_head_v,
                .out = c->mixed + first * (size_t) a->shape->d_head_v,
                .out_stride = a->shape->d_head_v,
        });
}

static void columns_store(struct columns *c, const struct attention_tile *t) {
        const struct shape *s = c->a->shape;
        for (uint32_t i = 0; i < c->count; i++)
                c->a->kernels->scale(c->mixed + i * (size_t) s->d_head_v, 1.0f / c->sums[i], s->d_head_v);
        size_t head_bytes = c->group * s->d_head_v * sizeof(float);
        for (uint32_t i = 0; i < t->count; i++) {
                size_t token = t->row + i;
                float *to = c->a->attended + (token * s->n_head + (size_t) c->head_kv * c->group) * s->d_head_v;
                memcpy(to, (uint8_t *) c->mixed + i * head_bytes, head_bytes);
        }
}

void attention_run(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv,
                   uint8_t *scratch) {
        uint32_t group = a->shape->n_head / a->shape->head_kv[layer];
        struct columns c = {
                .a = a,
                .layer = layer,
                .head_kv = head_kv,
                .group = group,
                .count = group * t->count,
                .queries = (float *) (void *) (scratch + a->layout.queries),
                .prepared = scratch + a->layout.prepared,
                .prepared_bytes = activation_bytes(ACTIVATION_I16, a->shape->d_head_k),
                .scores = (float *) (void *) (scratch + a->layout.scores),
                .mixed = (float *) (void *) (scratch + a->layout.mixed),
                .maxima = (float *) (void *) (scratch + a->layout.maxima),
                .sums = (float *) (void *) (scratch + a->layout.sums),
        };
        assert(c.count <= a->layout.columns);
        columns_load(&c, t);
        for (uint32_t b = 0; b * KV_BLOCK_TOKENS < t->position + t->count; b++) {
                uint32_t start = b * KV_BLOCK_TOKENS, block = t->sequence->blocks[b];
                if (start + KV_BLOCK_TOKENS <= t->position + 1) {
                        take_in(&c, block, KV_BLOCK_TOKENS, 0, c.count); /* past to all of the tile's tokens */
                        continue;
                }
                for (uint32_t i = 0; i < t->count; i++) {
                        uint32_t seen = t->position + i + 1;
                        if (seen > start)
                                take_in(&c, block, seen - start < KV_BLOCK_TOKENS ? seen - start : KV_BLOCK_TOKENS, i * group,
                                        group);
                }
        }
        columns_store(&c, t);
}
