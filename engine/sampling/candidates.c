/* candidates.c - see candidates.h. */
#include "engine/sampling/candidates.h"

#include <math.h>

bool candidate_comes_before(struct candidate a, struct candidate b) {
        return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

void candidate_sift_down(struct candidate *heap, uint32_t count) {
        struct candidate moving = heap[0];
        uint32_t at = 0;
        for (;;) {
                uint32_t child = 2 * at + 1;
                if (child >= count)
                        break;
                if (child + 1 < count && candidate_comes_before(heap[child], heap[child + 1]))
                        child++;
                if (!candidate_comes_before(moving, heap[child]))
                        break;
                heap[at] = heap[child];
                at = child;
        }
        heap[at] = moving;
}

void candidate_sift_up(struct candidate *heap, uint32_t at) {
        struct candidate moving = heap[at];
        while (at > 0 && candidate_comes_before(heap[(at - 1) / 2], moving)) {
                heap[at] = heap[(at - 1) / 2];
                at = (at - 1) / 2;
        }
        heap[at] = moving;
}

void candidate_sort_heap(struct candidate *heap, uint32_t count) {
        for (uint32_t left = count; left > 1; left--) { /* the last in order goes to the end */
                struct candidate last = heap[0];
                heap[0] = heap[left - 1];
                candidate_sift_down(heap, left - 1);
                heap[left - 1] = last;
        }
}

void candidates_keep_best(struct candidates *c, uint32_t keep) {
        if (keep > c->count)
                keep = c->count;
        for (uint32_t i = 0; i < keep && !c->sorted; i++)
                candidate_sift_up(c->list, i);
        for (uint32_t i = keep; i < c->count && !c->sorted; i++) {
                if (!candidate_comes_before(c->list[i], c->list[0]))
                        continue;
                c->list[0] = c->list[i];
                candidate_sift_down(c->list, keep);
        }
        if (!c->sorted)
                candidate_sort_heap(c->list, keep);
        c->count = keep;
        c->sorted = true;
}

void candidates_sort(struct candidates *c) {
        candidates_keep_best(c, c->count);
}

float candidates_greatest(const struct candidates *c) {
        float greatest = c->list[0].logit;
        for (uint32_t i = 1; i < c->count && !c->sorted; i++)
                if (c->list[i].logit > greatest)
                        greatest = c->list[i].logit;
        return greatest;
}

void candidates_weigh(struct candidates *c) {
        float greatest = candidates_greatest(c);
        double sum = 0;
        for (uint32_t i = 0; i < c->count; i++)
                sum += c->p[i] = expf(c->list[i].logit - greatest);
        for (uint32_t i = 0; i < c->count; i++)
                c->p[i] = (float) (c->p[i] / sum);
}

double candidates_entropy(const struct candidates *c) {
        double entropy = 0;
        for (uint32_t i = 0; i < c->count; i++)
                if (c->p[i] > 0)
                        entropy -= c->p[i] * log((double) c->p[i]);
        return entropy;
}

/* One without any probability is never drawn, not even where rounding leaves something over. */
uint32_t candidates_draw(struct candidates *c, struct random *random) {
        double sum = 0;
        uint32_t last = 0;
        for (uint32_t i = 0; i < c->count; i++) {
                sum += c->p[i];
                if (c->p[i] > 0)
                        last = i;
        }
        double left = random_unit(random) * sum;
        for (uint32_t i = 0; i < last; i++) {
                left -= c->p[i];
                if (left < 0)
                        return i;
        }
        return last;
}
