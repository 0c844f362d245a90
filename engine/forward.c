/*
 * forward.c - the transformer, top to bottom: embed, then per layer attention and feed-forward, then what was wanted.
 *
 * Read forward_run first. Each step is shared out among the threads in units whose results do not depend on who
 * computes them: a token, a chunk of rows of a weight matrix, a tile of attention. All buffers are made once
 * (scratch.h); a pass allocates nothing and cannot fail.
 */
#include "engine/forward.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/attention.h"
#include "engine/kernels/kernels.h"
#include "engine/rope.h"
#include "engine/scratch.h"

#define CHUNK_ROWS_MIN       32u /* of a matrix: they stay in the first- or second-level cache while all columns pass */
#define CHUNKS_PER_THREAD    4u /* where few columns pass: fewer seams, and still something to share when one thread falls behind */
#define COLUMNS_FEW          4u
#define MEETINGS_MAX         3u /* matrices that meet one input together: query, key, value */
#define TOKENS_WORTH_SHARING 4u /* fewer are done sooner than another thread is told */

/* Where a token of the batch belongs. */
struct row {
        const struct kv_sequence *sequence;
        uint32_t position;
        int32_t token;
};

/* A matrix that meets the input, and where to. */
struct meeting {
        const struct gguf_tensor *weights;
        float *out; /* per column: one float per row of the weights */
};

/* The same, cut into units of work. */
struct cut_meeting {
        struct meeting meeting;
        uint32_t first_unit; /* units of those before it */
        uint32_t chunk_rows;
};

struct forward {
        struct forward_config config;
        const struct kernels *kernels;
        const struct shape *shape;
        struct rope rope;

        uint8_t *scratch; /* everything below lies in it; see scratch.h */
        struct scratch layout;
        struct attention_scratch attention_layout;
        float *residual, *normed, *queries, *keys, *values, *attended, *gate, *up, *angles, *results, *logits;
        uint8_t *prepared;
        struct row *rows;             /* batch_max */
        struct attention_tile *tiles; /* batch_max */

        /* The pass under way. */
        uint32_t rows_count, tiles_count; /* of rows: at last only those that are wanted */
        uint32_t tile_tokens;             /* what the tiles were cut to */
        uint32_t layer;
        const struct model_layer *weights;

        /* The step under way: its input, and what is to be done with it. */
        const float *input;
        uint32_t input_n, input_count;
        enum activation activation;
        const struct gguf_tensor *norm; /* of the step that prepares a block's input */
        bool has_output;                /* the block before has left its output in `normed` */
        struct cut_meeting meetings[MEETINGS_MAX];
        uint32_t meetings_count;
};

/* --- sharing out --- */

typedef void unit_work(struct forward *f, uint32_t unit, uint32_t thread);

struct share {
        struct forward *f;
        unit_work *work;
        uint32_t count;
        _Atomic uint32_t next;
};

static void share_work(void *context, uint32_t thread, uint32_t width) {
        struct share *s = context;
        (void) width;
        for (uint32_t unit; (unit = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->count;)
                s->work(s->f, unit, thread);
}

static void share(struct forward *f, unit_work *work, uint32_t count) {
        struct share s = { .f = f, .work = work, .count = count };
        if (count > 1)
                threads_run(f->config.threads, share_work, &s);
        else
                share_work(&s, 0, 1);
}

/* WORK per token of the batch. */
static void share_tokens(struct forward *f, unit_work *work, uint32_t count) {
        if (count >= TOKENS_WORTH_SHARING) {
                share(f, work, count);
                return;
        }
        for (uint32_t i = 0; i < count; i++)
                work(f, i, 0);
}

/* --- weights times activations --- */

static enum activation activation_of(const struct forward *f, const struct gguf_tensor *weights) {
        return f->kernels->types[weights->type].activation;
}

static void prepare_row(const struct forward *f, uint32_t row) {
        if (f->activation == ACTIVATION_F32)
                return;
        size_t bytes = activation_bytes(f->activation, f->input_n);
        f->kernels->prepare[f->activation](f->input + row * (size_t) f->input_n, f->input_n, f->prepared + row * bytes);
}

static void prepare_unit(struct forward *f, uint32_t row, uint32_t thread) {
        (void) thread;
        prepare_row(f, row);
}

/* From now on matrices meet the COUNT rows of N floats at X, in the form that WEIGHTS want. The caller sees to the form. */
static void set_input(struct forward *f, const float *x, uint32_t n, uint32_t count, const struct gguf_tensor *weights) {
        f->input = x;
        f->input_n = n;
        f->input_count = count;
        f->activation = activation_of(f, weights);
}

/* Rows of a chunk, a multiple of CHUNK_ROWS_MIN. How a matrix is cut changes no bit of what comes out. */
static uint32_t chunk_rows(const struct forward *f, uint32_t rows) {
        if (f->input_count > COLUMNS_FEW)
                return CHUNK_ROWS_MIN;
        uint32_t share = rows / (threads_width(f->config.threads) * CHUNKS_PER_THREAD);
        return share < CHUNK_ROWS_MIN ? CHUNK_ROWS_MIN : share / CHUNK_ROWS_MIN * CHUNK_ROWS_MIN;
}

static void multiply_unit(struct forward *f, uint32_t unit, uint32_t thread) {
        (void) thread;
        const struct cut_meeting *m = &f->meetings[0];
        while (m + 1 < f->meetings + f->meetings_count && unit >= m[1].first_unit)
                m++;
        const struct gguf_tensor *weights = m->meeting.weights;
        uint32_t rows = (uint32_t) weights->dims[1], first = (unit - m->first_unit) * m->chunk_rows;
        size_t row_bytes = (size_t) (weights->bytes / rows);
        bool floats = f->activation == ACTIVATION_F32;
        f->kernels->types[weights->type].multiply(&(struct product){
                .rows = weights->data + first * row_bytes,
                .row_bytes = row_bytes,
                .rows_count = rows - first < m->chunk_rows ? rows - first : m->chunk_rows,
                .columns = floats ? (const uint8_t *) f->input : f->prepared,
                .column_bytes = floats ? f->input_n * sizeof(float) : activation_bytes(f->activation, f->input_n),
                .columns_count = f->input_count,
                .n = f->input_n,
                .out = m->meeting.out + first,
                .out_stride = rows,
        });
}

/* The input times each matrix. Matrices that want the input in another form than the one before wait for it. */
static void multiply(struct forward *f, const struct meeting meetings[], uint32_t count) {
        uint32_t units = 0;
        f->meetings_count = 0;
        for (uint32_t i = 0; i < count; i++) {
                if (activation_of(f, meetings[i].weights) != f->activation) {
                        share(f, multiply_unit, units);
                        f->meetings_count = units = 0;
                        f->activation = activation_of(f, meetings[i].weights);
                        share_tokens(f, prepare_unit, f->input_count);
                }
                uint32_t rows = (uint32_t) meetings[i].weights->dims[1], chunk = chunk_rows(f, rows);
                f->meetings[f->meetings_count++] = (struct cut_meeting){ meetings[i], units, chunk };
                units += (rows + chunk - 1) / chunk;
        }
        share(f, multiply_unit, units);
}

static void multiply_one(struct forward *f, const float *x, uint32_t n, const struct gguf_tensor *weights, float *out) {
        set_input(f, x, n, f->rows_count, weights);
        share_tokens(f, prepare_unit, f->rows_count);
        multiply(f, &(struct meeting){ weights, out }, 1);
}

/* --- the steps of a layer, each per token --- */

static void embed_unit(struct forward *f, uint32_t row, uint32_t thread) {
        (void) thread;
        const struct gguf_tensor *embeddings = f->config.model->token_embd;
        size_t row_bytes = (size_t) (embeddings->bytes / f->shape->n_vocab), n = f->shape->n_embd;
        const uint8_t *stored = embeddings->data + (size_t) f->rows[row].token * row_bytes;
        f->kernels->types[embeddings->type].dequantize(stored, f->shape->n_embd, f->residual + row * n);
        rope_angles(&f->rope, f->rows[row].position, f->angles + row * (size_t) f->shape->n_rot);
}

static void norm_unit(struct forward *f, uint32_t row, uint32_t thread) {
        (void) thread;
        uint32_t n = f->shape->n_embd;
        float *residual = f->residual + row * (size_t) n, *normed = f->normed + row * (size_t) n;
        if (f->has_output)
                f->kernels->add(residual, normed, n);
        f->kernels->rms_norm(residual, f->norm->data, n, f->shape->rms_epsilon, normed);
        prepare_row(f, row);
}

/* Takes the last block's output into the residual and makes the next block's input of it, in the form that FIRST wants. */
static void begin_block(struct forward *f, const struct gguf_tensor *norm, const struct gguf_tensor *first) {
        f->norm = norm;
        set_input(f, f->normed, f->shape->n_embd, f->rows_count, first);
        share_tokens(f, norm_unit, f->rows_count);
        f->has_output = true;
}

/* Turns queries and keys to their position and stores keys and values. */
static void store_unit(struct forward *f, uint32_t row, uint32_t thread) {
        (void) thread;
        const struct shape *s = f->shape;
        const struct row *at = &f->rows[row];
        uint32_t heads = s->head_kv[f->layer], pairs = s->n_rot / 2;
        uint32_t block = at->sequence->blocks[at->position / KV_BLOCK_TOKENS], place = at->position % KV_BLOCK_TOKENS;
        const float *angles = f->angles + row * (size_t) s->n_rot;
        float *keys = f->keys + row * (size_t) heads * s->d_head_k;
        const float *values = f->values + row * (size_t) heads * s->d_head_v;

        rope_rotate(angles, pairs, f->queries + row * (size_t) s->n_head * s->d_head_k, s->n_head, s->d_head_k);
        rope_rotate(angles, pairs, keys, heads, s->d_head_k);
        for (uint32_t h = 0; h < heads; h++) {
                struct kv_rows k = kv_cache_keys(f->config.cache, block, f->layer, h);
                struct kv_rows v = kv_cache_values(f->config.cache, block, f->layer, h);
                if (kv_type_turns_keys(k.type))
                        f->kernels->turn(keys + h * (size_t) s->d_head_k, s->d_head_k);
                f->kernels->kv[k.type].store(keys + h * (size_t) s->d_head_k, s->d_head_k, k.rows + place * (size_t) k.row_bytes);
                f->kernels->kv[v.type].store(values + h * (size_t) s->d_head_v, s->d_head_v,
                                             v.rows + place * (size_t) v.row_bytes);
        }
}

static void attention_unit(struct forward *f, uint32_t unit, uint32_t thread) {
        uint32_t heads = f->shape->head_kv[f->layer];
        struct attention a = {
                .kernels = f->kernels,
                .shape = f->shape,
                .cache = f->config.cache,
                .layout = f->attention_layout,
                .queries = f->queries,
                .attended = f->attended,
        };
        uint8_t *scratch = f->scratch + f->layout.attention + thread * f->layout.attention_bytes;
        attention_run(&a, &f->tiles[unit / heads], f->layer, unit % heads, scratch);
}

/* Cuts the batch into runs of neighbouring tokens of one sequence, for this layer's ratio of query to key heads. */
static void cut_tiles(struct forward *f) {
        uint32_t tokens = attention_tile_tokens(f->shape->n_head / f->shape->head_kv[f->layer]);
        if (tokens == f->tile_tokens)
                return;
        f->tile_tokens = tokens;
        f->tiles_count = 0;
        for (uint32_t row = 0; row < f->rows_count; row++) {
                struct attention_tile *last = f->tiles_count ? &f->tiles[f->tiles_count - 1] : NULL;
                if (last && last->sequence == f->rows[row].sequence && last->count < tokens)
                        last->count++;
                else
                        f->tiles[f->tiles_count++] =
                                (struct attention_tile){ f->rows[row].sequence, f->rows[row].position, row, 1 };
        }
}

static void swiglu_unit(struct forward *f, uint32_t row, uint32_t thread) {
        (void) thread;
        size_t at = row * (size_t) f->shape->n_ff;
        f->kernels->swiglu(f->gate + at, f->up + at, f->shape->n_ff);
        prepare_row(f, row);
}

/* Up to here all tokens of a layer are needed: those to come will look at their keys and values. */
static void make_keys_and_values(struct forward *f) {
        const struct model_layer *w = f->weights;
        begin_block(f, w->attn_norm, w->attn_q);
        multiply(f, (struct meeting[]){ { w->attn_q, f->queries }, { w->attn_k, f->keys }, { w->attn_v, f->values } }, 3);
        share_tokens(f, store_unit, f->rows_count);
}

static void attend(struct forward *f) {
        const struct model_layer *w = f->weights;
        cut_tiles(f);
        share(f, attention_unit, f->tiles_count * f->shape->head_kv[f->layer]);
        multiply_one(f, f->attended, f->shape->n_head * f->shape->d_head_v, w->attn_output, f->normed);
}

static void feed_forward(struct forward *f) {
        const struct model_layer *w = f->weights;
        begin_block(f, w->ffn_norm, w->ffn_gate);
        multiply(f, (struct meeting[]){ { w->ffn_gate, f->gate }, { w->ffn_up, f->up } }, 2);
        set_input(f, f->gate, f->shape->n_ff, f->rows_count, w->ffn_down);
        share_tokens(f, swiglu_unit, f->rows_count);
        multiply(f, &(struct meeting){ w->ffn_down, f->normed }, 1);
}

/* --- a pass --- */

static void lay_out_rows(struct forward *f, const struct forward_item items[], uint32_t n) {
        f->rows_count = 0;
        f->tile_tokens = 0;
        f->has_output = false;
        for (uint32_t i = 0; i < n; i++) {
                const struct kv_sequence *s = items[i].sequence;
                assert(items[i].count && items[i].count <= f->config.batch_max - f->rows_count);
                assert((uint64_t) s->tokens_count + items[i].count <= (uint64_t) s->blocks_count * KV_BLOCK_TOKENS);
                for (uint32_t before = 0; before < i; before++)
                        assert(items[before].sequence != s);
                for (uint32_t t = 0; t < items[i].count; t++) {
                        assert(items[i].tokens[t] >= 0 && (uint32_t) items[i].tokens[t] < f->shape->n_vocab);
                        f->rows[f->rows_count++] = (struct row){ s, s->tokens_count + t, items[i].tokens[t] };
                }
        }
}

/* How many of an item's tokens, counted from its last, have a result that somebody wants. */
static uint32_t wanted_rows(const struct forward_item *item) {
        return item->want == WANT_HIDDEN ? item->count : item->want == WANT_LOGITS ? 1 : 0;
}

/* Moves what the last layer still needs of the wanted rows together; from here on the others are not computed. */
static void keep_wanted_rows(struct forward *f, const struct forward_item items[], uint32_t n) {
        size_t n_embd = f->shape->n_embd, queries = (size_t) f->shape->n_head * f->shape->d_head_k;
        uint32_t row = 0, kept = 0;
        for (uint32_t i = 0; i < n; i++) {
                row += items[i].count;
                for (uint32_t from = row - wanted_rows(&items[i]); from < row; from++, kept++) {
                        if (from == kept)
                                continue;
                        f->rows[kept] = f->rows[from];
                        memcpy(f->residual + kept * n_embd, f->residual + from * n_embd, n_embd * sizeof(float));
                        memcpy(f->queries + kept * queries, f->queries + from * queries, queries * sizeof(float));
                }
        }
        f->rows_count = kept;
        f->tile_tokens = 0;
}

/* The last block's output and the final norm. */
static void final_unit(struct forward *f, uint32_t row, uint32_t thread) {
        (void) thread;
        size_t at = row * (size_t) f->shape->n_embd;
        f->kernels->add(f->residual + at, f->normed + at, f->shape->n_embd);
        f->kernels->rms_norm(f->residual + at, f->config.model->output_norm->data, f->shape->n_embd, f->shape->rms_epsilon,
                             f->normed + at);
}

/* Of the first COUNT rows in `results`. */
static void make_logits(struct forward *f, uint32_t count) {
        set_input(f, f->results, f->shape->n_embd, count, f->config.model->output);
        share_tokens(f, prepare_unit, count);
        multiply(f, &(struct meeting){ f->config.model->output, f->logits }, 1);
}

/* Hands out what is wanted. The wanted rows lie together in the order of the items. */
static void finish(struct forward *f, struct forward_item items[], uint32_t n) {
        size_t n_embd = f->shape->n_embd, row = 0;
        uint32_t logits = 0;
        share_tokens(f, final_unit, f->rows_count);
        for (uint32_t i = 0; i < n; row += wanted_rows(&items[i++])) {
                items[i].result = NULL;
                if (items[i].want == WANT_HIDDEN)
                        items[i].result = f->normed + row * n_embd;
                if (items[i].want == WANT_LOGITS) {
                        items[i].result = f->logits + logits * (size_t) f->shape->n_vocab;
                        memcpy(f->results + logits++ * n_embd, f->normed + row * n_embd, n_embd * sizeof(float));
                }
                items[i].sequence->tokens_count += items[i].count;
        }
        if (logits)
                make_logits(f, logits);
}

void forward_run(struct forward *f, struct forward_item items[], uint32_t n) {
        assert(n <= f->config.items_max);
        lay_out_rows(f, items, n);
        share_tokens(f, embed_unit, f->rows_count);
        for (f->layer = 0; f->layer < f->shape->n_layer && f->rows_count; f->layer++) {
                f->weights = &f->config.model->layers[f->layer];
                make_keys_and_values(f);
                if (f->layer + 1 == f->shape->n_layer)
                        keep_wanted_rows(f, items, n);
                if (!f->rows_count)
                        break;
                attend(f);
                feed_forward(f);
        }
        finish(f, items, n);
}

const float *forward_logits(struct forward *f, const float *hidden, uint32_t count) {
        assert(count >= 1 && count <= f->config.items_max);
        memcpy(f->results, hidden, count * (size_t) f->shape->n_embd * sizeof(float));
        make_logits(f, count);
        return f->logits;
}

/* --- life --- */

static float *floats_at(const struct forward *f, uint64_t offset) {
        return (float *) (void *) (f->scratch + offset);
}

static void place_buffers(struct forward *f) {
        const struct scratch *l = &f->layout;
        f->residual = floats_at(f, l->residual);
        f->normed = floats_at(f, l->normed);
        f->queries = floats_at(f, l->queries);
        f->keys = floats_at(f, l->keys);
        f->values = floats_at(f, l->values);
        f->attended = floats_at(f, l->attended);
        f->gate = floats_at(f, l->gate);
        f->up = floats_at(f, l->up);
        f->prepared = f->scratch + l->prepared;
        f->angles = floats_at(f, l->rope);
        f->results = floats_at(f, l->results);
        f->logits = floats_at(f, l->logits);
}

static int forward_init(struct forward *f) {
        const struct model *m = f->config.model;
        f->kernels = kernels_get();
        f->shape = &m->shape;
        f->attention_layout = attention_scratch_layout(f->shape);
        f->layout = scratch_layout(f->shape, (struct scratch_limits){
                                                     .batch = f->config.batch_max,
                                                     .items = f->config.items_max,
                                                     .threads = threads_width_max(f->config.threads),
                                             });
        f->rows = calloc(f->config.batch_max, sizeof(*f->rows));
        f->tiles = calloc(f->config.batch_max, sizeof(*f->tiles));
        f->scratch = aligned_alloc(ACTIVATION_ALIGN, f->layout.bytes);
        if (!f->rows || !f->tiles || !f->scratch)
                return -ENOMEM;
        place_buffers(f);
        return rope_init(&f->rope, f->shape, m->rope_freqs ? m->rope_freqs->data : NULL);
}

int forward_new(const struct forward_config *config, struct forward **ret) {
        assert(config->batch_max && config->items_max);
        struct forward *f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->config = *config;
        int r = forward_init(f);
        if (r < 0) {
                forward_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

void forward_free(struct forward *f) {
        if (!f)
                return;
        rope_done(&f->rope);
        free(f->rows);
        free(f->tiles);
        free(f->scratch);
        free(f);
}
