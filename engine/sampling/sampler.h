/*
 * sampler.h - logits to the next token.
 *
 * The order: logit bias, penalties, temperature, top-k, top-p (of what top-k left), min-p, one draw. The last
 * three each keep a beginning of the tokens in descending order (ties: lower id first), so what remains is the
 * shortest of the three. Temperature comes before the cuts, as in the OpenAI service.
 *
 * Where a request asks for more than that (chain.h) all of it is done in that order instead, the temperature last.
 *
 * Temperature 0 is the exact argmax of the biased and penalised logits, and draws nothing. Otherwise each pick
 * costs one draw of a generator that belongs to the request alone: the same seed and prompt give the same
 * text, whatever else the engine is doing. A logit that is not a number is never chosen.
 */
#ifndef HEADROOM_ENGINE_SAMPLING_SAMPLER_H
#define HEADROOM_ENGINE_SAMPLING_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/sampling/chain.h"

struct token_bias {
        int32_t id;
        float bias; /* added to the logit; -INFINITY bans the token */
};

/* How a request wants its tokens chosen: checked values. Start from sampling_default. */
struct sampling {
        float temperature;    /* 0: greedy */
        uint32_t top_k;       /* 0: off */
        float top_p;          /* 0..1; 1: off */
        float min_p;          /* 0..1, relative to the likeliest token; 0: off */
        float repeat_penalty; /* > 0; over the last repeat_last_n tokens of prompt and answer; 1: off */
        uint32_t repeat_last_n;
        float presence_penalty;  /* once for a token that the answer already has */
        float frequency_penalty; /* times its count in the answer */
        uint64_t seed;
        struct token_bias *biases; /* owned by whoever made this; a later one for the same id adds up */
        uint32_t biases_count;
        struct sampler_chain chain; /* its breakers are owned by whoever made this */
};

/* Temperature 0.8, top-k 40, top-p 0.95, min-p 0.05, no penalty: what local models are commonly run with. */
struct sampling sampling_default(void);

/* Room that all samplers of one thread may share: n_vocab candidates and logits. */
struct sampler_scratch;
int sampler_scratch_new(uint32_t n_vocab, struct sampler_scratch **ret); /* 0 or -ENOMEM */
void sampler_scratch_free(struct sampler_scratch *s);

struct sampler;

/* SAMPLING must outlive the sampler. 0 or -ENOMEM. */
int sampler_new(const struct sampling *sampling, uint32_t n_vocab, struct sampler **ret);
void sampler_free(struct sampler *s);

/* Tells of a token that is now part of the text, for the penalties: each prompt token, then each one picked. */
void sampler_note(struct sampler *s, int32_t id, bool of_answer);

/* False: there is NaN or infinity among them, and no pick means anything. What a bias bans is not in them. */
bool sampler_logits_are_numbers(const float *logits, uint32_t n_vocab);
/* The next token. LOGITS has n_vocab values. O(n_vocab) but for flat distributions without top-k. */
int32_t sampler_pick(struct sampler *s, struct sampler_scratch *scratch, const float *logits);
/*
 * The next of those tokens whose bit is set in ALLOWED (32 in a word); -1 when none of them can be chosen. Where a pick that was
 * not allowed is followed by this, tokens come as often as if the others had never been there (von Neumann, 1951), but
 * for top-k, top-p and min-p, which cut the two lists apart.
 */
int32_t sampler_pick_among(struct sampler *s, struct sampler_scratch *scratch, const float *logits, const uint32_t *allowed);

struct logprob {
        int32_t id;
        float value; /* natural logarithm of the probability */
};

/*
 * Log-probabilities of the model itself: the softmax of the raw logits, before bias, penalties and
 * temperature, since a client asks for them to learn what the model believes, not how it was sampled.
 * Returns that of CHOSEN; TOP gets the TOP_COUNT (<= LOGPROBS_TOP_MAX, n_vocab) likeliest, best first.
 */
float sampler_logprobs(const float *logits, uint32_t n_vocab, int32_t chosen, struct logprob top[], uint32_t top_count);

#endif
