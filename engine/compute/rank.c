/* rank.c - see rank.h. A handful of products for each pair of texts: sums in double precision, a row of weights at a time. */
#include "engine/compute/rank.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"

/* Row NUMBER of W times X, and the bias where there is one. */
static double product(const struct matrix *w, const uint8_t *bias, uint32_t number, const float *x, float *row) {
        double sum = 0;
        float more = 0;
        kernels_get()->types[w->type].dequantize(matrix_row(w, number), w->columns, row);
        for (uint32_t i = 0; i < w->columns; i++)
                sum += (double) row[i] * (double) x[i];
        if (bias)
                memcpy(&more, bias + number * sizeof(more), sizeof(more));
        return sum + (double) more;
}

float rank_score(const struct model *m, const float *hidden, float *scratch) {
        uint32_t n = m->hparams.n_embd, labels = m->hparams.n_labels;
        float *dense = scratch, *row = scratch + n;
        double scores[RANK_LABELS_MAX], most = -HUGE_VAL, sum = 0;

        assert(labels >= 1 && labels <= RANK_LABELS_MAX);
        for (uint32_t i = 0; m->cls.data && i < n; i++)
                dense[i] = (float) tanh(product(&m->cls, m->cls_bias, i, hidden, row));
        for (uint32_t i = 0; i < labels; i++) {
                scores[i] = product(&m->cls_output, m->cls_output_bias, i, m->cls.data ? dense : hidden, row);
                most = fmax(most, scores[i]);
        }
        if (!m->hparams.causal || labels == 1)
                return (float) scores[0];
        for (uint32_t i = 0; i < labels; i++)
                sum += exp(scores[i] - most);
        return (float) (exp(scores[0] - most) / sum);
}
