/*
 * chain.h - samplers one after the other, in an order that the client may name: what is asked for beyond the usual (sampler.h).
 *
 * The default order is llama.cpp's: penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature. With mirostat it is
 * penalties, temperature, mirostat. A sampler whose value is neutral does nothing, wherever it stands.
 */
#ifndef HEADROOM_ENGINE_SAMPLING_CHAIN_H
#define HEADROOM_ENGINE_SAMPLING_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/sampling/candidates.h"
#include "engine/sampling/dry.h"

enum sampler_stage {
        STAGE_PENALTIES,
        STAGE_DRY,
        STAGE_TOP_N_SIGMA,
        STAGE_TOP_K,
        STAGE_TYPICAL,
        STAGE_TOP_P,
        STAGE_MIN_P,
        STAGE_XTC,
        STAGE_TEMPERATURE,
        STAGE_COUNT, /* as an answer: none of this name */
};

/* By a name such as "top_k" or "typ_p", or by llama.cpp's letter for it. */
enum sampler_stage sampler_stage_named(const char *name);
enum sampler_stage sampler_stage_of_letter(char letter);

struct sampler_chain {
        bool on; /* else none of this is looked at */
        enum sampler_stage order[SAMPLERS_MAX];
        uint32_t count;
        uint32_t min_keep; /* candidates that every cut leaves */
        float typical_p, top_n_sigma, xtc_probability, xtc_threshold, dynatemp_range, dynatemp_exponent;
        struct dry_setting dry;
        uint32_t mirostat; /* version; 0: off */
        float mirostat_tau, mirostat_eta;
};
/* Off; all values neutral, and those beside them as llama.cpp has them. */
struct sampler_chain sampler_chain_default(void);
/* A value asks for something. */
bool sampler_chain_matters(const struct sampler_chain *chain);

struct sampling;

/* Its state for one answer. */
struct chain_state {
        struct dry *dry;     /* NULL: off */
        float mu, mu_before; /* of mirostat: now, and before the last pick */
        struct random *random;
        uint32_t n_vocab;
        float (*penalise)(const void *context, struct candidate c); /* what penalties make of a logit */
        const void *context;
};
/* The token chosen of C. */
int32_t chain_pick(const struct sampling *p, struct chain_state *state, struct candidates *c);

#endif
