/*
 * transformer.c - the transformer, top to bottom: embed, then per layer attention and feed-forward, then what was wanted.
 *
 * Read transformer_run first. One pass for all architectures: a step whose tensors a model does not have (model/arch.h) is left
 * out. Each step is shared out among the threads in units whose results do not depend on who computes them: a token, a
 * chunk of rows of a weight matrix, a tile of attention. All buffers are made once (buffers.h); a pass allocates nothing
 * and cannot fail.
 */
#include "engine/compute/transformer.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/compute/transformer_internal.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/elementwise.h"

/* --- the steps of a layer, each per token --- */

/* Row NUMBER of TABLE as floats. */
static void look_up(const struct transformer *f, const struct matrix *table, uint32_t number, float *out) {
        f->kernels->types[table->type].dequantize(matrix_row(table, number), table->columns, out);
}

static void embed_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        const struct model *m = f->config.model;
        const struct row *at = &f->rows[row];
        uint32_t n = f->hparams->n_embd;
        float *x = f->residual + row * (size_t) n, *more = f->normed + row * (size_t) n;
        look_up(f, &m->token_embd, (uint32_t) at->token, x);
        if (f->arch->embd_scaled)
                f->kernels->scale(x, sqrtf((float) n), n);
        if (m->token_types.data) {
                look_up(f, &m->token_types, at->text < m->token_types.rows ? at->text : 0, more);
                f->kernels->add(x, more, n);
        }
        if (m->positions.data) {
                look_up(f, &m->positions, at->position, more);
                f->kernels->add(x, more, n);
        }
        if (m->embd_norm)
                layer_norm(x, m->embd_norm, m->embd_norm_bias, n, f->hparams->norm_epsilon, x);
        float *angles = f->angles + row * (size_t) (f->rope.pairs + f->rope_local.pairs) * 2;
        rope_angles(&f->rope, at->position, angles);
        rope_angles(&f->rope_local, at->position, angles + 2 * (size_t) f->rope.pairs);
}

/* The output of the block before joins the residual. */
static void settle(struct transformer *f, uint32_t row) {
        uint32_t n = f->hparams->n_embd;
        float epsilon = f->hparams->norm_epsilon;
        float *residual = f->residual + row * (size_t) n, *out = f->normed + row * (size_t) n;
        const struct epilogue *e = &f->epilogue;
        add_bias(out, e->bias, n);
        if (e->post_norm)
                f->kernels->rms_norm(out, e->post_norm, n, epsilon, out);
        f->kernels->add(residual, out, n);
        if (e->after_norm)
                layer_norm(residual, e->after_norm, e->after_norm_bias, n, epsilon, residual);
}

/* The residual as the next block takes it in. */
static void norm_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        uint32_t n = f->hparams->n_embd;
        float *residual = f->residual + row * (size_t) n, *normed = f->normed + row * (size_t) n;
        if (f->has_output)
                settle(f, row);
        if (f->norm)
                f->kernels->rms_norm(residual, f->norm, n, f->hparams->norm_epsilon, normed);
        else
                memcpy(normed, residual, n * sizeof(float));
        matmul_prepare_row(f, row);
}

void transformer_begin_block(struct transformer *f, const uint8_t *norm, const struct matrix *first) {
        f->norm = norm;
        matmul_set_input(f, f->normed, f->hparams->n_embd, f->rows_count, first);
        matmul_share_tokens(f, norm_unit, f->rows_count);
        f->has_output = true;
}

/* COUNT heads as the products gave them: bias, norm, position. */
static void finish_heads(const struct transformer *f, float *heads, uint32_t count, const uint8_t *bias, const uint8_t *norm,
                         const float *angles) {
        uint32_t d = f->hparams->d_head_k;
        add_bias(heads, bias, count * d);
        for (uint32_t h = 0; norm && h < count; h++)
                f->kernels->rms_norm(heads + h * (size_t) d, norm, d, f->hparams->norm_epsilon, heads + h * (size_t) d);
        rope_rotate(angles, f->arch->rope, f->rope.pairs, heads, count, d);
}

static void store_heads(const struct transformer *f, const struct row *at, float *keys, const float *values) {
        const struct hparams *s = f->hparams;
        uint32_t block = at->sequence->blocks[at->position / KV_BLOCK_TOKENS], place = at->position % KV_BLOCK_TOKENS;
        for (uint32_t h = 0; h < s->head_kv[f->layer]; h++, keys += s->d_head_k, values += s->d_head_v) {
                struct kv_rows k = kv_cache_keys(f->config.cache, block, f->layer, h);
                struct kv_rows v = kv_cache_values(f->config.cache, block, f->layer, h);
                if (kv_type_rotates_keys(k.type))
                        f->kernels->hadamard(keys, s->d_head_k);
                f->kernels->kv[k.type].store(keys, s->d_head_k, k.rows + place * (size_t) k.row_bytes);
                f->kernels->kv[v.type].store(values, s->d_head_v, v.rows + place * (size_t) v.row_bytes);
        }
}

/* Turns queries and keys to their position and stores keys and values. */
static void store_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        const struct hparams *s = f->hparams;
        const struct model_layer *w = f->weights;
        uint32_t heads = s->head_kv[f->layer];
        bool local = s->has_rope_local && hparams_window(s, f->layer);
        const float *angles =
                f->angles + row * (size_t) (f->rope.pairs + f->rope_local.pairs) * 2 + (local ? 2 * f->rope.pairs : 0);
        float *keys = f->keys + row * (size_t) heads * s->d_head_k, *values = f->values + row * (size_t) heads * s->d_head_v;
        float *queries = f->queries + row * (size_t) s->n_head * s->d_head_k;

        finish_heads(f, queries, s->n_head, w->attn_q_bias, w->attn_q_norm, angles);
        finish_heads(f, keys, heads, w->attn_k_bias, w->attn_k_norm, angles);
        add_bias(values, w->attn_v_bias, heads * s->d_head_v);
        store_heads(f, &f->rows[row], keys, values);
}

static struct attention attention_of(const struct transformer *f) {
        return (struct attention){
                .kernels = f->kernels,
                .hparams = f->hparams,
                .cache = f->config.cache,
                .layout = f->attention_layout,
                .queries = f->queries,
                .attended = f->attended,
        };
}

static void attention_unit(struct transformer *f, uint32_t unit, uint32_t thread) {
        struct attention a = attention_of(f);
        uint32_t heads = f->hparams->head_kv[f->layer], pieces = f->attention_work.pieces, whole = unit / pieces;
        const struct attention_tile *tile = &f->tiles[whole / heads];
        uint8_t *buffers = f->buffers + f->layout.attention + thread * f->layout.attention_bytes;
        if (pieces == 1) {
                attention_run(&a, tile, f->layer, whole % heads, buffers);
                return;
        }
        struct attention_chunks chunks = attention_piece(attention_chunks(&a, tile, f->layer), unit % pieces, pieces);
        attention_run_part(&a, tile, f->layer, whole % heads, chunks, f->parts + whole * f->attention_work.stride, buffers);
}

static void attention_join_unit(struct transformer *f, uint32_t unit, uint32_t thread) {
        (void) thread;
        struct attention a = attention_of(f);
        uint32_t heads = f->hparams->head_kv[f->layer];
        attention_join(&a, &f->tiles[unit / heads], f->layer, unit % heads, f->parts + unit * f->attention_work.stride);
}

/* Sorts the batch for attention and cuts it into tiles, for this layer's ratio of query to key heads. */
static void cut_tiles(struct transformer *f) {
        uint32_t tokens = attention_tile_tokens(f->hparams->n_head / f->hparams->head_kv[f->layer]);
        if (tokens == f->tile_tokens)
                return;
        f->tile_tokens = tokens;
        for (uint32_t i = 0; i < f->rows_count; i++)
                f->attention_rows[i] = (struct attention_row){ f->rows[i].sequence, f->rows[i].position, f->rows[i].end, i };
        attention_sort(f->attention_rows, f->rows_count);
        f->tiles_count = attention_cut(f->hparams, f->attention_rows, f->rows_count, tokens, f->tiles);
}

void transformer_activate(struct transformer *f, uint32_t row, uint32_t n) {
        const struct model_layer *w = f->weights;
        float *gate = f->gate + row * (size_t) n, *up = f->up + row * (size_t) n;
        add_bias(gate, w->ffn_gate_bias, n);
        add_bias(up, w->ffn_up_bias, n);
        if (!w->ffn_gate.data) { /* its output is the gate of ones */
                memcpy(gate, up, n * sizeof(float));
                for (uint32_t i = 0; i < n; i++)
                        up[i] = 1;
        }
        if (f->arch->gate == GATE_GELU)
                gelu_as_swiglu(gate, up, n);
        f->kernels->swiglu(gate, up, n);
        matmul_prepare_row(f, row);
}

static void activate_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        transformer_activate(f, row, f->hparams->n_ff);
}

/* Up to here all tokens of a layer are needed: others will look at their keys and values. */
static void make_keys_and_values(struct transformer *f) {
        const struct model_layer *w = f->weights;
        transformer_begin_block(f, w->attn_norm, &w->attn_q);
        matmul_run(f,
                   (struct matmul[]){ matmul_all_rows(f, w->attn_q, f->queries), matmul_all_rows(f, w->attn_k, f->keys),
                                      matmul_all_rows(f, w->attn_v, f->values) },
                   3);
        matmul_share_tokens(f, store_unit, f->rows_count);
}

static void attend(struct transformer *f) {
        const struct model_layer *w = f->weights;
        struct attention a = attention_of(f);
        cut_tiles(f);
        f->attention_work = attention_work(&a, f->tiles, f->tiles_count, f->layer, threads_width(f->config.threads));
        matmul_share(f, attention_unit, f->attention_work.units);
        if (f->attention_work.pieces > 1)
                matmul_share(f, attention_join_unit, f->attention_work.units / f->attention_work.pieces);
        matmul_run_one(f, f->attended, f->hparams->n_head * f->hparams->d_head_v, w->attn_output, f->normed);
        f->epilogue = (struct epilogue){ w->attn_output_bias, w->attn_post_norm, w->attn_after_norm, w->attn_after_norm_bias };
}

static void feed_forward_dense(struct transformer *f) {
        const struct model_layer *w = f->weights;
        bool gated = w->ffn_gate.data;
        transformer_begin_block(f, w->ffn_norm, gated ? &w->ffn_gate : &w->ffn_up);
        struct matmul matmuls[] = { matmul_all_rows(f, w->ffn_gate, f->gate), matmul_all_rows(f, w->ffn_up, f->up) };
        matmul_run(f, gated ? matmuls : matmuls + 1, gated ? 2 : 1);
        matmul_set_input(f, f->gate, f->hparams->n_ff, f->rows_count, &w->ffn_down);
        matmul_share_tokens(f, activate_unit, f->rows_count);
        matmuls[0] = matmul_all_rows(f, w->ffn_down, f->normed);
        matmul_run(f, matmuls, 1);
}

static void feed_forward(struct transformer *f) {
        const struct model_layer *w = f->weights;
        if (f->hparams->n_expert)
                moe_run(f);
        else
                feed_forward_dense(f);
        f->epilogue = (struct epilogue){ w->ffn_down_bias, w->ffn_post_norm, w->ffn_after_norm, w->ffn_after_norm_bias };
}

/* --- a pass --- */

static void lay_out_rows(struct transformer *f, const struct transformer_item items[], uint32_t n) {
        f->rows_count = 0;
        f->tile_tokens = 0;
        f->has_output = false;
        for (uint32_t i = 0; i < n; i++) {
                const struct kv_sequence *s = items[i].sequence;
                assert(items[i].count && items[i].count <= f->config.batch_max - f->rows_count);
                assert((uint64_t) s->tokens_count + items[i].count <= (uint64_t) s->blocks_count * KV_BLOCK_TOKENS);
                for (uint32_t before = 0; before < i; before++)
                        assert(items[before].sequence != s);
                assert(f->hparams->causal || s->tokens_count == 0); /* a text as a whole */
                assert(f->hparams->causal || items[i].want != WANT_LOGITS);
                assert(items[i].logits <= items[i].count);
                uint32_t end = s->tokens_count + items[i].count;
                assert(!f->config.model->positions.data || end <= f->config.model->positions.rows);
                for (uint32_t t = 0; t < items[i].count; t++) {
                        assert(items[i].tokens[t] >= 0 && (uint32_t) items[i].tokens[t] < f->hparams->n_vocab);
                        uint32_t at = s->tokens_count + t, text = items[i].second_at && at >= items[i].second_at;
                        f->rows[f->rows_count++] = (struct row){ s, at, end, items[i].tokens[t], text };
                }
        }
}

/* The number of an item's tokens, counted from its last, whose results are wanted. */
static uint32_t wanted_rows(const struct transformer_item *item) {
        uint32_t logits = item->logits ? item->logits : 1;
        return item->want == WANT_HIDDEN ? item->count : item->want == WANT_LOGITS ? logits : 0;
}

/* Moves what the last layer still needs of the wanted rows together; from here on the others are not computed. */
static void keep_wanted_rows(struct transformer *f, const struct transformer_item items[], uint32_t n) {
        size_t n_embd = f->hparams->n_embd, queries = (size_t) f->hparams->n_head * f->hparams->d_head_k;
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

static void cap_unit(struct transformer *f, uint32_t item, uint32_t thread) {
        (void) thread;
        soft_cap(f->kernels, f->logits + item * (size_t) f->hparams->n_vocab, f->hparams->logits_cap, f->hparams->n_vocab);
}

/* Rounding a row for a quantized product takes NaN for zero: the logits of such a row would look like numbers. */
static void keep_nan(struct transformer *f, uint32_t count) {
        size_t n_embd = f->hparams->n_embd;
        for (uint32_t row = 0; row < count; row++) {
                const float *x = f->results + row * n_embd;
                size_t good = 0;
                while (good < n_embd && isfinite(x[good]))
                        good++;
                if (good < n_embd)
                        f->logits[row * (size_t) f->hparams->n_vocab] = NAN;
        }
}

/* Of the first COUNT rows in `results`. */
static void make_logits(struct transformer *f, uint32_t count) {
        const struct matrix *output = &f->config.model->output;
        matmul_set_input(f, f->results, f->hparams->n_embd, count, output);
        matmul_share_tokens(f, matmul_prepare_unit, count);
        matmul_run(f, &(struct matmul){ *output, f->logits, 0, count }, 1);
        if (f->hparams->logits_cap > 0)
                matmul_share(f, cap_unit, count);
        keep_nan(f, count);
}

/* Hands out what is wanted. The wanted rows lie together in the order of the items. */
static void finish(struct transformer *f, struct transformer_item items[], uint32_t n) {
        size_t n_embd = f->hparams->n_embd, row = 0;
        uint32_t logits = 0;
        f->norm = f->config.model->output_norm;
        f->activation = ACTIVATION_F32; /* the last block's output and the final norm; nothing to prepare yet */
        matmul_share_tokens(f, norm_unit, f->rows_count);
        for (uint32_t i = 0; i < n; row += wanted_rows(&items[i++])) {
                items[i].result = NULL;
                if (items[i].want == WANT_HIDDEN)
                        items[i].result = f->normed + row * n_embd;
                if (items[i].want == WANT_LOGITS) {
                        uint32_t wanted = wanted_rows(&items[i]);
                        items[i].result = f->logits + logits * (size_t) f->hparams->n_vocab;
                        memcpy(f->results + logits * n_embd, f->normed + row * n_embd, wanted * n_embd * sizeof(float));
                        logits += wanted;
                }
                items[i].sequence->tokens_count += items[i].count;
        }
        assert(logits <= f->config.items_max);
        if (logits)
                make_logits(f, logits);
}

void transformer_run(struct transformer *f, struct transformer_item items[], uint32_t n) {
        assert(n <= f->config.items_max);
        lay_out_rows(f, items, n);
        matmul_share_tokens(f, embed_unit, f->rows_count);
        for (f->layer = 0; f->layer < f->hparams->n_layer && f->rows_count; f->layer++) {
                f->weights = &f->config.model->layers[f->layer];
                make_keys_and_values(f);
                if (f->layer + 1 == f->hparams->n_layer)
                        keep_wanted_rows(f, items, n);
                if (!f->rows_count)
                        break;
                attend(f);
                feed_forward(f);
        }
        finish(f, items, n);
}

const float *transformer_logits(struct transformer *f, const float *hidden, uint32_t count) {
        assert(count >= 1 && count <= f->config.items_max);
        memcpy(f->results, hidden, count * (size_t) f->hparams->n_embd * sizeof(float));
        make_logits(f, count);
        return f->logits;
}

/* --- life --- */

static float *floats_at(const struct transformer *f, uint64_t offset) {
        return (float *) (void *) (f->buffers + offset);
}

static void place_buffers(struct transformer *f) {
        const struct buffers *l = &f->layout;
        f->residual = floats_at(f, l->residual);
        f->normed = floats_at(f, l->normed);
        f->queries = floats_at(f, l->queries);
        f->keys = floats_at(f, l->keys);
        f->values = floats_at(f, l->values);
        f->attended = floats_at(f, l->attended);
        f->parts = floats_at(f, l->parts);
        f->gate = floats_at(f, l->gate);
        f->routed = floats_at(f, l->routed);
        f->scores = floats_at(f, l->scores);
        f->choices = (struct choice *) (void *) (f->buffers + l->choices);
        f->sources = (uint32_t *) (void *) (f->buffers + l->sources);
        f->experts_at = (uint32_t *) (void *) (f->buffers + l->experts_at);
        f->up = floats_at(f, l->up);
        f->prepared = f->buffers + l->prepared;
        f->angles = floats_at(f, l->rope);
        f->results = floats_at(f, l->results);
        f->logits = floats_at(f, l->logits);
}

static int init_ropes(struct transformer *f) {
        const struct model *m = f->config.model;
        uint32_t pairs = f->hparams->n_rot / 2;
        const uint8_t *factors = m->context_is_long ? m->rope_factors_long : m->rope_factors_short;
        int r = rope_init(&f->rope, &f->hparams->rope, pairs, factors ? factors : m->rope_freqs);
        return r < 0 ? r : rope_init(&f->rope_local, &f->hparams->rope_local, f->hparams->has_rope_local ? pairs : 0, NULL);
}

static int transformer_init(struct transformer *f) {
        const struct model *m = f->config.model;
        f->kernels = kernels_get();
        f->hparams = &m->hparams;
        f->arch = arch_info(m->hparams.arch);
        f->attention_layout = attention_buffers_layout(f->hparams);
        f->layout = buffers_layout(f->hparams, (struct buffers_limits){
                                                       .batch = f->config.batch_max,
                                                       .items = f->config.items_max,
                                                       .threads = threads_width_max(f->config.threads),
                                               });
        f->rows = calloc(f->config.batch_max, sizeof(*f->rows));
        f->attention_rows = calloc(f->config.batch_max, sizeof(*f->attention_rows));
        f->tiles = calloc(f->config.batch_max, sizeof(*f->tiles));
        f->buffers = aligned_alloc(ACTIVATION_ALIGN, f->layout.bytes);
        size_t matmuls = MATMULS_MIN + 2 * (size_t) f->hparams->n_expert;
        f->matmul_tiles = calloc(matmuls, sizeof(*f->matmul_tiles));
        f->matmuls_wanted = calloc(matmuls, sizeof(*f->matmuls_wanted));
        if (!f->rows || !f->attention_rows || !f->tiles || !f->buffers || !f->matmul_tiles || !f->matmuls_wanted)
                return -ENOMEM;
        place_buffers(f);
        return init_ropes(f);
}

int transformer_new(const struct transformer_config *config, struct transformer **ret) {
        assert(config->batch_max && config->items_max);
        struct transformer *f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->config = *config;
        int r = transformer_init(f);
        if (r < 0) {
                transformer_free(f);
                return r;
        }
        *ret = f;
        return 0;
}

void transformer_free(struct transformer *f) {
        if (!f)
                return;
        rope_done(&f->rope);
        rope_done(&f->rope_local);
        free(f->rows);
        free(f->attention_rows);
        free(f->tiles);
        free(f->matmul_tiles);
        free(f->matmuls_wanted);
        free(f->buffers);
        free(f);
}
