/*
 * logprobs.h - log probabilities of an answer's tokens as OpenAI's clients know them. They gather piece by piece: chat wants one list of
 * objects, completions four lists side by side. Start with all zero.
 */
#ifndef HEADROOM_DAEMON_DIALECT_LOGPROBS_H
#define HEADROOM_DAEMON_DIALECT_LOGPROBS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/strbuf.h"

struct logprobs {
        struct text tokens, values, tops, offsets; /* chat uses only the first */
        uint32_t count;
        uint64_t offset; /* characters of text so far */
};
void logprobs_done(struct logprobs *l);
/* Forgets the tokens but not the offset: the next chunk of a stream. */
void logprobs_clear(struct logprobs *l);
/* FRAME is the array of the wire protocol. */
void logprobs_add(struct logprobs *l, bool is_chat, const cJSON *frame);
/* Out of memory, at any time. */
bool logprobs_failed(const struct logprobs *l);
/* The object that goes behind "logprobs":. */
void logprobs_write(struct text *out, const struct logprobs *l, bool is_chat);

#endif
