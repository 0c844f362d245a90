/* chain.c - see chain.h. */
#include "engine/sampling/chain.h"

#include <string.h>

#include "engine/sampling/cuts.h"
#include "engine/sampling/mirostat.h"
#include "engine/sampling/sampler.h"
#include "engine/sampling/temperature.h"

/* ---- names ---- */

/* What llama.cpp's command line and server call them. */
static const struct {
        enum sampler_stage stage;
        char letter;
        const char *names[5];
} names[] = {
        { STAGE_PENALTIES, 'e', { "penalties" } },
        { STAGE_DRY, 'd', { "dry" } },
        { STAGE_TOP_N_SIGMA, 's', { "top_n_sigma", "top-n-sigma" } },
        { STAGE_TOP_K, 'k', { "top_k", "top-k" } },
        { STAGE_TYPICAL, 'y', { "typ_p", "typical_p", "typical-p", "typical", "typ" } },
        { STAGE_TOP_P, 'p', { "top_p", "top-p", "nucleus" } },
        { STAGE_MIN_P, 'm', { "min_p", "min-p" } },
        { STAGE_XTC, 'x', { "xtc" } },
        { STAGE_TEMPERATURE, 't', { "temperature", "temp" } },
};

enum sampler_stage sampler_stage_named(const char *name) {
        for (size_t i = 0; i < STAGE_COUNT; i++)
                for (size_t n = 0; n < 5 && names[i].names[n]; n++)
                        if (!strcmp(name, names[i].names[n]))
                                return names[i].stage;
        return name[0] && !name[1] ? sampler_stage_of_letter(name[0]) : STAGE_COUNT;
}

enum sampler_stage sampler_stage_of_letter(char letter) {
        for (size_t i = 0; i < STAGE_COUNT; i++)
                if (names[i].letter == letter)
                        return names[i].stage;
        return STAGE_COUNT;
}

/* ---- values ---- */

struct sampler_chain sampler_chain_default(void) {
        struct sampler_chain chain = {
                .count = STAGE_COUNT,
                .typical_p = 1,
                .xtc_threshold = 0.1f,
                .dynatemp_exponent = 1,
                .dry = { .base = 1.75f, .allowed_length = 2 },
                .mirostat_tau = 5,
                .mirostat_eta = 0.1f,
        };
        for (unsigned i = 0; i < STAGE_COUNT; i++)
                chain.order[i] = (enum sampler_stage) i;
        return chain;
}

bool sampler_chain_matters(const struct sampler_chain *chain) {
        return chain->typical_p < 1 || chain->top_n_sigma > 0 || chain->dry.multiplier > 0 || chain->xtc_probability > 0 ||
               chain->dynatemp_range > 0 || chain->mirostat || chain->min_keep > 1;
}

/* ---- running ---- */

static void penalise(const struct chain_state *state, struct candidates *c) {
        for (uint32_t i = 0; i < c->count; i++)
                c->list[i].logit = state->penalise(state->context, c->list[i]);
        c->sorted = false;
}

static void run(enum sampler_stage stage, const struct sampling *p, struct chain_state *state, struct candidates *c) {
        const struct sampler_chain *chain = &p->chain;
        uint32_t keep = chain->min_keep;
        switch (stage) {
        case STAGE_PENALTIES: penalise(state, c); break;
        case STAGE_DRY:
                if (state->dry)
                        dry_apply(state->dry, c);
                break;
        case STAGE_TOP_N_SIGMA: cut_top_n_sigma(c, chain->top_n_sigma, keep); break;
        case STAGE_TOP_K: cut_top_k(c, p->top_k, keep); break;
        case STAGE_TYPICAL: cut_typical(c, chain->typical_p, keep); break;
        case STAGE_TOP_P: cut_top_p(c, p->top_p, keep); break;
        case STAGE_MIN_P: cut_min_p(c, p->min_p, keep); break;
        case STAGE_XTC: cut_xtc(c, chain->xtc_probability, chain->xtc_threshold, keep, state->random); break;
        case STAGE_TEMPERATURE: temperature_apply(c, p->temperature, chain->dynatemp_range, chain->dynatemp_exponent); break;
        case STAGE_COUNT: break;
        }
}

int32_t chain_pick(const struct sampling *p, struct chain_state *state, struct candidates *c) {
        const struct sampler_chain *chain = &p->chain;
        for (uint32_t i = 0; i < chain->count && !chain->mirostat; i++)
                run(chain->order[i], p, state, c);
        if (chain->mirostat) {
                run(STAGE_PENALTIES, p, state, c);
                run(STAGE_TEMPERATURE, p, state, c);
                mirostat_cut(c, chain->mirostat, state->mu, state->n_vocab);
        }
        candidates_weigh(c);
        uint32_t chosen = candidates_draw(c, state->random);
        if (chain->mirostat)
                state->mu = mirostat_learn(state->mu, c->p[chosen], chain->mirostat_tau, chain->mirostat_eta);
        return c->list[chosen].id;
}
