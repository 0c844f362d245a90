/*
 * sequence.h - one request while it is computed: its tokens, its KV, its answer or its vectors.
 *
 * It is fed runs of its own tokens, in order, as many as the scheduler likes; what it does with the result does not
 * depend on how the runs were cut.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_SEQUENCE_H
#define HEADROOM_ENGINE_SCHEDULER_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/scheduler/output_stream.h"
#include "engine/scheduler/thinking.h"
#include "engine/compute/transformer.h"
#include "engine/grammar/constraint.h"
#include "engine/request/request.h"
#include "engine/sampling/sampler.h"
#include "engine/speculation/guesses.h"
#include "engine/unicode/utf8_stream.h"

struct sequence {
        struct request request; /* the input grows by the tokens made */
        struct kv_sequence kv;
        struct sampler *sampler; /* not for embeddings */
        struct constraint
                *constraint;     /* holds the answer to the request's grammar; NULL: it has none, or there is no token yet */
        struct guesses *guesses; /* the scheduler's; NULL: none were made yet */
        struct output_stream output;
        struct thinking thinking;
        uint64_t number;        /* in the order of coming */
        uint32_t prompt_tokens; /* of all inputs */
        uint32_t cached_tokens;
        uint32_t echoed;                    /* tokens of the prompt that were told (echo.h) ... */
        struct utf8_stream echo_characters; /* ... and what of a character has not been */
        uint32_t tokens_made;
        double logprobs_sum; /* of those, where it is scored */
        uint32_t input;      /* index of the input that is being computed */
        double *sum;         /* embeddings: of the hidden states of this input; n_embd */
        float *vectors;      /* embeddings: request.dimensions for each input */
        float *scratch;      /* where texts are ranked: for a hidden state and compute/rank.h */
        bool paused;
        struct suspension *suspension; /* the scheduler's: it has given its KV back, or is about to */
        struct lookup *lookup;         /* the scheduler's: its prefix is looked up in files, or read from one */
        bool asked;                    /* ... and that was done once */
        enum finish finish;
        uint64_t admitted_us, decoding_us; /* 0: not yet; decoding_us: when the first token was made */
        struct sequence *next;             /* in the queue */
};

enum sequence_state { SEQUENCE_GOES_ON, SEQUENCE_ENDED };

/* Takes over R on success. 0 or -ENOMEM. */
int sequence_new(const struct request_rules *rules, struct request *r, struct sequence **ret);
/* The KV must have been given up before. */
void sequence_free(struct sequence *q);

/* The tokens so far that are computed one after the other. */
const struct token_list *sequence_tokens(const struct sequence *q);
/* How many of them are not in the KV yet; at least 1 until it has ended. */
uint32_t sequence_pending(const struct sequence *q);
/* True while the sequence grows by one token at a time: the prompt is done, and so is all that had to be computed again. */
bool sequence_decodes(const struct sequence *q);
/* True while the log-probabilities of the prompt are still to be told (echo.h): no token of it may be taken from others. */
bool sequence_tells_prompt(const struct sequence *q);
/* Makes all tokens pending again after the KV was lost and given up. The answer is the same in the end. */
void sequence_begin_again(struct sequence *q, const struct request_rules *rules);

/* The next COUNT pending tokens as an item of a pass. */
struct transformer_item sequence_item(struct sequence *q, uint32_t count);
/* The item's result has come. 0 and *ret_state, -ENOMEM, or -EDOM where what came are no numbers. An input of several that is done gives up its KV. */
int sequence_advance(struct sequence *q, const struct request_rules *rules, struct kv_cache *cache,
                     struct sampler_scratch *scratch, const struct transformer_item *item, uint64_t now_us,
                     enum sequence_state *ret_state);

#endif
