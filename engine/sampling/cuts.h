/*
 * cuts.h - samplers that take candidates away, each by its own idea of which are too unlikely. MIN_KEEP of them stay in any case.
 */
#ifndef HEADROOM_ENGINE_SAMPLING_CUTS_H
#define HEADROOM_ENGINE_SAMPLING_CUTS_H

#include "engine/sampling/candidates.h"

/* The K likeliest (Fan et al., arXiv:1805.04833); 0: off. */
void cut_top_k(struct candidates *c, uint32_t k, uint32_t min_keep);
/* The likeliest that together have probability P (nucleus; Holtzman et al., arXiv:1904.09751); 1: off. */
void cut_top_p(struct candidates *c, float p, uint32_t min_keep);
/* Those at least P times as likely as the likeliest (Nguyen et al., arXiv:2407.01082); 0: off. */
void cut_min_p(struct candidates *c, float p, uint32_t min_keep);
/*
 * Those whose surprise is nearest to what is to be expected, |-ln p_i - H|, until together they have more than P (locally typical
 * sampling; Meister et al., arXiv:2202.00666); 1: off. Equally near ones stay together.
 */
void cut_typical(struct candidates *c, float p, uint32_t min_keep);
/* Those whose logit is at most N standard deviations of all logits under the greatest (Tang et al., arXiv:2411.07641); 0 or less: off. */
void cut_top_n_sigma(struct candidates *c, float n, uint32_t min_keep);
/*
 * With PROBABILITY, of all that have at least THRESHOLD, all but the least likely go (exclude top choices; p-e-w,
 * github.com/oobabooga/text-generation-webui/pull/6335). Over 0.5 no two can have it: off. Draws one number where it is on.
 */
void cut_xtc(struct candidates *c, float probability, float threshold, uint32_t min_keep, struct random *random);

#endif
