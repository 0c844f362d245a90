/*
 * perplexity.h - the perplexity of a text: the arithmetic, and how a text is cut.
 *
 * The text's tokens are cut into chunks of the context length, one after the other, each computed for itself. Where the
 * vocabulary begins texts with a token (BOS), that takes the place of each chunk's first. The first half of a chunk is
 * there to be looked back on; each token of the second half counts, but for the first of it: with -ln of the probability
 * that the model gave it, knowing the chunk up to there. A last part that fills no chunk is left out, unless it is the
 * whole text. The perplexity is e to the mean m of these n numbers. Its standard error is taken from that of the mean, s /
 * sqrt(n), as if they were independent, to first order: perplexity times it. So do llama.cpp's `perplexity` and the tables
 * that are published with it (context 512), so numbers can be compared.
 *
 * Of two precisions of the KV cache the tokens' differences are averaged, whose spread is far less than that of either.
 */
#ifndef HEADROOM_ENGINE_CLI_PERPLEXITY_H
#define HEADROOM_ENGINE_CLI_PERPLEXITY_H

#include <stdint.h>

/* Mean and spread of numbers that come one by one (Welford 1962): all zero at first. */
struct running_mean {
        uint64_t count;
        double mean, squares; /* squares: sum of the squared distances from the mean */
};
void running_mean_add(struct running_mean *m, double value);
/* The standard error of the mean; 0 for fewer than two numbers. */
double running_mean_error(const struct running_mean *m);

/* -ln of the probability of TOKEN (below N) in the distribution that N logits make; infinite when they make none. */
double perplexity_loss(const float *logits, uint32_t n, uint32_t token);

struct perplexity_cut {
        uint32_t context;       /* tokens of a chunk */
        uint32_t first;         /* the position whose logits are looked at first, so first + 1 is the first that counts */
        uint32_t counted;       /* of a chunk */
        uint64_t chunks, total; /* total: that count in all */
};
/* For TOKENS of text: 0 and *ret; -EINVAL when fewer than 4, of which none would count. CHUNKS_MAX: 0 is all. */
int perplexity_cut(uint64_t tokens, uint32_t context, uint64_t chunks_max, struct perplexity_cut *ret);

#endif
