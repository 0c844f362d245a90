/* rope.c - angles in double precision: a float loses them after some ten thousand positions. */
#include "engine/compute/rope.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "engine/gguf/half.h"

/* The pair that turns TURNS times within the original context; Peng et al. 2023, equation 17 solved for the dimension. */
static double pair_of_turns(const struct rope_hparams *s, uint32_t pairs, double turns) {
        return pairs * log(s->n_ctx_original / (turns * 2 * M_PI)) / log((double) s->freq_base);
}

/* How much of pair I is scaled: 0 where it turns often enough to be known from training, 1 where it never came round. */
static double yarn_share(const struct rope_hparams *s, uint32_t pairs, uint32_t i) {
        double first = fmax(0, floor(pair_of_turns(s, pairs, (double) s->beta_fast)));
        double last = fmin(2.0 * pairs - 1, ceil(pair_of_turns(s, pairs, (double) s->beta_slow)));
        return fmin(1, fmax(0, (i - first) / fmax(0.001, last - first)));
}

int rope_init(struct rope *r, const struct rope_hparams *s, uint32_t pairs, const uint8_t *factors) {
        double *frequencies = malloc((pairs ? pairs : 1) * sizeof(*frequencies));
        if (!frequencies)
                return -ENOMEM;
        for (uint32_t i = 0; i < pairs; i++) {
                double hadamard = pow((double) s->freq_base, -1.0 * i / pairs), scale = (double) s->freq_scale;
                double scaled = s->scaling == ROPE_YARN ? yarn_share(s, pairs, i) : 1;
                hadamard = factors ? hadamard / (double) load_float(factors + 4 * (size_t) i) : hadamard;
                frequencies[i] = hadamard * (scaled * scale + (1 - scaled));
        }
        *r = (struct rope){ pairs, s->magnitude, frequencies };
        return 0;
}

void rope_done(struct rope *r) {
        free(r->frequencies);
        *r = (struct rope){ 0 };
}

void rope_angles(const struct rope *r, uint32_t position, float *out) {
        for (uint32_t i = 0; i < r->pairs; i++) {
                double sine, cosine;
                sincos(position * r->frequencies[i], &sine, &cosine);
                out[2 * i] = (float) cosine * r->magnitude;
                out[2 * i + 1] = (float) sine * r->magnitude;
        }
}

void rope_rotate(const float *angles, enum rope_pairs kind, uint32_t pairs, float *heads, uint32_t count, uint32_t d_head) {
        uint32_t apart = kind == ROPE_HALVES ? pairs : 1, step = kind == ROPE_HALVES ? 1 : 2;
        for (uint32_t h = 0; h < count; h++, heads += d_head) {
                float *x = heads;
                for (uint32_t i = 0; i < 2 * pairs; i += 2, x += step) {
                        float a = x[0], b = x[apart], cosine = angles[i], sine = angles[i + 1];
                        x[0] = a * cosine - b * sine;
                        x[apart] = a * sine + b * cosine;
                }
        }
}
