/* perplexity.c - see perplexity.h. */
#include "engine/cli/perplexity.h"

#include <errno.h>
#include <math.h>

void running_mean_add(struct running_mean *m, double value) {
        double distance = value - m->mean;
        m->mean += distance / (double) ++m->count;
        m->squares += distance * (value - m->mean);
}

double running_mean_error(const struct running_mean *m) {
        if (m->count < 2)
                return 0;
        return sqrt(m->squares / (double) (m->count - 1) / (double) m->count);
}

/* The largest is taken off first, so that no power of e overflows. */
double perplexity_loss(const float *logits, uint32_t n, uint32_t token) {
        float most = -INFINITY;
        for (uint32_t i = 0; i < n; i++)
                if (logits[i] > most)
                        most = logits[i];
        double sum = 0;
        for (uint32_t i = 0; i < n; i++)
                sum += (double) expf(logits[i] - most);
        double loss = log(sum) - (double) (logits[token] - most);
        return isnan(loss) ? (double) INFINITY : loss;
}

int perplexity_cut(uint64_t tokens, uint32_t context, uint64_t chunks_max, struct perplexity_cut *ret) {
        struct perplexity_cut cut = { .context = tokens < context ? (uint32_t) tokens : context };
        if (cut.context < 4)
                return -EINVAL;
        cut.first = cut.context / 2;
        cut.counted = cut.context - 1 - cut.first;
        cut.chunks = tokens / cut.context;
        if (chunks_max && cut.chunks > chunks_max)
                cut.chunks = chunks_max;
        cut.total = cut.chunks * cut.counted;
        *ret = cut;
        return 0;
}
