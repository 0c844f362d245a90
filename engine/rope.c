/* rope.c - angles in double precision: a float loses them after some ten thousand positions. */
#include "engine/rope.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "engine/kernels/half.h"

int rope_init(struct rope *r, const struct shape *s, const uint8_t *factors) {
        uint32_t pairs = s->n_rot / 2;
        double *frequencies = malloc((pairs ? pairs : 1) * sizeof(*frequencies));
        if (!frequencies)
                return -ENOMEM;
        for (uint32_t i = 0; i < pairs; i++) {
                double turn = pow((double) s->rope_freq_base, -2.0 * i / s->n_rot) * (double) s->rope_freq_scale;
                frequencies[i] = factors ? turn / (double) load_float(factors + 4 * (size_t) i) : turn;
        }
        *r = (struct rope){ pairs, frequencies };
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
                out[2 * i] = (float) cosine;
                out[2 * i + 1] = (float) sine;
        }
}

void rope_rotate(const float *angles, uint32_t pairs, float *heads, uint32_t count, uint32_t d_head) {
        for (uint32_t h = 0; h < count; h++, heads += d_head) {
                for (uint32_t i = 0; i < 2 * pairs; i += 2) {
                        float x = heads[i], y = heads[i + 1], cosine = angles[i], sine = angles[i + 1];
                        heads[i] = x * cosine - y * sine;
                        heads[i + 1] = x * sine + y * cosine;
                }
        }
}
