/*
 * candidates.h - tokens that may be chosen, while samplers of the chain (chain.h) take some away and change the others' logits.
 */
#ifndef HEADROOM_ENGINE_SAMPLING_CANDIDATES_H
#define HEADROOM_ENGINE_SAMPLING_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/random.h"

struct candidate {
        float logit;
        int32_t id;
};

/* A greater logit comes first; of equal ones the lower id. */
bool candidate_comes_before(struct candidate a, struct candidate b);
/* A heap whose root comes last: after the root, or the element AT, has changed. */
void candidate_sift_down(struct candidate *heap, uint32_t count);
void candidate_sift_up(struct candidate *heap, uint32_t at);
/* The heap in order. */
void candidate_sort_heap(struct candidate *heap, uint32_t count);

struct candidates {
        struct candidate *list; /* none is NaN or -infinity */
        float *p;               /* as much room; good after candidates_weigh */
        uint32_t count;         /* at least 1 */
        bool sorted;
};
/* The first KEEP in order stay, all of them where there are no more. */
void candidates_keep_best(struct candidates *c, uint32_t keep);
void candidates_sort(struct candidates *c);
float candidates_greatest(const struct candidates *c);
/* Softmax of the logits, into p. */
void candidates_weigh(struct candidates *c);
/* In nats, of p. */
double candidates_entropy(const struct candidates *c);
/* The index of one that comes as often as p says. */
uint32_t candidates_draw(struct candidates *c, struct random *random);

#endif
