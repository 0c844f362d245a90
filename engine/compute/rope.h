/*
 * rope.h - rotary position embedding (Su et al., "RoFormer", 2021): pair i of a head is rotated by
 * position * base^(-2i / n_rot), scaled as the file says. Which values are a pair is the architecture's (model/arch.h).
 */
#ifndef HEADROOM_ENGINE_COMPUTE_ROPE_H
#define HEADROOM_ENGINE_COMPUTE_ROPE_H

#include <stdint.h>

#include "engine/model/hparams.h"

struct rope {
        uint32_t pairs;
        float magnitude;     /* rotated values become longer by this */
        double *frequencies; /* radians per position, owned */
};

/* PAIRS of a head; FACTORS: as many floats that divide the frequencies, as stored, or NULL. 0 or -ENOMEM. */
int rope_init(struct rope *r, const struct rope_hparams *s, uint32_t pairs, const uint8_t *factors);
void rope_done(struct rope *r);

/* Cosine and sine of each pair at POSITION, times the magnitude: 2 * pairs floats. */
void rope_angles(const struct rope *r, uint32_t position, float *out);

/* Rotates the first 2 * pairs values of each of COUNT heads, which lie D_HEAD floats apart. */
void rope_rotate(const float *angles, enum rope_pairs kind, uint32_t pairs, float *heads, uint32_t count, uint32_t d_head);

#endif
