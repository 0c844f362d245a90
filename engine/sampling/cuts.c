/* cuts.c - see cuts.h. */
#include "engine/sampling/cuts.h"

#include <math.h>
#include <string.h>

static uint32_t at_least(uint32_t count, uint32_t min_keep) {
        return count > min_keep ? count : min_keep;
}

void cut_top_k(struct candidates *c, uint32_t k, uint32_t min_keep) {
        if (k > 0)
                candidates_keep_best(c, at_least(k, min_keep));
}

void cut_top_p(struct candidates *c, float p, uint32_t min_keep) {
        double sum = 0;
        if (p >= 1)
                return;
        candidates_sort(c);
        candidates_weigh(c);
        for (uint32_t i = 0; i < c->count; i++) {
                sum += c->p[i];
                if (sum >= (double) p && i + 1 >= min_keep)
                        c->count = i + 1;
        }
}

/* Those whose logit is at least LEAST; where they are too few, the best MIN_KEEP. */
static void keep_from(struct candidates *c, float least, uint32_t min_keep) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < c->count; i++)
                kept += c->list[i].logit >= least;
        if (kept < min_keep) {
                candidates_keep_best(c, min_keep);
                return;
        }
        kept = 0;
        for (uint32_t i = 0; i < c->count; i++)
                if (c->list[i].logit >= least)
                        c->list[kept++] = c->list[i];
        c->count = kept;
}

void cut_min_p(struct candidates *c, float p, uint32_t min_keep) {
        if (p > 0)
                keep_from(c, candidates_greatest(c) + logf(p), min_keep);
}

void cut_top_n_sigma(struct candidates *c, float n, uint32_t min_keep) {
        double sum = 0, squares = 0;
        if (n <= 0)
                return;
        for (uint32_t i = 0; i < c->count; i++)
                sum += c->list[i].logit;
        double mean = sum / c->count;
        for (uint32_t i = 0; i < c->count; i++)
                squares += (c->list[i].logit - mean) * (c->list[i].logit - mean);
        keep_from(c, candidates_greatest(c) - n * (float) sqrt(squares / c->count), min_keep);
}

/* ---- typical ---- */

/* Numbers that are not negative are in the order of their bits. */
static uint32_t bits_of(float f) {
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        return bits;
}

static uint32_t distance(float p, double entropy) {
        return p > 0 ? bits_of((float) fabs(-log((double) p) - entropy)) : bits_of(INFINITY);
}

static bool is_enough(const struct candidates *c, double entropy, uint32_t farthest, float p, uint32_t min_keep) {
        double mass = 0;
        uint32_t count = 0;
        for (uint32_t i = 0; i < c->count; i++)
                if (distance(c->p[i], entropy) <= farthest) {
                        mass += c->p[i];
                        count++;
                }
        return mass > (double) p && count >= min_keep;
}

void cut_typical(struct candidates *c, float p, uint32_t min_keep) {
        if (p >= 1)
                return;
        candidates_weigh(c);
        double entropy = candidates_entropy(c);
        uint32_t farthest = 0, kept = 0;
        for (uint32_t bit = 1u << 30; bit;
             bit >>= 1) /* the least distance that is enough, bit by bit: nothing has to be sorted */
                if (!is_enough(c, entropy, farthest | (bit - 1), p, min_keep))
                        farthest |= bit;
        for (uint32_t i = 0; i < c->count; i++)
                if (distance(c->p[i], entropy) <= farthest)
                        c->list[kept++] = c->list[i];
        c->count = kept;
}

/* ---- xtc ---- */

void cut_xtc(struct candidates *c, float probability, float threshold, uint32_t min_keep, struct random *random) {
        if (probability <= 0 || threshold > 0.5f || random_unit(random) > (double) probability)
                return;
        candidates_sort(c);
        candidates_weigh(c);
        uint32_t likely = 0;
        while (likely < c->count && c->p[likely] >= threshold)
                likely++;
        if (likely < 2 || c->count - (likely - 1) < min_keep)
                return;
        c->count -= likely - 1;
        memmove(c->list, c->list + likely - 1, c->count * sizeof(*c->list));
}
