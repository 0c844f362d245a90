/* pooling.h - one vector for a text, of the hidden states of its tokens (enum pooling: model/hparams.h). */
#ifndef HEADROOM_ENGINE_COMPUTE_POOLING_H
#define HEADROOM_ENGINE_COMPUTE_POOLING_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/hparams.h"

/* Some consecutive tokens of a text. */
struct pooled_rows {
        const float *hidden; /* N floats each */
        uint32_t n, first, count;
        uint32_t total; /* tokens of the whole text */
};

/* Takes ROWS into SUM (n numbers, 0 at first). All of a text in order; how it is cut changes nothing. Not POOLING_NONE. */
void pooling_add(enum pooling pooling, double *sum, const struct pooled_rows *rows);
/*
 * The vector, of length 1: what compares by direction is not told the length. (So a mean needs no division before.) Zeros stay
 * zeros. SUM is 0 again. False: it holds NaN or infinity, and OUT says nothing.
 */
bool pooling_finish(double *sum, uint32_t n, float *out);

#endif
