/* pooling.c - see pooling.h. */
#include "engine/pooling.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum pooling pooling_of(const struct gguf *g, const char *arch) {
        static const enum pooling known[] = { POOLING_MEAN, POOLING_MEAN, POOLING_FIRST, POOLING_LAST, POOLING_RANK };
        char key[96];
        uint32_t type;
        (void) snprintf(key, sizeof(key), "%s.pooling_type", arch);
        int r = gguf_get_u32(g, key, &type);
        if (r == -ENOENT)
                return POOLING_MEAN;
        return r == 0 && type < sizeof(known) / sizeof(known[0]) ? known[type] : POOLING_OTHER;
}

const char *pooling_refusal(enum pooling p) {
        if (p == POOLING_RANK)
                return "This model ranks texts and gives no embeddings: ask another model.";
        if (p == POOLING_OTHER)
                return "This model's file asks for a kind of pooling that is not known here: ask another model.";
        return NULL;
}

static void add_row(double *sum, const float *row, uint32_t n) {
        for (uint32_t d = 0; d < n; d++)
                sum[d] += (double) row[d];
}

void pooling_add(enum pooling p, double *sum, const float *hidden, uint32_t count, uint32_t n_embd, uint32_t position,
                 uint32_t total) {
        for (uint32_t i = 0; i < count; i++) {
                bool wanted = p == POOLING_FIRST ? position + i == 0 : p == POOLING_LAST ? position + i + 1 == total : true;
                if (wanted)
                        add_row(sum, hidden + (size_t) i * n_embd, n_embd);
        }
}

/* The mean's direction: dividing by the count would be undone by the scaling to length 1. */
void pooling_finish(const double *sum, uint32_t dimensions, float *vector) {
        double squares = 0;
        for (uint32_t d = 0; d < dimensions; d++)
                squares += sum[d] * sum[d];
        double scale = squares > 0 ? 1 / sqrt(squares) : 0;
        for (uint32_t d = 0; d < dimensions; d++)
                vector[d] = (float) (sum[d] * scale);
}
