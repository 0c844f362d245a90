/*
 * output_stream.h - the tokens of one answer, on their way to text.
 *
 * Tokens go in one by one; whole UTF-8 characters come out, as soon as they cannot belong to a stop string
 * any more, taken apart into reasoning, content and calls of tools (output/chat_parser.h). Log-probabilities travel with the text of their token:
 * those of a stop string are dropped with it; where an answer is taken apart they come with the first part that the text gives.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_OUTPUT_STREAM_H
#define HEADROOM_ENGINE_SCHEDULER_OUTPUT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/output/chat_parser.h"
#include "engine/request/request.h"
#include "engine/sampling/sampler.h"
#include "engine/output/stop_strings.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/unicode/utf8_stream.h"

enum finish {
        FINISH_STOP,   /* by a stop string or end token */
        FINISH_LENGTH, /* no token more was allowed */
        FINISH_CALLS,  /* as STOP, and the answer calls tools */
};

struct token_logprob {
        int32_t id;  /* TOKEN_NONE: one without a text */
        bool first;  /* of a text */
        float value; /* NAN: nothing can be said of it */
        uint32_t top_count;
        struct logprob top[LOGPROBS_TOP_MAX];
};

/* A chunk that can be sent now. Points into the stream: valid until the next call. */
struct output_chunk {
        struct chat_chunk parsed;
        uint32_t tokens; /* made since the last chunk */
        const struct token_logprob *logprobs;
        uint32_t logprobs_count;
};

struct output_stream {
        const struct tokenizer *tokenizer;
        const struct stop_set *stops;
        bool first; /* the next token begins a text of its own */
        struct utf8_stream characters;
        struct stop_stream stream;
        size_t bytes_made;           /* all text so far */
        size_t bytes_taken;          /* of it, handed out */
        uint32_t tokens_new;         /* since the last chunk */
        struct token_made *made;     /* log-probabilities whose text is not out yet, with where it begins */
        struct token_logprob *ready; /* those of the last chunk; as much room */
        uint32_t made_count, made_capacity;
        bool handed; /* the free text of the stream has been handed out */
        bool ended;
        bool called_enough; /* a second call began where one was allowed: nothing more goes out */
        const struct chat_parser_setup *setup;
        struct chat_parser parser;
        struct output_chunk plain; /* the text put into the parser last: its tokens and log-probabilities go with the next part */
};

/*
 * CHAT: the answer is a text of its own, not the continuation of the prompt. STOPS and SETUP must outlive the stream. 0 or -ENOMEM;
 * output_stream_done afterwards either way.
 */
int output_stream_init(struct output_stream *a, const struct tokenizer *tokenizer, const struct stop_set *stops,
                       const struct chat_parser_setup *setup, bool chat);
void output_stream_done(struct output_stream *a);

/* Adds the text of token ID; LOGPROB may be NULL. 0 or -ENOMEM. Afterwards output_stream_stopped may tell of one. */
int output_stream_add(struct output_stream *a, int32_t id, const struct token_logprob *logprob);
/* A token that has no text: the end token. */
void output_stream_count(struct output_stream *a);
/* The stop string that has ended it, or NULL. */
const char *output_stream_stopped(const struct output_stream *a);
/* No token follows: what was held back comes out with the next chunk. 0 or -ENOMEM. */
int output_stream_end(struct output_stream *a);

/* The text that has been taken out ends within reasoning. */
bool output_stream_reasons(const struct output_stream *a);
bool output_stream_between_characters(const struct output_stream *a); /* the last token ended with a whole one */
bool output_stream_calls(const struct output_stream *a);              /* a tool has been called so far */

/* A token more would change nothing. */
bool output_stream_is_whole(const struct output_stream *a);

/* Takes the next chunk that can be sent: 1 and *ret, to be called again; 0 when there is none; -ENOMEM. */
int output_stream_take(struct output_stream *a, struct output_chunk *ret);

#endif
