/*
 * test_forward.c - the forward pass against the formulas written out naively in double precision, and its promise that
 * results depend on a sequence's own tokens alone: not on the batch, the chunks, the threads or who shares a beginning.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/forward.h"
#include "engine/kernels/kernels.h"
#include "engine/scratch.h"
#include "tests/tiny_model.h"

#define BATCH      48u
#define ITEMS      6u
#define TOKENS_MAX 256u

/* --- an engine of one model --- */

struct rig {
        struct model *model;
        struct threads *threads;
        struct kv_cache *cache;
        struct forward *forward;
};

struct rig_config {
        struct tiny_model model;
        enum kv_type kv;
        uint32_t threads;    /* 1 */
        const char *kernels; /* the best */
};

static struct rig rig_open(struct rig_config c) {
        struct rig r = { 0 };
        struct gguf_error error = { .text = "" };
        struct gguf_writer w = tiny_model_bytes(c.model);
        int fd = tiny_file(w.bytes, w.length);
        if (model_open(&fd, 1, &r.model, &error) < 0)
                fail_msg("%s", error.text);
        (void) close(fd);
        gguf_write_done(&w);
        if (c.kernels)
                assert_int_equal(setenv("HEADROOM_KERNELS", c.kernels, 1), 0);
        assert_int_equal(threads_new(c.threads ? c.threads : 1, &r.threads), 0);
        assert_int_equal(kv_cache_new(&(struct kv_config){ &r.model->shape, 16 * TOKENS_MAX, c.kv, c.kv }, &r.cache), 0);
        assert_int_equal(forward_new(&(struct forward_config){ r.model, r.cache, r.threads, BATCH, ITEMS }, &r.forward), 0);
        (void) unsetenv("HEADROOM_KERNELS");
        return r;
}

static void rig_close(struct rig *r) {
        forward_free(r->forward);
        kv_cache_free(r->cache);
        threads_free(r->threads);
        model_close(r->model);
}

static void make_tokens(const struct rig *r, uint32_t salt, int32_t *tokens, uint32_t count) {
        for (uint32_t i = 0; i < count; i++)
                tokens[i] = (int32_t) ((salt * 31 + i * i * 7 + i * 13) % r->model->shape.n_vocab);
}

static const float *feed(struct rig *r, struct kv_sequence *s, const int32_t *tokens, uint32_t count, enum forward_want want) {
        struct forward_item item = { .sequence = s, .tokens = tokens, .count = count, .want = want };
        assert_int_equal(kv_sequence_grow(r->cache, s, count), 0);
        forward_run(r->forward, &item, 1);
        return item.result;
}

/* Logits after COUNT tokens given in chunks of at most CHUNK. */
static void logits_of(struct rig *r, const int32_t *tokens, uint32_t count, uint32_t chunk, float *out) {
        struct kv_sequence s = { 0 };
        const float *logits = NULL;
        for (uint32_t at = 0; at < count; at += chunk)
                logits = feed(r, &s, tokens + at, count - at < chunk ? count - at : chunk, WANT_LOGITS);
        memcpy(out, logits, r->model->shape.n_vocab * sizeof(float));
        assert_int_equal(s.tokens_count, count);
        kv_sequence_done(r->cache, &s);
}

/* --- the formulas, naively --- */

struct naive {
        const struct model *m;
        uint32_t count;
        double *x; /* count x n_embd */
};

/* Weights of any type, as floats. */
static float *floats_of(const struct gguf_tensor *t) {
        uint64_t row_bytes = t->bytes / t->dims[1];
        float *out = malloc(t->dims[0] * t->dims[1] * sizeof(*out));
        for (uint64_t r = 0; r < t->dims[1]; r++)
                kernels_portable.types[t->type].dequantize(t->data + r * row_bytes, (uint32_t) t->dims[0], out + r * t->dims[0]);
        return out;
}

/* OUT (count x rows) = X (count x columns) times the transposed weights. */
static double *times(const struct gguf_tensor *weights, const double *x, uint32_t count) {
        float *w = floats_of(weights);
        uint64_t columns = weights->dims[0], rows = weights->dims[1];
        double *out = calloc(count * rows, sizeof(*out));
        for (uint32_t t = 0; t < count; t++)
                for (uint64_t r = 0; r < rows; r++)
                        for (uint64_t i = 0; i < columns; i++)
                                out[t * rows + r] += (double) w[r * columns + i] * x[t * columns + i];
        free(w);
        return out;
}

static double *normed(const struct naive *n, const struct gguf_tensor *weight) {
        uint32_t size = n->m->shape.n_embd;
        float *w = floats_of(weight);
        double *out = malloc(n->count * size * sizeof(*out));
        for (uint32_t t = 0; t < n->count; t++) {
                double squares = 0;
                for (uint32_t i = 0; i < size; i++)
                        squares += n->x[t * size + i] * n->x[t * size + i];
                for (uint32_t i = 0; i < size; i++)
                        out[t * size + i] =
                                n->x[t * size + i] / sqrt(squares / size + (double) n->m->shape.rms_epsilon) * (double) w[i];
        }
        free(w);
        return out;
}

static void add_to(struct naive *n, double *y) {
        for (uint32_t i = 0; i < n->count * n->m->shape.n_embd; i++)
                n->x[i] += y[i];
        free(y);
}

static void rotate(const struct model *m, double *heads, uint32_t count, uint32_t n_heads) {
        const struct shape *s = &m->shape;
        float *factors = m->rope_freqs ? floats_of(m->rope_freqs) : NULL;
        for (uint32_t t = 0; t < count; t++)
                for (uint32_t h = 0; h < n_heads; h++)
                        for (uint32_t i = 0; i < s->n_rot / 2; i++) {
                                double *pair = heads + ((t * n_heads + h) * s->d_head_k + 2 * i);
                                double angle =
                                        t * pow((double) s->rope_freq_base, -2.0 * i / s->n_rot) * (double) s->rope_freq_scale;
                                angle /= factors ? (double) factors[i] : 1;
                                double x = pair[0], y = pair[1];
                                pair[0] = x * cos(angle) - y * sin(angle);
                                pair[1] = x * sin(angle) + y * cos(angle);
                        }
        free(factors);
}

static void attend_naively(const struct shape *s, uint32_t t, uint32_t h, const double *q, const double *k, const double *v,
                           double *out) {
        uint32_t kv = s->head_kv[0], g = h / (s->n_head / kv);
        double scores[TOKENS_MAX], sum = 0, largest = -1e300;
        for (uint32_t p = 0; p <= t; p++) {
                scores[p] = 0;
                for (uint32_t i = 0; i < s->d_head_k; i++)
                        scores[p] += q[(t * s->n_head + h) * s->d_head_k + i] * k[(p * kv + g) * s->d_head_k + i];
                scores[p] /= sqrt(s->d_head_k);
                largest = fmax(largest, scores[p]);
        }
        for (uint32_t p = 0; p <= t; p++)
                sum += exp(scores[p] - largest);
        for (uint32_t p = 0; p <= t; p++)
                for (uint32_t i = 0; i < s->d_head_v; i++)
                        out[(t * s->n_head + h) * s->d_head_v + i] +=
                                exp(scores[p] - largest) / sum * v[(p * kv + g) * s->d_head_v + i];
}

static void layer_naively(struct naive *n, const struct model_layer *w) {
        const struct shape *s = &n->m->shape;
        double *x = normed(n, w->attn_norm);
        double *q = times(w->attn_q, x, n->count), *k = times(w->attn_k, x, n->count), *v = times(w->attn_v, x, n->count);
        double *out = calloc((size_t) n->count * s->n_head * s->d_head_v, sizeof(*out));
        rotate(n->m, q, n->count, s->n_head);
        rotate(n->m, k, n->count, s->head_kv[0]);
        for (uint32_t t = 0; t < n->count; t++)
                for (uint32_t h = 0; h < s->n_head; h++)
                        attend_naively(s, t, h, q, k, v, out);
        add_to(n, times(w->attn_output, out, n->count));
        free(x), free(q), free(k), free(v), free(out);

        x = normed(n, w->ffn_norm);
        double *gate = times(w->ffn_gate, x, n->count), *up = times(w->ffn_up, x, n->count);
        for (uint32_t i = 0; i < n->count * s->n_ff; i++)
                gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
        add_to(n, times(w->ffn_down, gate, n->count));
        free(x), free(gate), free(up);
}

/* Logits after the last of COUNT tokens. */
static double *logits_naively(const struct model *m, const int32_t *tokens, uint32_t count) {
        uint32_t size = m->shape.n_embd;
        struct naive n = { m, count, malloc(count * size * sizeof(double)) };
        float *embeddings = floats_of(m->token_embd);
        for (uint32_t t = 0; t < count; t++)
                for (uint32_t i = 0; i < size; i++)
                        n.x[t * size + i] = (double) embeddings[(uint32_t) tokens[t] * size + i];
        for (uint32_t l = 0; l < m->shape.n_layer; l++)
                layer_naively(&n, &m->layers[l]);
        double *x = normed(&n, m->output_norm);
        double *logits = times(m->output, x + (count - 1) * size, 1);
        free(embeddings), free(n.x), free(x);
        return logits;
}

static double nmse(const float *ours, const double *exact, uint32_t n) {
        double squares = 0, size = 0;
        for (uint32_t i = 0; i < n; i++) {
                squares += ((double) ours[i] - exact[i]) * ((double) ours[i] - exact[i]);
                size += exact[i] * exact[i];
        }
        return squares / size;
}

struct formula_row {
        const char *what;
        struct rig_config config;
        double nmse_max;
};

/* clang-format off */
static const struct formula_row formula_rows[] = {
        { "F32 weights", { .model = { .type = TENSOR_F32 } }, 1e-6 },
        { "the same in portable C", { .model = { .type = TENSOR_F32 }, .kernels = "portable" }, 1e-6 },
        { "F16 weights", { .model = { .type = TENSOR_F16 } }, 1e-6 },
        { "BF16 weights", { .model = { .type = TENSOR_BF16 } }, 1e-6 },
        { "Q8_0 weights", { .model = { .type = TENSOR_Q8_0 } }, 1e-6 },
        { "Q4_0 weights", { .model = { .type = TENSOR_Q4_0 } }, 1e-6 },
        { "Q4_K weights", { .model = { .type = TENSOR_Q4_K } }, 5e-3 },
        { "Q5_K weights", { .model = { .type = TENSOR_Q5_K } }, 5e-3 },
        { "Q6_K weights", { .model = { .type = TENSOR_Q6_K } }, 5e-3 },
        { "Q4_1 weights", { .model = { .type = TENSOR_Q4_1 } }, 1e-6 },
        { "Q5_0 weights", { .model = { .type = TENSOR_Q5_0 } }, 1e-6 },
        { "Q5_1 weights", { .model = { .type = TENSOR_Q5_1 } }, 1e-6 },
        { "IQ4_NL weights", { .model = { .type = TENSOR_IQ4_NL } }, 1e-6 },
        { "MXFP4 weights", { .model = { .type = TENSOR_MXFP4 } }, 1e-6 },
        { "Q2_K weights", { .model = { .type = TENSOR_Q2_K } }, 5e-3 },
        { "Q3_K weights", { .model = { .type = TENSOR_Q3_K } }, 5e-3 },
        { "IQ4_XS weights", { .model = { .type = TENSOR_IQ4_XS } }, 5e-3 },
        { "IQ3_S weights", { .model = { .type = TENSOR_IQ3_S } }, 5e-3 },
        { "IQ3_XXS weights", { .model = { .type = TENSOR_IQ3_XXS } }, 5e-3 },
        { "IQ2_S weights", { .model = { .type = TENSOR_IQ2_S } }, 5e-3 },
        { "IQ2_XS weights", { .model = { .type = TENSOR_IQ2_XS } }, 5e-3 },
        { "IQ2_XXS weights", { .model = { .type = TENSOR_IQ2_XXS } }, 5e-3 },
        { "IQ1_M weights", { .model = { .type = TENSOR_IQ1_M } }, 5e-3 },
        { "IQ1_S weights", { .model = { .type = TENSOR_IQ1_S } }, 5e-3 },
        { "odd lengths", { .model = { .type = TENSOR_F32, .embd = 44, .ff = 77, .heads = 3, .heads_kv = 3, .d_head = 10, .vocab = 13 } }, 1e-6 },
        { "one key head for all", { .model = { .type = TENSOR_F16, .heads = 6, .heads_kv = 1, .d_head = 32 } }, 1e-6 },
        { "more query heads than a tile holds", { .model = { .type = TENSOR_F32, .heads = 40, .heads_kv = 1, .d_head = 8 } }, 1e-6 },
        { "values shorter than keys", { .model = { .type = TENSOR_F32, .d_head = 48, .d_head_v = 20 } }, 1e-6 },
        { "a part of each head rotated", { .model = { .type = TENSOR_F32, .n_rot = 16 } }, 1e-6 },
        { "frequency factors", { .model = { .type = TENSOR_F32, .rope_freqs = true } }, 1e-6 },
        { "linear scaling", { .model = { .type = TENSOR_F32, .rope_scale = 4 } }, 1e-6 },
        { "an output of its own", { .model = { .type = TENSOR_Q8_0, .untied = true } }, 1e-6 },
        { "a mixture of types", { .model = { .type = TENSOR_Q4_K, .odd = "blk.0.attn_v.weight", .odd_type = TENSOR_Q8_0 } }, 5e-3 },
        { "keys and values in q8_0", { .model = { .type = TENSOR_F32 }, .kv = KV_Q8_0 }, 2e-3 },
        { "keys and values in q8_0, portable", { .model = { .type = TENSOR_F32 }, .kv = KV_Q8_0, .kernels = "portable" }, 2e-3 },
        { "keys and values in q4_0", { .model = { .type = TENSOR_F32 }, .kv = KV_Q4_0 }, 1e-1 },
        { "three threads", { .model = { .type = TENSOR_Q8_0 }, .threads = 3 }, 1e-6 },
};
/* clang-format on */

static void results_follow_the_formulas(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(formula_rows) / sizeof(*formula_rows); i++) {
                const struct formula_row *row = &formula_rows[i];
                struct rig r = rig_open(row->config);
                int32_t tokens[150];
                float ours[256];
                make_tokens(&r, 1, tokens, 150);
                double *exact = logits_naively(r.model, tokens, 150); /* two blocks and a part */
                logits_of(&r, tokens, 150, 37, ours);
                double error = nmse(ours, exact, r.model->shape.n_vocab);
                if (!(error <= row->nmse_max))
                        fail_msg("%s: NMSE %g where %g is allowed", row->what, error, row->nmse_max);
                free(exact);
                rig_close(&r);
        }
}

/* --- results depend on the sequence alone --- */

static const struct rig_config varied[] = {
        { .model = { .type = TENSOR_Q8_0 } },
        { .model = { .type = TENSOR_Q4_K, .heads = 8 }, .kv = KV_Q8_0 },
        { .model = { .type = TENSOR_F16, .heads_kv = 4, .embd = 64, .ff = 172, .d_head = 32 }, .kv = KV_Q4_0 },
        { .model = { .type = TENSOR_Q6_K, .odd = "blk.1.attn_k.weight", .odd_type = TENSOR_F32 } },
        { .model = { .type = TENSOR_Q8_0 }, .kernels = "portable" },
};
#define VARIED (sizeof(varied) / sizeof(*varied))

static void chunks_of_any_size_give_the_same_bits(void **state) {
        (void) state;
        static const uint32_t chunks[] = { 1, 2, 3, 7, 33, BATCH };
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                int32_t tokens[140];
                float one_by_one[64], chunked[64];
                make_tokens(&r, 2, tokens, 140);
                logits_of(&r, tokens, 140, 1, one_by_one);
                for (size_t c = 0; c < sizeof(chunks) / sizeof(*chunks); c++) {
                        logits_of(&r, tokens, 140, chunks[c], chunked);
                        assert_memory_equal(one_by_one, chunked, sizeof(chunked));
                }
                rig_close(&r);
        }
}

/* Five sequences of different lengths advance together in uneven runs. */
static void batch_together(struct rig *r, int32_t tokens[ITEMS][TOKENS_MAX], const uint32_t lengths[], float logits[ITEMS][64]) {
        struct kv_sequence s[ITEMS] = { 0 };
        for (bool more = true; more;) {
                struct forward_item items[ITEMS];
                uint32_t n = 0, who[ITEMS], room = BATCH;
                for (uint32_t i = 0; i < ITEMS; i++) {
                        uint32_t left = lengths[i] - s[i].tokens_count, count = (i * 5 + s[i].tokens_count) % 11 + 1;
                        count = count < left ? count : left;
                        count = count < room ? count : room;
                        if (!count)
                                continue;
                        assert_int_equal(kv_sequence_grow(r->cache, &s[i], count), 0);
                        who[n] = i;
                        items[n++] = (struct forward_item){ &s[i], tokens[i] + s[i].tokens_count, count, WANT_LOGITS, NULL };
                        room -= count;
                }
                forward_run(r->forward, items, n);
                for (uint32_t i = 0; i < n; i++)
                        memcpy(logits[who[i]], items[i].result, sizeof(logits[0]));
                more = n > 0;
        }
        for (uint32_t i = 0; i < ITEMS; i++)
                kv_sequence_done(r->cache, &s[i]);
}

static void neighbours_in_a_batch_change_no_bit(void **state) {
        (void) state;
        static const uint32_t lengths[ITEMS] = { 130, 1, 65, 64, 17, 90 };
        static int32_t tokens[ITEMS][TOKENS_MAX];
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                float together[ITEMS][64], alone[64];
                for (uint32_t s = 0; s < ITEMS; s++)
                        make_tokens(&r, s, tokens[s], lengths[s]);
                batch_together(&r, tokens, lengths, together);
                for (uint32_t s = 0; s < ITEMS; s++) {
                        logits_of(&r, tokens[s], lengths[s], 1, alone);
                        assert_memory_equal(alone, together[s], sizeof(alone));
                }
                rig_close(&r);
        }
}

static void the_number_of_threads_changes_no_bit(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig_config config = varied[i];
                config.threads = 4;
                struct rig r = rig_open(config);
                int32_t tokens[140];
                float one[64], many[64];
                make_tokens(&r, 4, tokens, 140);
                threads_set_width(r.threads, 1);
                logits_of(&r, tokens, 140, BATCH, one);
                for (uint32_t width = 2; width <= 4; width++) {
                        threads_set_width(r.threads, width);
                        logits_of(&r, tokens, 140, BATCH, many);
                        assert_memory_equal(one, many, sizeof(many));
                }
                rig_close(&r);
        }
}

static void a_shared_beginning_is_as_good_as_an_own_one(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig r = rig_open(varied[i]);
                struct kv_sequence first = { 0 }, second = { 0 };
                int32_t tokens[180];
                float own[64];
                make_tokens(&r, 5, tokens, 180);
                logits_of(&r, tokens, 150, BATCH, own);
                for (uint32_t at = 0; at < 128; at += 32)
                        (void) feed(&r, &first, tokens + at, 32, WANT_NOTHING);
                assert_int_equal(kv_sequence_share(r.cache, &second, &first, 128), 0);
                (void) feed(&r, &first, tokens + 150, 30, WANT_NOTHING); /* goes its own way */
                assert_memory_equal(feed(&r, &second, tokens + 128, 22, WANT_LOGITS), own, sizeof(own));
                kv_sequence_truncate(r.cache, &second, 100); /* back into the shared part, and forth again */
                (void) feed(&r, &second, tokens + 100, 40, WANT_NOTHING);
                assert_memory_equal(feed(&r, &second, tokens + 140, 10, WANT_LOGITS), own, sizeof(own));
                kv_sequence_done(r.cache, &first);
                kv_sequence_done(r.cache, &second);
                rig_close(&r);
        }
}

/* --- precision that is lowered on the way --- */

/* As nmse, against what another run gave. */
static double nmse_to(const float *a, const float *exact, uint32_t n) {
        double wide[64];
        for (uint32_t i = 0; i < n; i++)
                wide[i] = (double) exact[i];
        return nmse(a, wide, n);
}

/* 200 tokens, the first two blocks made q4_0, the third q8_0, then 20 more in chunks of at most CHUNK. */
static void logits_of_mixed(struct rig *r, const int32_t *tokens, bool convert, uint32_t chunk, float *out) {
        struct kv_sequence s = { 0 };
        const float *logits = NULL;
        for (uint32_t at = 0; at < 200; at += 40)
                (void) feed(r, &s, tokens + at, 40, WANT_NOTHING);
        for (uint32_t i = 0; convert && i < 3; i++)
                (void) kv_sequence_convert(r->cache, &s, i, i < 2 ? KV_Q4_0 : KV_Q8_0);
        for (uint32_t at = 200; at < 220; at += chunk)
                logits = feed(r, &s, tokens + at, 220 - at < chunk ? 220 - at : chunk, WANT_LOGITS);
        memcpy(out, logits, r->model->shape.n_vocab * sizeof(float));
        kv_sequence_done(r->cache, &s);
}

static void blocks_of_mixed_types_are_read_together(void **state) {
        (void) state;
        for (size_t i = 0; i < VARIED; i++) {
                struct rig_config config = varied[i];
                config.kv = KV_F16;
                config.threads = 3;
                struct rig r = rig_open(config);
                int32_t tokens[220];
                float exact[64], mixed[64], again[64];
                make_tokens(&r, 7, tokens, 220);
                logits_of_mixed(&r, tokens, false, 20, exact);
                logits_of_mixed(&r, tokens, true, 20, mixed);
                assert_true(memcmp(exact, mixed, sizeof(exact)) != 0);
                assert_true(nmse_to(mixed, exact, 64) < 0.1); /* as close as q4_0 keys and values are */
                for (uint32_t chunk = 1; chunk < 20; chunk += 6) {
                        logits_of_mixed(&r, tokens, true, chunk, again);
                        assert_memory_equal(mixed, again, sizeof(mixed));
                }
                rig_close(&r);
        }
}

/* Quantised from f16 or from floats: the same but for f16's own rounding, for both kernel sets. */
static void a_converted_cache_answers_as_one_that_was_stored_so(void **state) {
        (void) state;
        for (unsigned i = 0; i < 4; i++) {
                enum kv_type type = i % 2 ? KV_Q4_0 : KV_Q8_0;
                struct rig_config config = { .model = { .type = TENSOR_Q8_0 }, .kernels = i < 2 ? "portable" : NULL };
                struct rig f16 = rig_open(config);
                config.kv = type;
                struct rig stored = rig_open(config);
                int32_t tokens[193];
                float exact[64], a[64], b[64];
                struct kv_sequence s = { 0 }, t = { 0 };
                make_tokens(&f16, 8, tokens, 193);
                logits_of(&f16, tokens, 193, BATCH, exact);
                for (uint32_t at = 0; at < 192; at += 48) {
                        (void) feed(&f16, &s, tokens + at, 48, WANT_NOTHING);
                        (void) feed(&stored, &t, tokens + at, 48, WANT_NOTHING);
                }
                for (uint32_t block = 0; block < 3; block++)
                        assert_true(kv_sequence_convert(f16.cache, &s, block, type) > 0);
                memcpy(a, feed(&f16, &s, tokens + 192, 1, WANT_LOGITS), sizeof(a));
                memcpy(b, feed(&stored, &t, tokens + 192, 1, WANT_LOGITS), sizeof(b));
                double limit = type == KV_Q8_0 ? 0.002 : 0.3;
                assert_true(nmse_to(a, exact, 64) < limit && nmse_to(b, exact, 64) < limit);
                assert_true(nmse_to(a, exact, 64) < 3 * nmse_to(b, exact, 64));
                kv_sequence_done(f16.cache, &s);
                kv_sequence_done(stored.cache, &t);
                rig_close(&f16);
                rig_close(&stored);
        }
}

/* --- what is wanted --- */

static void hidden_states_are_those_the_logits_are_made_of(void **state) {
        (void) state;
        struct rig r = rig_open((struct rig_config){ .model = { .type = TENSOR_F32 } });
        struct kv_sequence a = { 0 }, b = { 0 };
        int32_t tokens[20];
        float expected[64];
        make_tokens(&r, 6, tokens, 20);
        logits_of(&r, tokens, 20, 20, expected);
        assert_int_equal(kv_sequence_grow(r.cache, &a, 20), 0);
        assert_int_equal(kv_sequence_grow(r.cache, &b, 20), 0);
        struct forward_item items[] = {
                { &b, tokens, 20, WANT_NOTHING, (const float *) expected },
                { &a, tokens, 20, WANT_HIDDEN, NULL },
        };
        forward_run(r.forward, items, 2);
        assert_null(items[0].result);
        const float *last = items[1].result + 19 * (size_t) r.model->shape.n_embd;
        float *output = floats_of(r.model->output);
        for (uint32_t v = 0; v < 64; v++) {
                double logit = 0;
                for (uint32_t i = 0; i < r.model->shape.n_embd; i++)
                        logit += (double) (output[v * r.model->shape.n_embd + i] * last[i]);
                assert_true(fabs(logit - (double) expected[v]) < 1e-4);
        }
        free(output);
        kv_sequence_done(r.cache, &a);
        kv_sequence_done(r.cache, &b);
        rig_close(&r);
}

static void an_empty_pass_does_nothing(void **state) {
        (void) state;
        struct rig r = rig_open((struct rig_config){ .model = { .type = TENSOR_Q8_0 } });
        forward_run(r.forward, NULL, 0);
        rig_close(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(results_follow_the_formulas),
                cmocka_unit_test(chunks_of_any_size_give_the_same_bits),
                cmocka_unit_test(neighbours_in_a_batch_change_no_bit),
                cmocka_unit_test(the_number_of_threads_changes_no_bit),
                cmocka_unit_test(a_shared_beginning_is_as_good_as_an_own_one),
                cmocka_unit_test(blocks_of_mixed_types_are_read_together),
                cmocka_unit_test(a_converted_cache_answers_as_one_that_was_stored_so),
                cmocka_unit_test(hidden_states_are_those_the_logits_are_made_of),
                cmocka_unit_test(an_empty_pass_does_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
