/*
 * mirostat.h - keeps the surprise of a text near a target, by learning where to cut (Basu et al., arXiv:2007.14966).
 *
 * MU, in bits, is the greatest surprise allowed at the moment; it begins at twice the target TAU. After each token whose surprise was
 * -log2 p: mu -= ETA (-log2 p - tau). Version 1 estimates the exponent s of Zipf's law from the likeliest 100 and keeps the k likeliest,
 *      k = (e 2^mu / (1 - N^-e))^(1/s), e = s - 1, N tokens in the vocabulary;
 * version 2 keeps those whose own surprise is at most mu.
 */
#ifndef HEADROOM_ENGINE_SAMPLING_MIROSTAT_H
#define HEADROOM_ENGINE_SAMPLING_MIROSTAT_H

#include "engine/sampling/candidates.h"

/* One candidate stays at least. */
void mirostat_cut(struct candidates *c, uint32_t version, float mu, uint32_t n_vocab);
/* The new mu, P being the probability that the chosen one had among those that were left. */
float mirostat_learn(float mu, float p, float tau, float eta);

#endif
