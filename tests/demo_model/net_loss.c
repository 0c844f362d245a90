/*
 * net_loss.c - the forward pass over a ragged batch, and the gradient written out by hand.
 *
 * The forward pass keeps what each layer's gradient needs; the backward pass walks the layers in reverse.
 * In comments and names, d_x is the derivative of the loss by x.
 */
#include "tests/demo_model/net.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/demo_model/net_math.h"

/* Values of one layer that its gradient needs; each array has a row per token. */
struct kept {
        float *in, *middle;           /* residual stream before attention and before the feed-forward part */
        float *normal_1, *normal_2;   /* both after their norm */
        float *inverse_1, *inverse_2; /* 1 / rms of both */
        float *qkv;                   /* turned and, where asked, rounded */
        float *probabilities;         /* per sequence and head: length x length, lower triangle */
        float *attended;
        float *gate_up, *active;
};

struct net_space {
        const struct net_layout *layout;
        size_t tokens_max, probabilities_max;
        struct gemm_space gemm;
        float *turns;
        uint32_t *positions;
        struct kept kept[NET_LAYERS_MAX];
        float *out;                    /* residual stream after the last layer */
        float *out_rows, *out_inverse; /* normalised rows that have a target */
        float *logits;
        float *d_stream, *d_normal, *d_qkv, *d_attended, *d_gate_up, *d_active, *d_out_rows;
        float *flipped_k, *flipped_v; /* one head's keys and values, transposed */
        float *d_scores;
};

static size_t qkv_width(const struct net_shape *s) {
        return (s->heads + 2 * s->kv_heads) * s->head_width;
}

static bool take(float **ret, size_t count) {
        *ret = malloc(count * sizeof(float));
        return *ret != NULL;
}

static bool kept_init(struct kept *k, const struct net_shape *s, size_t tokens, size_t probabilities) {
        return take(&k->in, tokens * s->width) && take(&k->middle, tokens * s->width) && take(&k->normal_1, tokens * s->width) &&
               take(&k->normal_2, tokens * s->width) && take(&k->inverse_1, tokens) && take(&k->inverse_2, tokens) &&
               take(&k->qkv, tokens * qkv_width(s)) && take(&k->probabilities, probabilities) &&
               take(&k->attended, tokens * s->width) && take(&k->gate_up, tokens * 2 * s->ff_width) &&
               take(&k->active, tokens * s->ff_width);
}

static bool space_init(struct net_space *s, const struct net_layout *l, size_t tokens) {
        const struct net_shape *shape = &l->shape;
        size_t longest = shape->context;
        bool fine = gemm_space_init(&s->gemm) == 0;

        s->layout = l;
        s->tokens_max = tokens;
        s->probabilities_max = tokens * longest * shape->heads;
        for (size_t i = 0; fine && i < shape->layers; i++)
                fine = kept_init(&s->kept[i], shape, tokens, s->probabilities_max);
        s->turns = net_turns_new(longest, shape->head_width, shape->rope_base);
        s->positions = calloc(tokens, sizeof(*s->positions));
        return fine && s->turns && s->positions && take(&s->out, tokens * shape->width) &&
               take(&s->out_rows, tokens * shape->width) && take(&s->out_inverse, tokens) &&
               take(&s->logits, tokens * shape->vocabulary) && take(&s->d_stream, tokens * shape->width) &&
               take(&s->d_normal, tokens * shape->width) && take(&s->d_qkv, tokens * qkv_width(shape)) &&
               take(&s->d_attended, tokens * shape->width) && take(&s->d_gate_up, tokens * 2 * shape->ff_width) &&
               take(&s->d_active, tokens * shape->ff_width) && take(&s->d_out_rows, tokens * shape->width) &&
               take(&s->flipped_k, longest * shape->head_width) && take(&s->flipped_v, longest * shape->head_width) &&
               take(&s->d_scores, longest);
}

int net_space_new(const struct net_layout *l, size_t tokens_max, struct net_space **ret) {
        struct net_space *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        if (!space_init(s, l, tokens_max)) {
                net_space_free(s);
                return -ENOMEM;
        }
        *ret = s;
        return 0;
}

static void kept_done(struct kept *k) {
        float *all[] = { k->in,  k->middle,        k->normal_1, k->normal_2, k->inverse_1, k->inverse_2,
                         k->qkv, k->probabilities, k->attended, k->gate_up,  k->active };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                free(all[i]);
}

void net_space_free(struct net_space *s) {
        if (!s)
                return;
        for (size_t i = 0; i < NET_LAYERS_MAX; i++)
                kept_done(&s->kept[i]);
        float *all[] = { s->turns,    s->out,        s->out_rows,  s->out_inverse, s->logits,
                         s->d_stream, s->d_normal,   s->d_qkv,     s->d_attended,  s->d_gate_up,
                         s->d_active, s->d_out_rows, s->flipped_k, s->flipped_v,   s->d_scores };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                free(all[i]);
        free(s->positions);
        gemm_space_done(&s->gemm);
        free(s);
}

/* As a q4_0 cache keeps a row: 32 values share a scale, each a step of sixteen. Rotated keys are what a
 * cache holds, so this comes after the rotation. Its gradient is taken as that of the identity. */
static void round_coarsely(float *x, size_t count) {
        for (size_t block = 0; block + 32 <= count; block += 32) {
                float extreme = 0.0f;

                for (size_t i = block; i < block + 32; i++)
                        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
                if (extreme == 0.0f)
                        continue;
                float scale = extreme / -8.0f;

                for (size_t i = block; i < block + 32; i++) {
                        float step = floorf(x[i] / scale + 8.5f);

                        x[i] = ((step > 15.0f ? 15.0f : step) - 8.0f) * scale;
                }
        }
}

static void rotate_all(const struct net_space *s, float *qkv, size_t tokens, float sign) {
        const struct net_shape *shape = &s->layout->shape;
        size_t heads = shape->heads + shape->kv_heads;

        for (size_t t = 0; t < tokens; t++)
                for (size_t h = 0; h < heads; h++)
                        net_rotate(qkv + t * qkv_width(shape) + h * shape->head_width, shape->head_width,
                                   s->turns + s->positions[t] * shape->head_width, sign);
}

/* to[c][j] = from[j * step + c] */
static void flip(float *restrict to, const float *restrict from, size_t step, size_t length, size_t width) {
        for (size_t j = 0; j < length; j++)
                for (size_t c = 0; c < width; c++)
                        to[c * length + j] = from[j * step + c];
}

/* sums[j] = sum over c of x[c] * flipped[c][j], for the first COUNT of LENGTH columns. */
static void dots(float *restrict sums, const float *restrict x, const float *restrict flipped, size_t width, size_t length,
                 size_t count) {
        memset(sums, 0, count * sizeof(float));
        for (size_t c = 0; c < width; c += 2) {
                const float *row = flipped + c * length, *next = row + length;
                float a = x[c], b = x[c + 1];

                for (size_t j = 0; j < count; j++)
                        sums[j] += a * row[j] + b * next[j];
        }
}

static void add_scaled(float *restrict to, const float *restrict x, float factor, size_t count) {
        for (size_t i = 0; i < count; i++)
                to[i] += factor * x[i];
}

/* One head of one sequence: LENGTH rows from QKV, results into ATTENDED. */
static void attend(const struct net_space *s, const float *qkv, float *probabilities, float *attended, size_t head,
                   size_t length) {
        const struct net_shape *shape = &s->layout->shape;
        size_t width = shape->head_width, step = qkv_width(shape);
        size_t kv_head = head / (shape->heads / shape->kv_heads);
        const float *v = qkv + (shape->heads + shape->kv_heads + kv_head) * width;
        float scale = 1.0f / sqrtf((float) width);

        for (size_t i = 0; i < length; i++) {
                float *row = probabilities + i * length;
                float *to = attended + i * shape->width + head * width;

                dots(row, qkv + i * step + head * width, s->flipped_k, width, length, i + 1);
                for (size_t j = 0; j <= i; j++)
                        row[j] *= scale;
                net_softmax(row, i + 1);
                memset(to, 0, width * sizeof(float));
                for (size_t j = 0; j <= i; j++)
                        add_scaled(to, v + j * step, row[j], width);
        }
}

static void d_attend(const struct net_space *s, const float *qkv, const float *probabilities, size_t head, size_t length,
                     const float *d_attended, float *d_qkv) {
        const struct net_shape *shape = &s->layout->shape;
        size_t width = shape->head_width, step = qkv_width(shape);
        size_t kv_head = head / (shape->heads / shape->kv_heads);
        size_t k = (shape->heads + kv_head) * width, v = k + shape->kv_heads * width, q = head * width;
        float scale = 1.0f / sqrtf((float) width);

        for (size_t i = 0; i < length; i++) {
                const float *row = probabilities + i * length;
                const float *d_out = d_attended + i * shape->width + q;
                float *d = s->d_scores;

                dots(d, d_out, s->flipped_v, width, length, i + 1);
                float sum = gemm_dot(row, d, i + 1);

                for (size_t j = 0; j <= i; j++)
                        d[j] = row[j] * (d[j] - sum) * scale;
                for (size_t j = 0; j <= i; j++) {
                        add_scaled(d_qkv + j * step + v, d_out, row[j], width);
                        add_scaled(d_qkv + i * step + q, qkv + j * step + k, d[j], width);
                        add_scaled(d_qkv + j * step + k, qkv + i * step + q, d[j], width);
                }
        }
}

/* Every sequence and head in turn: forward, or backward when D_ATTENDED is given. */
static void for_each_head(const struct net_space *s, const struct kept *k, const struct net_batch *batch, const float *d_attended,
                          float *d_qkv) {
        const struct net_shape *shape = &s->layout->shape;
        size_t width = shape->head_width, step = qkv_width(shape), group = shape->heads / shape->kv_heads;
        float *probabilities = k->probabilities;

        for (size_t q = 0; q < batch->sequences_count; q++) {
                size_t start = batch->starts[q], length = batch->starts[q + 1] - start;
                float *qkv = k->qkv + start * step;

                for (size_t head = 0; head < shape->heads; head++, probabilities += length * length) {
                        const float *keys = qkv + (shape->heads + head / group) * width;

                        if (head % group == 0 && !d_attended)
                                flip(s->flipped_k, keys, step, length, width);
                        if (head % group == 0 && d_attended)
                                flip(s->flipped_v, keys + shape->kv_heads * width, step, length, width);
                        if (d_attended)
                                d_attend(s, qkv, probabilities, head, length, d_attended + start * shape->width,
                                         d_qkv + start * step);
                        else
                                attend(s, qkv, probabilities, k->attended + start * shape->width, head, length);
                }
        }
}

static void normalize_all(float *to, float *inverse, const float *x, const float *weight, size_t rows,
                          const struct net_shape *shape) {
        for (size_t t = 0; t < rows; t++)
                inverse[t] =
                        net_normalize(to + t * shape->width, x + t * shape->width, weight, shape->width, shape->norm_epsilon);
}

/* Adds to D_X and D_WEIGHT what passes back through one row of a norm. */
static void d_normalize(float *restrict d_x, float *restrict d_weight, const float *restrict d_y, const float *restrict x,
                        const float *restrict weight, float inverse, size_t width) {
        float along = 0.0f;

        for (size_t i = 0; i < width; i++)
                along += d_y[i] * weight[i] * x[i];
        along *= inverse * inverse * inverse / (float) width;
        for (size_t i = 0; i < width; i++) {
                d_weight[i] += d_y[i] * x[i] * inverse;
                d_x[i] += d_y[i] * weight[i] * inverse - x[i] * along;
        }
}

static void activate(float *restrict active, const float *restrict gate_up, size_t rows, size_t width) {
        for (size_t t = 0; t < rows; t++, gate_up += 2 * width, active += width)
                for (size_t i = 0; i < width; i++)
                        active[i] = gate_up[i] * net_sigmoid(gate_up[i]) * gate_up[width + i];
}

static void d_activate(float *restrict d_gate_up, const float *restrict d_active, const float *restrict gate_up, size_t rows,
                       size_t width) {
        for (size_t t = 0; t < rows; t++, gate_up += 2 * width, d_gate_up += 2 * width, d_active += width)
                for (size_t i = 0; i < width; i++) {
                        float gate = gate_up[i], s = net_sigmoid(gate);

                        d_gate_up[i] = d_active[i] * gate_up[width + i] * s * (1.0f + gate * (1.0f - s));
                        d_gate_up[width + i] = d_active[i] * gate * s;
                }
}

/* Y[rows x outputs] = X * W^T, with W stored by outputs. */
static void apply(struct net_space *s, float *y, const float *x, const float *w, size_t rows, size_t inputs, size_t outputs,
                  bool add) {
        gemm(&s->gemm, rows, outputs, inputs, matrix_rows(x, inputs), matrix_turned(w, inputs), y, outputs, add);
}

/* The gradient of `apply`: adds to D_W, and writes (or adds, with ADD) D_X. */
static void d_apply(struct net_space *s, float *d_x, float *d_w, const float *d_y, const float *x, const float *w, size_t rows,
                    size_t inputs, size_t outputs, bool add) {
        gemm(&s->gemm, outputs, inputs, rows, matrix_turned(d_y, outputs), matrix_rows(x, inputs), d_w, inputs, true);
        gemm(&s->gemm, rows, inputs, outputs, matrix_rows(d_y, outputs), matrix_rows(w, inputs), d_x, inputs, add);
}

static void layer_forward(struct net_space *s, const float *weights, size_t layer, const struct net_batch *batch, float *out) {
        const struct net_shape *shape = &s->layout->shape;
        struct net_layer at = net_layer_at(s->layout, layer);
        const struct kept *k = &s->kept[layer];
        size_t tokens = batch->tokens_count, width = shape->width, step = qkv_width(shape);

        normalize_all(k->normal_1, k->inverse_1, k->in, weights + at.attention_norm, tokens, shape);
        apply(s, k->qkv, k->normal_1, weights + at.qkv, tokens, width, step, false);
        rotate_all(s, k->qkv, tokens, 1.0f);
        for (size_t q = 0; q < batch->sequences_count; q++)
                for (size_t t = batch->starts[q]; batch->coarse[q] && t < batch->starts[q + 1]; t++)
                        round_coarsely(k->qkv + t * step + width, step - width);
        for_each_head(s, k, batch, NULL, NULL);
        memcpy(k->middle, k->in, tokens * width * sizeof(float));
        apply(s, k->middle, k->attended, weights + at.output, tokens, width, width, true);
        normalize_all(k->normal_2, k->inverse_2, k->middle, weights + at.ff_norm, tokens, shape);
        apply(s, k->gate_up, k->normal_2, weights + at.gate_up, tokens, width, 2 * shape->ff_width, false);
        activate(k->active, k->gate_up, tokens, shape->ff_width);
        memcpy(out, k->middle, tokens * width * sizeof(float));
        apply(s, out, k->active, weights + at.down, tokens, shape->ff_width, width, true);
}

static void layer_backward(struct net_space *s, const float *weights, size_t layer, const struct net_batch *batch,
                           float *gradient) {
        const struct net_shape *shape = &s->layout->shape;
        struct net_layer at = net_layer_at(s->layout, layer);
        const struct kept *k = &s->kept[layer];
        size_t tokens = batch->tokens_count, width = shape->width, step = qkv_width(shape);

        d_apply(s, s->d_active, gradient + at.down, s->d_stream, k->active, weights + at.down, tokens, shape->ff_width, width,
                false);
        d_activate(s->d_gate_up, s->d_active, k->gate_up, tokens, shape->ff_width);
        d_apply(s, s->d_normal, gradient + at.gate_up, s->d_gate_up, k->normal_2, weights + at.gate_up, tokens, width,
                2 * shape->ff_width, false);
        for (size_t t = 0; t < tokens; t++)
                d_normalize(s->d_stream + t * width, gradient + at.ff_norm, s->d_normal + t * width, k->middle + t * width,
                            weights + at.ff_norm, k->inverse_2[t], width);
        d_apply(s, s->d_attended, gradient + at.output, s->d_stream, k->attended, weights + at.output, tokens, width, width,
                false);
        memset(s->d_qkv, 0, tokens * step * sizeof(float));
        for_each_head(s, k, batch, s->d_attended, s->d_qkv);
        rotate_all(s, s->d_qkv, tokens, -1.0f);
        d_apply(s, s->d_normal, gradient + at.qkv, s->d_qkv, k->normal_1, weights + at.qkv, tokens, width, step, false);
        for (size_t t = 0; t < tokens; t++)
                d_normalize(s->d_stream + t * width, gradient + at.attention_norm, s->d_normal + t * width, k->in + t * width,
                            weights + at.attention_norm, k->inverse_1[t], width);
}

/* Turns one row of logits into SCALE times the gradient of -log p(id), and returns -log p(id). */
static double cross_entropy(float *logits, size_t count, uint32_t id, float scale, size_t *right) {
        float top = logits[0], wanted = logits[id];
        double sum = 0.0;

        for (size_t i = 1; i < count; i++)
                top = logits[i] > top ? logits[i] : top;
        *right += wanted >= top;
        for (size_t i = 0; i < count; i++)
                logits[i] = net_exp(logits[i] - top);
        for (size_t i = 0; i < count; i++)
                sum += (double) logits[i];
        float share = scale / (float) sum;

        for (size_t i = 0; i < count; i++)
                logits[i] *= share;
        logits[id] -= scale;
        return log(sum) - (double) (wanted - top);
}

/* Norm, logits and loss of the rows that have a target; leaves scaled gradients in the logits. */
static double head_forward(struct net_space *s, const float *weights, const struct net_batch *batch, float scale, size_t *right) {
        const struct net_shape *shape = &s->layout->shape;
        const float *norm = weights + net_output_norm(s->layout);
        double loss = 0.0;

        for (size_t i = 0; i < batch->targets_count; i++)
                s->out_inverse[i] = net_normalize(s->out_rows + i * shape->width, s->out + batch->targets[i].row * shape->width,
                                                  norm, shape->width, shape->norm_epsilon);
        apply(s, s->logits, s->out_rows, weights, batch->targets_count, shape->width, shape->vocabulary, false);
        for (size_t i = 0; i < batch->targets_count; i++)
                loss += cross_entropy(s->logits + i * shape->vocabulary, shape->vocabulary, batch->targets[i].id, scale, right);
        return loss;
}

static void head_backward(struct net_space *s, const float *weights, const struct net_batch *batch, float *gradient) {
        const struct net_shape *shape = &s->layout->shape;
        size_t norm = net_output_norm(s->layout), width = shape->width;

        d_apply(s, s->d_out_rows, gradient, s->logits, s->out_rows, weights, batch->targets_count, width, shape->vocabulary,
                false);
        memset(s->d_stream, 0, batch->tokens_count * width * sizeof(float));
        for (size_t i = 0; i < batch->targets_count; i++)
                d_normalize(s->d_stream + batch->targets[i].row * width, gradient + norm, s->d_out_rows + i * width,
                            s->out + batch->targets[i].row * width, weights + norm, s->out_inverse[i], width);
}

static void embed(struct net_space *s, const float *weights, const struct net_batch *batch) {
        size_t width = s->layout->shape.width;

        for (size_t q = 0; q < batch->sequences_count; q++)
                for (size_t t = batch->starts[q]; t < batch->starts[q + 1]; t++) {
                        s->positions[t] = (uint32_t) (t - batch->starts[q]);
                        memcpy(s->kept[0].in + t * width, weights + batch->ids[t] * width, width * sizeof(float));
                }
}

double net_loss(struct net_space *s, const float *weights, const struct net_batch *batch, float scale, float *gradient,
                size_t *ret_right) {
        size_t layers = s->layout->shape.layers, width = s->layout->shape.width, right = 0;

        assert(batch->tokens_count <= s->tokens_max && batch->sequences_count <= SHARD_SEQUENCES_MAX);
        embed(s, weights, batch);
        for (size_t i = 0; i < layers; i++)
                layer_forward(s, weights, i, batch, i + 1 < layers ? s->kept[i + 1].in : s->out);
        double loss = head_forward(s, weights, batch, scale, &right);

        if (gradient) {
                head_backward(s, weights, batch, gradient);
                for (size_t i = layers; i-- > 0;)
                        layer_backward(s, weights, i, batch, gradient);
                for (size_t t = 0; t < batch->tokens_count; t++)
                        add_scaled(gradient + batch->ids[t] * width, s->d_stream + t * width, 1.0f, width);
        }
        *ret_right = right;
        return loss;
}
