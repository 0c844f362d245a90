/*
 * rope.h - rotary position embedding (Su et al., "RoFormer", 2021): pair i of a head is turned by
 * position * base^(-2i / n_rot), scaled as the file says. Pairs are neighbours (0,1), (2,3) ...: the order in
 * which GGUF stores the heads of the llama architecture.
 */
#ifndef HEADROOM_ENGINE_ROPE_H
#define HEADROOM_ENGINE_ROPE_H

#include <stdint.h>

#include "engine/shape.h"

struct rope {
        uint32_t pairs;
        double *frequencies; /* radians per position, owned */
};

/* FACTORS: n_rot / 2 floats that divide the frequencies (tensor rope_freqs), as stored, or NULL. 0 or -ENOMEM. */
int rope_init(struct rope *r, const struct shape *s, const uint8_t *factors);
void rope_done(struct rope *r);

/* Cosine and sine of each pair at POSITION: 2 * pairs floats. */
void rope_angles(const struct rope *r, uint32_t position, float *out);

/* Turns the first 2 * pairs values of each of COUNT heads, which lie D_HEAD floats apart. */
void rope_rotate(const float *angles, uint32_t pairs, float *heads, uint32_t count, uint32_t d_head);

#endif
