/* pooling.c - see pooling.h. */
#include "engine/compute/pooling.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

static bool counts(enum pooling pooling, uint32_t position, uint32_t total) {
        if (pooling == POOLING_CLS)
                return position == 0;
        return pooling == POOLING_MEAN || position + 1 == total;
}

void pooling_add(enum pooling pooling, double *sum, const struct pooled_rows *rows) {
        assert(pooling != POOLING_NONE && pooling < POOLING_COUNT);
        for (uint32_t i = 0; i < rows->count; i++)
                for (uint32_t d = 0; d < rows->n && counts(pooling, rows->first + i, rows->total); d++)
                        sum[d] += (double) rows->hidden[(size_t) i * rows->n + d];
}

bool pooling_finish(double *sum, uint32_t n, float *out) {
        double squares = 0;
        for (uint32_t d = 0; d < n; d++)
                squares += sum[d] * sum[d];
        double scale = squares > 0 ? 1 / sqrt(squares) : 0;
        for (uint32_t d = 0; d < n; d++) {
                out[d] = (float) (sum[d] * scale);
                sum[d] = 0;
        }
        return isfinite(squares);
}
