/* mirostat.c - see mirostat.h. */
#include "engine/sampling/mirostat.h"

#include <math.h>

#define LIKELIEST 100u /* that the exponent is estimated from: the paper's m */

/* Least squares of ln(p_i / p_i+1) over ln((i + 2) / (i + 1)). */
static double zipf_exponent(const struct candidates *c) {
        double above = 0, below = 0;
        for (uint32_t i = 0; i + 1 < c->count && i < LIKELIEST - 1 && c->p[i + 1] > 0; i++) {
                double t = log((double) (i + 2) / (i + 1));
                above += t * log((double) c->p[i] / (double) c->p[i + 1]);
                below += t * t;
        }
        return below > 0 ? above / below : 1;
}

static uint32_t zipf_count(double s, float mu, uint32_t n_vocab) {
        double e = s - 1, share = fabs(e) > 1e-9 ? e / (1 - pow(n_vocab, -e)) : 1 / log(n_vocab); /* its limit for e = 0 */
        double k = pow(share * exp2((double) mu), 1 / s);
        return k < 1 || !isfinite(k) ? 1 : k < n_vocab ? (uint32_t) k : n_vocab;
}

static uint32_t surprise_count(const struct candidates *c, float mu) {
        uint32_t kept = 0;
        while (kept < c->count && -log2((double) c->p[kept]) <= (double) mu)
                kept++;
        return kept ? kept : 1;
}

void mirostat_cut(struct candidates *c, uint32_t version, float mu, uint32_t n_vocab) {
        candidates_sort(c);
        candidates_weigh(c);
        candidates_keep_best(c, version == 1 ? zipf_count(zipf_exponent(c), mu, n_vocab) : surprise_count(c, mu));
}

float mirostat_learn(float mu, float p, float tau, float eta) {
        return mu - eta * (-log2f(p) - tau);
}
