/*
 * attention.c - one tile: its queries are columns, a block's keys are rows, and a column's softmax state is a
 * maximum, a sum and a mixed value that are rescaled whenever the maximum rises.
 */
#include "engine/compute/attention.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/kernels/elementwise.h"

/* The tile's state while it passes over the blocks. Column t * group + g: token t, query head g of the group. */
struct tile_state {
        const struct attention *a;
        uint32_t layer, head_kv, group, count;
        float *queries;
        uint8_t *prepared;
        size_t prepared_bytes;
        bool is_prepared; /* transformed, as whole numbers: at the first quantised block */
        float *scores, *mixed, *maxima, *sums;
};

static void tile_load(struct tile_state *c, const struct attention_tile *t) {
        const struct hparams *s = c->a->hparams;
        size_t head_bytes = c->group * s->d_head_k * sizeof(float);
        for (uint32_t i = 0; i < t->count; i++) {
                size_t token = t->row + i;
                const float *from = c->a->queries + (token * s->n_head + (size_t) c->head_kv * c->group) * s->d_head_k;
                memcpy((uint8_t *) c->queries + i * head_bytes, from, head_bytes);
        }
        c->a->kernels->scale(c->queries, s->attention_scale, c->count * s->d_head_k);
        memset(c->mixed, 0, c->count * (size_t) s->d_head_v * sizeof(float));
        for (uint32_t i = 0; i < c->count; i++) {
                c->maxima[i] = -INFINITY;
                c->sums[i] = 0;
        }
}

static void prepare_once(struct tile_state *c) {
        const struct kernels *k = c->a->kernels;
        uint32_t d = c->a->hparams->d_head_k;
        float transformed[HPARAMS_HEAD_VALUES_MAX];
        for (uint32_t i = 0; !c->is_prepared && i < c->count; i++) {
                memcpy(transformed, c->queries + i * (size_t) d, d * sizeof(float));
                k->hadamard(transformed, d);
                k->prepare[ACTIVATION_I16](transformed, d, c->prepared + i * c->prepared_bytes);
        }
        c->is_prepared = true;
}

/* Some rows of a block. */
struct span {
        uint32_t from, count;
};

/* Scores of columns FIRST .. FIRST + COUNT - 1 against these keys of a block. */
static void score(struct tile_state *c, struct kv_rows keys, struct span rows, uint32_t first, uint32_t count) {
        const struct kernels *k = c->a->kernels;
        enum tensor_type type = kv_tensor_type(keys.type);
        uint32_t d = c->a->hparams->d_head_k;
        bool floats = k->types[type].activation == ACTIVATION_F32;
        if (!floats)
                prepare_once(c);
        kv_score(k, keys.type)(&(struct product){
                .rows = keys.rows + rows.from * (size_t) keys.row_bytes,
                .row_bytes = keys.row_bytes,
                .rows_count = rows.count,
                .columns = floats ? (const uint8_t *) (c->queries + first * (size_t) d) : c->prepared + first * c->prepared_bytes,
                .column_bytes = floats ? d * sizeof(float) : c->prepared_bytes,
                .columns_count = count,
                .n = d,
                .out = c->scores + first * (size_t) KV_BLOCK_TOKENS,
                .out_stride = KV_BLOCK_TOKENS,
        });
}

/* Turns scores into weights relative to the largest score so far, and what was mixed before into the same measure. */
static void softmax_block(struct tile_state *c, uint32_t column, uint32_t rows) {
        const struct kernels *k = c->a->kernels;
        float *scores = c->scores + column * (size_t) KV_BLOCK_TOKENS;
        float largest = k->maximum(scores, rows);
        if (largest > c->maxima[column]) {
                float factor = expf(c->maxima[column] - largest);
                uint32_t d = c->a->hparams->d_head_v;
                k->scale(c->mixed + column * (size_t) d, factor, d);
                c->sums[column] *= factor;
                c->maxima[column] = largest;
        }
        c->sums[column] += k->exponential_sum(scores, rows, c->maxima[column]);
}

/* Columns FIRST .. FIRST + COUNT - 1 accumulate these tokens of a block. */
static void accumulate_columns(struct tile_state *c, uint32_t block, struct span rows, uint32_t first, uint32_t count) {
        const struct attention *a = c->a;
        struct kv_rows values = kv_cache_values(a->cache, block, c->layer, c->head_kv);
        score(c, kv_cache_keys(a->cache, block, c->layer, c->head_kv), rows, first, count);
        for (uint32_t i = 0; i < count; i++) {
                if (a->hparams->attention_cap > 0)
                        soft_cap(a->kernels, c->scores + (first + i) * (size_t) KV_BLOCK_TOKENS, a->hparams->attention_cap,
                                 rows.count);
                softmax_block(c, first + i, rows.count);
        }
        a->kernels->kv[values.type].mix(&(struct mixture){
                .rows = values.rows + rows.from * (size_t) values.row_bytes,
                .row_bytes = values.row_bytes,
                .rows_count = rows.count,
                .weights = c->scores + first * (size_t) KV_BLOCK_TOKENS,
                .weights_stride = KV_BLOCK_TOKENS,
                .columns_count = count,
                .n = a->hparams->d_head_v,
                .out = c->mixed + first * (size_t) a->hparams->d_head_v,
                .out_stride = a->hparams->d_head_v,
        });
}

static void tile_store(struct tile_state *c, const struct attention_tile *t) {
        const struct hparams *s = c->a->hparams;
        for (uint32_t i = 0; i < c->count; i++)
                c->a->kernels->scale(c->mixed + i * (size_t) s->d_head_v, 1.0f / c->sums[i], s->d_head_v);
        size_t head_bytes = c->group * s->d_head_v * sizeof(float);
        for (uint32_t i = 0; i < t->count; i++) {
                size_t token = t->row + i;
                float *to = c->a->attended + (token * s->n_head + (size_t) c->head_kv * c->group) * s->d_head_v;
                memcpy(to, (uint8_t *) c->mixed + i * head_bytes, head_bytes);
        }
}

/* --- the positions a token attends to --- */

struct visible_range {
        uint32_t from, end; /* positions from .. end - 1 */
};

static struct visible_range visible_range(const struct tile_state *c, const struct attention_tile *t, uint32_t token) {
        const struct hparams *s = c->a->hparams;
        uint32_t window = hparams_window(s, c->layer), end = t->position + token + 1;
        if (!s->causal)
                return (struct visible_range){ 0, t->end };
        return (struct visible_range){ window && end > window ? end - window : 0, end };
}

/* Rows of the range within the block that begins at START. */
static struct span visible_rows(struct visible_range s, uint32_t start) {
        uint32_t from = s.from > start ? s.from - start : 0;
        uint32_t end = s.end < start + KV_BLOCK_TOKENS ? s.end - start : KV_BLOCK_TOKENS;
        return s.end <= start || from >= end ? (struct span){ 0, 0 } : (struct span){ from, end - from };
}

static bool is_all(struct span s) {
        return s.count == KV_BLOCK_TOKENS;
}

/* Together where all of the tile's tokens see the whole block, which is so when its first and its last do. */
static void accumulate_block(struct tile_state *c, const struct attention_tile *t, uint32_t number) {
        uint32_t start = number * KV_BLOCK_TOKENS, block = t->sequence->blocks[number];
        struct span first = visible_rows(visible_range(c, t, 0), start);
        if (is_all(first) && is_all(visible_rows(visible_range(c, t, t->count - 1), start))) {
                accumulate_columns(c, block, first, 0, c->count);
                return;
        }
        for (uint32_t i = 0; i < t->count; i++) {
                struct span rows = visible_rows(visible_range(c, t, i), start);
                if (rows.count)
                        accumulate_columns(c, block, rows, i * c->group, c->group);
        }
}

void attention_run(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv,
                   uint8_t *buffers) {
        uint32_t group = a->hparams->n_head / a->hparams->head_kv[layer];
        struct tile_state c = {
                .a = a,
                .layer = layer,
                .head_kv = head_kv,
                .group = group,
                .count = group * t->count,
                .queries = (float *) (void *) (buffers + a->layout.queries),
                .prepared = buffers + a->layout.prepared,
                .prepared_bytes = activation_bytes(ACTIVATION_I16, a->hparams->d_head_k),
                .scores = (float *) (void *) (buffers + a->layout.scores),
                .mixed = (float *) (void *) (buffers + a->layout.mixed),
                .maxima = (float *) (void *) (buffers + a->layout.maxima),
                .sums = (float *) (void *) (buffers + a->layout.sums),
        };
        assert(c.count <= a->layout.columns);
        tile_load(&c, t);
        uint32_t end = visible_range(&c, t, t->count - 1).end;
        for (uint32_t b = visible_range(&c, t, 0).from / KV_BLOCK_TOKENS; b * KV_BLOCK_TOKENS < end; b++)
                accumulate_block(&c, t, b);
        tile_store(&c, t);
}
