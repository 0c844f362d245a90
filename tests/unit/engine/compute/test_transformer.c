/* test_transformer.c - the forward pass against the formulas written out naively in double precision. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernels/kernels.h"
#include "engine/compute/buffers.h"
#include "engine/compute/rank.h"
#include "tests/unit/engine/compute/transformer_fixture.h"

/* --- the formulas, naively --- */

struct naive {
        const struct model *m;
        uint32_t count;
        double *x;          /* count x n_embd */
        uint32_t second_at; /* token of the second text; 0: there is one */
};

static double *zeros(size_t count) {
        double *x = calloc(count, sizeof(*x));
        assert_non_null(x);
        return x;
}

/* Weights of any type, as floats. */
static float *floats_of(const struct matrix *m) {
        float *out = malloc((size_t) m->rows * m->columns * sizeof(*out));
        for (uint32_t r = 0; r < m->rows; r++)
                kernels_portable.types[m->type].dequantize(matrix_row(m, r), m->columns, out + (size_t) r * m->columns);
        return out;
}

static double stored(const uint8_t *floats, size_t i) {
        return (double) load_float(floats + 4 * i);
}

/* OUT (count x rows) = X (count x columns) times the transposed weights, plus the bias. */
static double *times(const struct matrix *weights, const uint8_t *bias, const double *x, uint32_t count) {
        float *w = floats_of(weights);
        size_t columns = weights->columns, rows = weights->rows;
        double *out = zeros(count * rows);
        for (uint32_t t = 0; t < count; t++)
                for (size_t r = 0; r < rows; r++) {
                        out[t * rows + r] = bias ? stored(bias, r) : 0;
                        for (size_t i = 0; i < columns; i++)
                                out[t * rows + r] += (double) w[r * columns + i] * x[t * columns + i];
                }
        free(w);
        return out;
}

static void rms_norm_naively(double *x, uint32_t size, const uint8_t *weight, double epsilon) {
        double squares = 0;
        for (uint32_t i = 0; i < size; i++)
                squares += x[i] * x[i];
        for (uint32_t i = 0; i < size; i++)
                x[i] = x[i] / sqrt(squares / size + epsilon) * stored(weight, i);
}

static void layer_norm_naively(double *x, uint32_t size, const uint8_t *weight, const uint8_t *bias, double epsilon) {
        double mean = 0, variance = 0;
        for (uint32_t i = 0; i < size; i++)
                mean += x[i] / size;
        for (uint32_t i = 0; i < size; i++)
                variance += (x[i] - mean) * (x[i] - mean) / size;
        for (uint32_t i = 0; i < size; i++)
                x[i] = (x[i] - mean) / sqrt(variance + epsilon) * stored(weight, i) + stored(bias, i);
}

/* COUNT vectors of SIZE, normed where there is a weight. */
static double *normed(const struct naive *n, const double *x, uint32_t count, uint32_t size, const uint8_t *weight) {
        double *out = zeros((size_t) count * size);
        memcpy(out, x, (size_t) count * size * sizeof(*out));
        for (uint32_t t = 0; weight && t < count; t++)
                rms_norm_naively(out + (size_t) t * size, size, weight, (double) n->m->hparams.norm_epsilon);
        return out;
}

/* A block's output Y joins x. */
static void add_to(struct naive *n, double *y, const uint8_t *post, const uint8_t *after, const uint8_t *after_bias) {
        uint32_t size = n->m->hparams.n_embd;
        double *out = normed(n, y, n->count, size, post);
        for (uint32_t i = 0; i < n->count * size; i++)
                n->x[i] += out[i];
        for (uint32_t t = 0; after && t < n->count; t++)
                layer_norm_naively(n->x + t * size, size, after, after_bias, (double) n->m->hparams.norm_epsilon);
        free(y), free(out);
}

/* YaRN as its paper writes it: by the wavelength's share of the original context. */
static double frequency(const struct model *m, bool local, uint32_t i) {
        const struct rope_hparams *r = local ? &m->hparams.rope_local : &m->hparams.rope;
        uint32_t pairs = m->hparams.n_rot / 2;
        const uint8_t *factors = m->context_is_long ? m->rope_factors_long : m->rope_factors_short;
        double f = pow((double) r->freq_base, -1.0 * i / pairs);
        factors = factors ? factors : m->rope_freqs;
        f /= factors && !local ? stored(factors, i) : 1;
        if (r->scaling != ROPE_YARN)
                return f * (double) r->freq_scale;
        double per_turn = pairs / log((double) r->freq_base);
        double low = floor(per_turn * log(r->n_ctx_original / (32 * 2 * M_PI))),
               high = ceil(per_turn * log(r->n_ctx_original / (1 * 2 * M_PI)));
        low = low < 0 ? 0 : low;
        double share = i <= low ? 0 : i >= high ? 1 : (i - low) / (high - low);
        return f * (1 - share) + f * (double) r->freq_scale * share;
}

static void rotate(const struct model *m, uint32_t layer, double *heads, uint32_t count, uint32_t n_heads) {
        const struct hparams *s = &m->hparams;
        bool halves = arch_info(s->arch)->rope == ROPE_HALVES, local = s->has_rope_local && layer % 2 == 0;
        double longer = (double) (local ? s->rope_local.magnitude : s->rope.magnitude);
        for (uint32_t t = 0; t < count; t++)
                for (uint32_t h = 0; h < n_heads; h++)
                        for (uint32_t i = 0; i < s->n_rot / 2; i++) {
                                double *head = heads + (t * n_heads + h) * s->d_head_k, angle = t * frequency(m, local, i);
                                double *a = head + (halves ? i : 2 * i), *b = head + (halves ? i + s->n_rot / 2 : 2 * i + 1),
                                       x = *a;
                                *a = longer * (x * cos(angle) - *b * sin(angle));
                                *b = longer * (x * sin(angle) + *b * cos(angle));
                        }
}

static double capped(double x, float cap) {
        return cap > 0 ? (double) cap * tanh(x / (double) cap) : x;
}

/* The tiny models' patterns are of two layers: the first has the window. */
static void attend_naively(const struct naive *n, uint32_t layer, uint32_t t, uint32_t h, const double *q, const double *k,
                           const double *v, double *out) {
        const struct hparams *s = &n->m->hparams;
        uint32_t kv = s->head_kv[0], g = h / (s->n_head / kv),
                 window = s->window && (!s->window_pattern || layer % 2 == 0) ? s->window : UINT32_MAX;
        double scores[TOKENS_MAX], sum = 0, largest = -1e300;
        uint32_t end = s->causal ? t + 1 : n->count, from = s->causal && t + 1 > window ? t + 1 - window : 0;
        for (uint32_t p = from; p < end; p++) {
                scores[p] = 0;
                for (uint32_t i = 0; i < s->d_head_k; i++)
                        scores[p] += q[(t * s->n_head + h) * s->d_head_k + i] * k[(p * kv + g) * s->d_head_k + i];
                scores[p] = capped(scores[p] / sqrt(s->d_head_k), s->attention_cap);
                largest = fmax(largest, scores[p]);
        }
        for (uint32_t p = from; p < end; p++)
                sum += exp(scores[p] - largest);
        for (uint32_t p = from; p < end; p++)
                for (uint32_t i = 0; i < s->d_head_v; i++)
                        out[(t * s->n_head + h) * s->d_head_v + i] +=
                                exp(scores[p] - largest) / sum * v[(p * kv + g) * s->d_head_v + i];
}

static double gate_naively(enum gate gate, double x) {
        return gate == GATE_GELU ? 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))) : x / (1 + exp(-x));
}

/* Of expert E, or of a layer without experts. */
static double *feed_naively(const struct naive *n, const struct model_layer *w, uint32_t e, const double *x, uint32_t count) {
        enum gate kind = arch_info(n->m->hparams.arch)->gate;
        struct matrix mg = matrix_plane(w->ffn_gate, e), mu = matrix_plane(w->ffn_up, e), md = matrix_plane(w->ffn_down, e);
        double *up = times(&mu, w->ffn_up_bias, x, count), *gate = w->ffn_gate.data ? times(&mg, NULL, x, count) : NULL;
        for (uint32_t i = 0; i < count * mu.rows; i++)
                up[i] = gate ? gate_naively(kind, gate[i]) * up[i] : gate_naively(kind, up[i]);
        double *out = times(&md, w->ffn_down_bias, up, count);
        free(up), free(gate);
        return out;
}

/* As the papers have it: a softmax over all experts, the best of it, their shares scaled to a sum of one. */
static double *experts_naively(const struct naive *n, const struct model_layer *w, const double *x) {
        const struct hparams *s = &n->m->hparams;
        double *scores = times(&w->ffn_router, NULL, x, n->count), *out = zeros((size_t) n->count * s->n_embd);
        for (uint32_t t = 0; t < n->count; t++) {
                double *p = scores + t * s->n_expert, all = 0;
                for (uint32_t i = 0; i < s->n_expert_used; i++) {
                        uint32_t best = 0;
                        for (uint32_t e = 1; e < s->n_expert; e++)
                                best = p[e] > p[best] ? e : best;
                        double share = exp(p[best]), *part = feed_naively(n, w, best, x + t * s->n_embd, 1);
                        for (uint32_t d = 0; d < s->n_embd; d++)
                                out[t * s->n_embd + d] += share * part[d];
                        all += share;
                        p[best] = -1e300;
                        free(part);
                }
                for (uint32_t d = 0; d < s->n_embd; d++)
                        out[t * s->n_embd + d] /= all;
        }
        free(scores);
        return out;
}

static void layer_naively(struct naive *n, uint32_t layer) {
        const struct hparams *s = &n->m->hparams;
        const struct model_layer *w = &n->m->layers[layer];
        double *x = normed(n, n->x, n->count, s->n_embd, w->attn_norm);
        double *q0 = times(&w->attn_q, w->attn_q_bias, x, n->count), *k0 = times(&w->attn_k, w->attn_k_bias, x, n->count);
        double *v = times(&w->attn_v, w->attn_v_bias, x, n->count);
        double *q = normed(n, q0, n->count * s->n_head, s->d_head_k, w->attn_q_norm);
        double *k = normed(n, k0, n->count * s->head_kv[0], s->d_head_k, w->attn_k_norm);
        double *out = zeros((size_t) n->count * s->n_head * s->d_head_v);
        rotate(n->m, layer, q, n->count, s->n_head);
        rotate(n->m, layer, k, n->count, s->head_kv[0]);
        for (uint32_t t = 0; t < n->count; t++)
                for (uint32_t h = 0; h < s->n_head; h++)
                        attend_naively(n, layer, t, h, q, k, v, out);
        add_to(n, times(&w->attn_output, w->attn_output_bias, out, n->count), w->attn_post_norm, w->attn_after_norm,
               w->attn_after_norm_bias);
        free(x), free(q0), free(k0), free(q), free(k), free(v), free(out);

        x = normed(n, n->x, n->count, s->n_embd, w->ffn_norm);
        add_to(n, s->n_expert ? experts_naively(n, w, x) : feed_naively(n, w, 0, x, n->count), w->ffn_post_norm,
               w->ffn_after_norm, w->ffn_after_norm_bias);
        free(x);
}

static void embed_naively(struct naive *n, const int32_t *tokens) {
        const struct model *m = n->m;
        uint32_t size = m->hparams.n_embd;
        float *embeddings = floats_of(&m->token_embd), *types = m->token_types.data ? floats_of(&m->token_types) : NULL,
              *positions = m->positions.data ? floats_of(&m->positions) : NULL;
        for (uint32_t t = 0; t < n->count; t++) {
                for (uint32_t i = 0; i < size; i++) {
                        double scale = arch_info(m->hparams.arch)->embd_scaled ? sqrt(size) : 1;
                        n->x[t * size + i] = scale * (double) embeddings[(uint32_t) tokens[t] * size + i];
                        n->x[t * size + i] += types ? (double) types[(n->second_at && t >= n->second_at ? size : 0) + i] : 0;
                        n->x[t * size + i] += positions ? (double) positions[t * size + i] : 0;
                }
                if (m->embd_norm)
                        layer_norm_naively(n->x + t * size, size, m->embd_norm, m->embd_norm_bias,
                                           (double) m->hparams.norm_epsilon);
        }
        free(embeddings), free(types), free(positions);
}

/* The hidden state of token AT of COUNT. */
static double *state_naively(const struct model *m, const int32_t *tokens, uint32_t count, uint32_t second_at, uint32_t at) {
        uint32_t size = m->hparams.n_embd;
        struct naive n = { m, count, zeros((size_t) count * size), second_at };
        embed_naively(&n, tokens);
        for (uint32_t l = 0; l < m->hparams.n_layer; l++)
                layer_naively(&n, l);
        double *x = normed(&n, n.x + at * size, 1, size, m->output_norm);
        free(n.x);
        return x;
}

/* Logits after the last of COUNT tokens; of a model without them, the last token's hidden state. */
static double *results_naively(const struct model *m, const int32_t *tokens, uint32_t count) {
        double *x = state_naively(m, tokens, count, 0, count - 1);
        if (!m->hparams.causal)
                return x;
        double *logits = times(&m->output, NULL, x, 1);
        for (uint32_t i = 0; i < m->hparams.n_vocab; i++)
                logits[i] = capped(logits[i], m->hparams.logits_cap);
        free(x);
        return logits;
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
        { "YaRN", { .model = { .type = TENSOR_F32, .yarn_scale = 8 } }, 1e-6 },
        { "experts", { .model = { .type = TENSOR_F32, .experts = 5 } }, 1e-6 },
        { "experts with a tensor each", { .model = { .type = TENSOR_F32, .experts = 5, .experts_apart = true } }, 1e-6 },
        { "experts in whole numbers", { .model = { .type = TENSOR_Q8_0, .experts = 9, .experts_used = 4 } }, 1e-6 },
        { "one expert of three", { .model = { .type = TENSOR_F16, .experts = 3, .experts_used = 1 } }, 1e-6 },
        { "experts that score the same: the first are taken", { .model = { .type = TENSOR_F32, .experts = 7, .experts_used = 3, .level_router = true } }, 1e-6 },
        { "all experts", { .model = { .type = TENSOR_F32, .experts = 4, .experts_used = 4 } }, 1e-6 },
        { "mistral", { .model = { .arch = ARCH_MISTRAL } }, 1e-6 },
        { "a window in all layers", { .model = { .arch = ARCH_MISTRAL, .window = 70 } }, 1e-6 },
        { "a window of one", { .model = { .arch = ARCH_MISTRAL, .window = 1 } }, 1e-6 },
        { "qwen2", { .model = { .arch = ARCH_QWEN2 } }, 1e-6 },
        { "qwen3", { .model = { .arch = ARCH_QWEN3, .d_head = 96 } }, 1e-6 },
        { "qwen3moe", { .model = { .arch = ARCH_QWEN3MOE } }, 1e-6 },
        { "gemma2", { .model = { .arch = ARCH_GEMMA2 } }, 1e-6 },
        { "gemma2 in portable C", { .model = { .arch = ARCH_GEMMA2 }, .kernels = "portable" }, 1e-6 },
        { "gemma3", { .model = { .arch = ARCH_GEMMA3, .rope_scale = 8 } }, 1e-6 },
        { "phi3", { .model = { .arch = ARCH_PHI3 } }, 1e-6 },
        { "phi3 with a window and factors", { .model = { .arch = ARCH_PHI3, .window = 64, .rope_factors = true, .d_head = 96, .heads_kv = 4 } }, 1e-6 },
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
                double *exact = results_naively(r.model, tokens, 150); /* two blocks and a part */
                logits_of(&r, tokens, 150, 37, ours);
                double error = nmse(ours, exact, r.model->hparams.n_vocab);
                if (!(error <= row->nmse_max))
                        fail_msg("%s: NMSE %g where %g is allowed", row->what, error, row->nmse_max);
                free(exact);
                rig_close(&r);
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
        struct transformer_item items[] = {
                { &b, tokens, 20, WANT_NOTHING, (const float *) expected, 0, 0 },
                { &a, tokens, 20, WANT_HIDDEN, NULL, 0, 0 },
        };
        transformer_run(r.transformer, items, 2);
        assert_null(items[0].result);
        const float *last = items[1].result + 19 * (size_t) r.model->hparams.n_embd;
        float *output = floats_of(&r.model->output);
        for (uint32_t v = 0; v < 64; v++) {
                double logit = 0;
                for (uint32_t i = 0; i < r.model->hparams.n_embd; i++)
                        logit += (double) (output[v * r.model->hparams.n_embd + i] * last[i]);
                assert_true(fabs(logit - (double) expected[v]) < 1e-4);
        }
        free(output);
        kv_sequence_done(r.cache, &a);
        kv_sequence_done(r.cache, &b);
        rig_close(&r);
}

static void encoders_follow_the_formulas(void **state) {
        (void) state;
        for (size_t i = 0; i < ENCODERS; i++) {
                struct rig r = rig_open(encoders[i]);
                int32_t tokens[BATCH];
                uint32_t size = r.model->hparams.n_embd;
                make_tokens(&r, 3, tokens, BATCH);
                for (uint32_t count = 1; count <= BATCH; count += 21) {
                        struct kv_sequence s = { 0 };
                        double *exact = results_naively(r.model, tokens, count);
                        const float *ours = feed(&r, &s, tokens, count, WANT_HIDDEN) + (size_t) (count - 1) * size;
                        double error = nmse(ours, exact, size);
                        if (!(error <= 1e-6))
                                fail_msg("row %zu, %u tokens: NMSE %g", i, count, error);
                        kv_sequence_done(r.cache, &s);
                        free(exact);
                }
                rig_close(&r);
        }
}

/* --- two texts --- */

static double score_naively(const struct model *m, const int32_t *tokens, uint32_t count, uint32_t second_at) {
        double *x = state_naively(m, tokens, count, second_at, m->hparams.causal ? count - 1 : 0), *dense = x, sum = 0;
        if (m->cls.data) {
                dense = times(&m->cls, m->cls_bias, x, 1);
                for (uint32_t i = 0; i < m->hparams.n_embd; i++)
                        dense[i] = tanh(dense[i]);
                free(x);
        }
        double *labels = times(&m->cls_output, m->cls_output_bias, dense, 1), first = labels[0];
        for (uint32_t i = 0; i < m->hparams.n_labels; i++)
                sum += exp(labels[i]);
        free(dense), free(labels);
        return m->hparams.causal && m->hparams.n_labels > 1 ? exp(first) / sum : first;
}

static double score_of(struct rig *r, const int32_t *tokens, uint32_t count, uint32_t second_at) {
        uint32_t size = r->model->hparams.n_embd;
        struct kv_sequence s = { 0 };
        struct transformer_item item = {
                .sequence = &s, .tokens = tokens, .count = count, .want = WANT_HIDDEN, .second_at = second_at
        };
        float *scratch = calloc(RANK_SCRATCH(size), sizeof(*scratch));
        assert_non_null(scratch);
        assert_int_equal(kv_sequence_grow(r->cache, &s, count), 0);
        transformer_run(r->transformer, &item, 1);
        double score = (double) rank_score(r->model, item.result + (r->model->hparams.causal ? (size_t) (count - 1) * size : 0),
                                           scratch);
        kv_sequence_done(r->cache, &s);
        free(scratch);
        return score;
}

static void two_texts_are_scored_by_the_formulas(void **state) {
        (void) state;
        static const struct {
                const char *what;
                struct tiny_model model;
                bool has_types; /* it matters where the second begins */
        } rows[] = {
                { "bert", { .arch = ARCH_BERT, .heads_kv = 4, .labels = 1 }, true },
                { "bert in whole numbers", { .arch = ARCH_BERT, .heads_kv = 4, .labels = 1, .type = TENSOR_Q8_0 }, true },
                { "without a dense layer", { .arch = ARCH_BERT, .heads_kv = 4, .labels = 1, .without = "cls.weight" }, true },
                { "without a bias", { .arch = ARCH_BERT, .heads_kv = 4, .labels = 1, .without = "cls.output.bias" }, true },
                { "one type for both",
                  { .arch = ARCH_BERT, .heads_kv = 4, .labels = 1, .odd = "token_types.weight", .odd_rows = 1 },
                  false },
                { "nomic-bert", { .arch = ARCH_NOMIC_BERT, .heads_kv = 4, .labels = 1 }, true },
                { "yes and no", { .arch = ARCH_QWEN3, .labels = 2, .without = "cls.weight" }, false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct rig r = rig_open((struct rig_config){ .model = rows[i].model });
                int32_t tokens[BATCH];
                make_tokens(&r, 5, tokens, BATCH);
                bool has_two_rows = r.model->token_types.rows > 1;
                double alone = score_of(&r, tokens, BATCH, 0), pair = score_of(&r, tokens, BATCH, 17);
                double exact = score_naively(r.model, tokens, BATCH, has_two_rows ? 17 : 0);
                if (!(fabs(pair - exact) <= 1e-3 * fmax(1, fabs(exact))))
                        fail_msg("%s: a score of %g where %g is right", rows[i].what, pair, exact);
                if (rows[i].has_types ? fabs(alone - pair) < 1e-4 : alone < pair || alone > pair)
                        fail_msg("%s: %g as one text, %g as two", rows[i].what, alone, pair);
                rig_close(&r);
        }
}

/* A context longer than that of the first training takes the other factors. */
static void long_contexts_have_frequencies_of_their_own(void **state) {
        (void) state;
        float given[2][64];
        for (uint32_t i = 0; i < 2; i++) {
                struct rig r = rig_open(
                        (struct rig_config){ .model = { .arch = ARCH_PHI3, .rope_factors = true }, .context = i ? 101 : 100 });
                int32_t tokens[60];
                make_tokens(&r, 9, tokens, 60);
                double *exact = results_naively(r.model, tokens, 60);
                assert_true(r.model->context_is_long == (i == 1));
                logits_of(&r, tokens, 60, 20, given[i]);
                assert_true(nmse(given[i], exact, 64) < 1e-6);
                free(exact);
                rig_close(&r);
        }
        assert_true(nmse_to(given[0], given[1], 64) > 1e-3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(results_follow_the_formulas),
                cmocka_unit_test(hidden_states_are_those_the_logits_are_made_of),
                cmocka_unit_test(encoders_follow_the_formulas),
                cmocka_unit_test(two_texts_are_scored_by_the_formulas),
                cmocka_unit_test(long_contexts_have_frequencies_of_their_own),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
