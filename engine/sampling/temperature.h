/*
 * temperature.h - how much the likelier candidates are preferred: logits divided by a temperature.
 *
 * RANGE over 0: the temperature moves from TEMPERATURE - RANGE to TEMPERATURE + RANGE with how unsure the model is: with H the entropy
 * of the candidates' probabilities and n their number, (H / ln n)^EXPONENT (entropy-based dynamic temperature; Zhang et al.,
 * arXiv:2403.14541, in the form of github.com/ggml-org/llama.cpp/pull/4972).
 */
#ifndef HEADROOM_ENGINE_SAMPLING_TEMPERATURE_H
#define HEADROOM_ENGINE_SAMPLING_TEMPERATURE_H

#include "engine/sampling/candidates.h"

/* A temperature of 0 leaves the likeliest alone. */
void temperature_apply(struct candidates *c, float temperature, float range, float exponent);

#endif
