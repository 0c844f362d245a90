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

#define CACHE_LINE 64u
#define NO_BLOCK   UINT32_MAX

/* The softmax states of a tile's columns. A sum of zero: nothing seen yet. */
struct softmax {
        float *maxima, *sums, *mixed;
};

/* The tile's state while it passes over the blocks. Column t * group + g: token t, query head g of the group. */
struct tile_state {
        const struct attention *a;
        const struct attention_tile *tile;
        uint32_t layer, head_kv, group, count;
        float *queries;
        uint8_t *prepared;
        size_t prepared_bytes;
        bool is_prepared; /* transformed, as whole numbers: at the first quantised block */
        float *scores;
        struct softmax soft; /* of the chunk under way */
        uint32_t next;       /* the block after this one */
};

static uint32_t group_of(const struct attention *a, uint32_t layer) {
        return a->hparams->n_head / a->hparams->head_kv[layer];
}

/* The query heads of the batch's token that the tile's row I is. */
static size_t head_of(const struct attention *a, const struct attention_tile *t, uint32_t i, uint32_t head_kv, uint32_t group) {
        return t->rows[i].row * (size_t) a->hparams->n_head + (size_t) head_kv * group;
}

static void tile_load(struct tile_state *c) {
        const struct hparams *s = c->a->hparams;
        size_t floats = c->group * (size_t) s->d_head_k;
        for (uint32_t i = 0; i < c->tile->count; i++) {
                const float *from = c->a->queries + head_of(c->a, c->tile, i, c->head_kv, c->group) * s->d_head_k;
                memcpy(c->queries + i * floats, from, floats * sizeof(float));
        }
        c->a->kernels->scale(c->queries, s->attention_scale, c->count * s->d_head_k);
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

/* What was mixed of COLUMN becomes relative to LARGEST. */
static void rescale(const struct attention *a, struct softmax *s, uint32_t column, float largest) {
        uint32_t d = a->hparams->d_head_v;
        float factor = expf(s->maxima[column] - largest);
        a->kernels->scale(s->mixed + column * (size_t) d, factor, d);
        s->sums[column] *= factor;
        s->maxima[column] = largest;
}

/* Turns scores into weights relative to the largest score so far, and what was mixed before into the same measure. */
static void softmax_block(struct tile_state *c, uint32_t column, uint32_t rows) {
        const struct kernels *k = c->a->kernels;
        float *scores = c->scores + column * (size_t) KV_BLOCK_TOKENS;
        float largest = k->maximum(scores, rows);
        if (largest > c->soft.maxima[column])
                rescale(c->a, &c->soft, column, largest);
        c->soft.sums[column] += k->exponential_sum(scores, rows, c->soft.maxima[column]);
}

/*
 * Asks for rows that are needed next: while one kind is worked on, the other arrives. A block is scattered over the pool, and a head's
 * rows in it are too few for the processor to see them coming.
 */
static void fetch_ahead(struct kv_rows rows) {
        for (size_t at = 0; at < KV_BLOCK_TOKENS * (size_t) rows.row_bytes; at += CACHE_LINE)
                __builtin_prefetch(rows.rows + at, 0, 2);
}

/* Columns FIRST .. FIRST + COUNT - 1 accumulate these tokens of a block. */
static void accumulate_columns(struct tile_state *c, uint32_t block, struct span rows, uint32_t first, uint32_t count) {
        const struct attention *a = c->a;
        struct kv_rows values = kv_cache_values(a->cache, block, c->layer, c->head_kv);
        fetch_ahead(values);
        score(c, kv_cache_keys(a->cache, block, c->layer, c->head_kv), rows, first, count);
        for (uint32_t i = 0; i < count; i++) {
                if (a->hparams->attention_cap > 0)
                        soft_cap(a->kernels, c->scores + (first + i) * (size_t) KV_BLOCK_TOKENS, a->hparams->attention_cap,
                                 rows.count);
                softmax_block(c, first + i, rows.count);
        }
        if (c->next != NO_BLOCK)
                fetch_ahead(kv_cache_keys(a->cache, c->next, c->layer, c->head_kv));
        a->kernels->kv[values.type].mix(&(struct mixture){
                .rows = values.rows + rows.from * (size_t) values.row_bytes,
                .row_bytes = values.row_bytes,
                .rows_count = rows.count,
                .weights = c->scores + first * (size_t) KV_BLOCK_TOKENS,
                .weights_stride = KV_BLOCK_TOKENS,
                .columns_count = count,
                .n = a->hparams->d_head_v,
                .out = c->soft.mixed + first * (size_t) a->hparams->d_head_v,
                .out_stride = a->hparams->d_head_v,
        });
}

/* --- the positions a token attends to --- */

struct visible_range {
        uint32_t from, end; /* positions from .. end - 1 */
};

static struct visible_range visible_range(const struct hparams *s, uint32_t layer, const struct attention_row *row) {
        uint32_t window = hparams_window(s, layer), end = row->position + 1;
        if (!s->causal)
                return (struct visible_range){ 0, row->end };
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

static struct span rows_seen_by(const struct tile_state *c, uint32_t i, uint32_t number) {
        return visible_rows(visible_range(c->a->hparams, c->layer, &c->tile->rows[i]), number * KV_BLOCK_TOKENS);
}

/* How many tokens from I see all of the same block there. */
static uint32_t seeing_the_same(const struct tile_state *c, uint32_t i, uint32_t number) {
        uint32_t block = c->tile->rows[i].sequence->blocks[number], n = 1;
        while (i + n < c->tile->count && is_all(rows_seen_by(c, i + n, number)) &&
               c->tile->rows[i + n].sequence->blocks[number] == block)
                n++;
        return n;
}

/* Block NUMBER of each token's sequence: together where all of it is seen and it is the same one. */
static void accumulate_block(struct tile_state *c, uint32_t number) {
        const struct kv_sequence *s = c->tile->rows[0].sequence;
        c->next = number + 1 < s->blocks_count ? s->blocks[number + 1] : NO_BLOCK;
        for (uint32_t i = 0, n; i < c->tile->count; i += n) {
                struct span rows = rows_seen_by(c, i, number);
                n = is_all(rows) ? seeing_the_same(c, i, number) : 1;
                if (rows.count)
                        accumulate_columns(c, c->tile->rows[i].sequence->blocks[number], rows, i * c->group, n * c->group);
        }
}

/* --- chunks --- */

uint32_t attention_chunk_tokens(const struct hparams *s, const struct attention_row *row) {
        uint32_t tokens = s->causal ? row->position + 1 : row->end, chunk = ATTENTION_CHUNK_TOKENS_MIN;
        while (chunk < tokens / ATTENTION_CHUNKS_MAX + (tokens % ATTENTION_CHUNKS_MAX != 0))
                chunk *= 2;
        return chunk;
}

/* What some token of the tile sees. */
static struct visible_range tile_range(const struct attention *a, const struct attention_tile *t, uint32_t layer) {
        struct visible_range all = visible_range(a->hparams, layer, &t->rows[0]);
        for (uint32_t i = 1; i < t->count; i++) {
                struct visible_range one = visible_range(a->hparams, layer, &t->rows[i]);
                all.from = one.from < all.from ? one.from : all.from;
                all.end = one.end > all.end ? one.end : all.end;
        }
        return all;
}

struct attention_chunks attention_chunks(const struct attention *a, const struct attention_tile *t, uint32_t layer) {
        struct visible_range all = tile_range(a, t, layer);
        uint32_t chunk = attention_chunk_tokens(a->hparams, &t->rows[0]), first = all.from / chunk;
        return (struct attention_chunks){ first, (all.end - 1) / chunk - first + 1 };
}

static struct softmax softmax_at(float *floats, uint32_t columns) {
        return (struct softmax){ floats, floats + columns, floats + 2 * (size_t) columns };
}

static void softmax_clear(struct softmax *s, uint32_t columns, uint32_t d) {
        memset(s->mixed, 0, columns * (size_t) d * sizeof(float));
        for (uint32_t i = 0; i < columns; i++) {
                s->maxima[i] = -INFINITY;
                s->sums[i] = 0;
        }
}

/* Attends to one chunk, from nothing. */
static void run_chunk(struct tile_state *c, uint32_t chunk, struct softmax soft) {
        uint32_t blocks = attention_chunk_tokens(c->a->hparams, &c->tile->rows[0]) / KV_BLOCK_TOKENS;
        struct visible_range all = tile_range(c->a, c->tile, c->layer);
        uint32_t first = all.from / KV_BLOCK_TOKENS, end = (all.end - 1) / KV_BLOCK_TOKENS + 1;
        c->soft = soft;
        softmax_clear(&soft, c->count, c->a->hparams->d_head_v);
        for (uint32_t b = chunk * blocks; b < (chunk + 1) * blocks; b++)
                if (b >= first && b < end)
                        accumulate_block(c, b);
}

/* A later chunk joins. */
static void softmax_join(const struct attention *a, struct softmax *s, struct softmax *next, uint32_t columns) {
        uint32_t d = a->hparams->d_head_v;
        for (uint32_t i = 0; i < columns; i++) {
                if (next->sums[i] == 0)
                        continue;
                float largest = next->maxima[i] > s->maxima[i] ? next->maxima[i] : s->maxima[i];
                rescale(a, s, i, largest);
                rescale(a, next, i, largest);
                a->kernels->add(s->mixed + i * (size_t) d, next->mixed + i * (size_t) d, d);
                s->sums[i] += next->sums[i];
        }
}

static void tile_store(const struct attention *a, const struct attention_tile *t, uint32_t head_kv, uint32_t group,
                       struct softmax s) {
        uint32_t d = a->hparams->d_head_v;
        for (uint32_t i = 0; i < group * t->count; i++)
                a->kernels->scale(s.mixed + i * (size_t) d, 1.0f / s.sums[i], d);
        size_t floats = group * (size_t) d;
        for (uint32_t i = 0; i < t->count; i++)
                memcpy(a->attended + head_of(a, t, i, head_kv, group) * d, s.mixed + i * floats, floats * sizeof(float));
}

/* --- a tile --- */

static struct tile_state tile_begin(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv,
                                    uint8_t *buffers) {
        struct tile_state c = {
                .a = a,
                .tile = t,
                .layer = layer,
                .head_kv = head_kv,
                .group = group_of(a, layer),
                .count = group_of(a, layer) * t->count,
                .queries = (float *) (void *) (buffers + a->layout.queries),
                .prepared = buffers + a->layout.prepared,
                .prepared_bytes = activation_bytes(ACTIVATION_I16, a->hparams->d_head_k),
                .scores = (float *) (void *) (buffers + a->layout.scores),
        };
        assert(c.count <= a->layout.columns);
        tile_load(&c);
        return c;
}

void attention_run(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv,
                   uint8_t *buffers) {
        struct tile_state c = tile_begin(a, t, layer, head_kv, buffers);
        struct softmax whole = softmax_at((float *) (void *) (buffers + a->layout.whole), c.count);
        struct softmax next = softmax_at((float *) (void *) (buffers + a->layout.next), c.count);
        struct attention_chunks chunks = attention_chunks(a, t, layer);
        run_chunk(&c, chunks.first, whole);
        for (uint32_t i = 1; i < chunks.count; i++) {
                run_chunk(&c, chunks.first + i, next);
                softmax_join(a, &whole, &next, c.count);
        }
        tile_store(a, t, head_kv, c.group, whole);
}

void attention_run_part(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv,
                        struct attention_chunks chunks, float *parts, uint8_t *buffers) {
        struct tile_state c = tile_begin(a, t, layer, head_kv, buffers);
        uint32_t first = attention_chunks(a, t, layer).first;
        size_t floats = attention_softmax_floats(a->hparams, c.count);
        for (uint32_t i = chunks.first; i < chunks.first + chunks.count; i++)
                run_chunk(&c, i, softmax_at(parts + (i - first) * floats, c.count));
}

void attention_join(const struct attention *a, const struct attention_tile *t, uint32_t layer, uint32_t head_kv, float *parts) {
        uint32_t group = group_of(a, layer), columns = group * t->count, count = attention_chunks(a, t, layer).count;
        struct softmax whole = softmax_at(parts, columns);
        for (uint32_t i = 1; i < count; i++) {
                struct softmax next = softmax_at(parts + i * attention_softmax_floats(a->hparams, columns), columns);
                softmax_join(a, &whole, &next, columns);
        }
        tile_store(a, t, head_kv, group, whole);
}
