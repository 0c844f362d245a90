/*
 * pooling.h - one vector for a text, from the hidden states of its tokens.
 *
 * The file says how, in `<architecture>.pooling_type`: 1 the mean of all, 2 the first token's (CLS), 3 the last one's; 0 or
 * nothing leaves it open, and is the mean here. 4 is for models that rank texts and have no vectors to give. What comes out has
 * length 1, so that the product of two is their cosine; no file says otherwise. Fewer dimensions are the first ones, made
 * length 1 again, which is what models that allow it were trained for (Kusupati et al. 2022, "Matryoshka Representation Learning").
 */
#ifndef HEADROOM_ENGINE_POOLING_H
#define HEADROOM_ENGINE_POOLING_H

#include <stdint.h>

#include "engine/gguf.h"

enum pooling {
        POOLING_MEAN,
        POOLING_FIRST,
        POOLING_LAST,
        POOLING_RANK,  /* no vectors */
        POOLING_OTHER, /* the file says something that is not known here */
};

/* ARCH: as arch_name gives it. */
enum pooling pooling_of(const struct gguf *g, const char *arch);
/* Why texts cannot be embedded so: a sentence; NULL when they can. */
const char *pooling_refusal(enum pooling p);

/*
 * Takes the hidden states (N_EMBD each) of COUNT tokens, the first of which is number POSITION of TOTAL, into SUM (N_EMBD, zero
 * before the first). However a text was cut, the sum is the same, bit for bit.
 */
void pooling_add(enum pooling p, double *sum, const float *hidden, uint32_t count, uint32_t n_embd, uint32_t position,
                 uint32_t total);
/* The first DIMENSIONS of SUM, made length 1; all zero where they are. */
void pooling_finish(const double *sum, uint32_t dimensions, float *vector);

#endif
