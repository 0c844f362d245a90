/*
 * openai_json.h - answers in the shapes of OpenAI's API, as text: the chunks of a stream and the whole of an answer.
 *
 * Pure: what is written depends on the arguments alone. In a stream the role stands in the first chunk only, all
 * chunks bear the same id and time, and the usage chunk has an empty list of choices.
 */
#ifndef HEADROOM_DAEMON_API_OPENAI_JSON_H
#define HEADROOM_DAEMON_API_OPENAI_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/requests/submit.h"
#include "engine/base/strbuf.h"

struct openai_json {
        bool is_chat;
        const char *id;
        int64_t created;   /* Unix seconds */
        const char *model; /* as the client called it */
};

/* Each adds one whole event, "data: {...}\n\n". */
void openai_json_role_chunk(struct text *out, const struct openai_json *s);
/* LOGPROBS: see openai_json_logprobs, or NULL. */
void openai_json_text_chunk(struct text *out, const struct openai_json *s, const char *text, const struct text *logprobs);
void openai_json_reasoning_chunk(struct text *out, const struct openai_json *s, const char *text);
void openai_json_call_chunk(struct text *out, const struct openai_json *s, const struct request_call *call);
void openai_json_finish_chunk(struct text *out, const struct openai_json *s, const char *finish);
void openai_json_usage_chunk(struct text *out, const struct openai_json *s, const struct request_usage *usage);
void openai_json_done(struct text *out);
void openai_json_error(struct text *out, const struct failure *failure);
/* ": ping WHY\n\n", which clients skip. */
void openai_json_ping(struct text *out, const char *why);

/* Calls of tools gather piece by piece. Start with all zero; a failure sticks to LIST. */
struct openai_json_calls {
        struct text list;      /* the text between the brackets, without the end of the last call */
        struct text arguments; /* of the last call, as they came */
        uint32_t count;
};
void openai_json_calls_done(struct openai_json_calls *c);
void openai_json_calls_clear(struct openai_json_calls *c);
void openai_json_calls_add(struct openai_json_calls *c, const struct request_call *call);
void openai_json_calls_end(struct openai_json_calls *c); /* no more comes */

/* The answer that is not streamed. */
struct openai_json_answer {
        const char *text;
        const char *reasoning;                 /* "": none */
        const struct openai_json_calls *calls; /* ended */
        const struct text *logprobs;           /* or NULL */
        const char *finish;
        const struct request_usage *usage;
};
void openai_json_whole(struct text *out, const struct openai_json *s, const struct openai_json_answer *a);

/*
 * Log probabilities gather piece by piece: chat wants one list of objects, completions four lists side by side.
 * Start with all zero.
 */
struct openai_json_logprobs {
        struct text tokens, values, tops, offsets; /* chat uses only the first */
        uint32_t count;
        uint64_t offset; /* characters of text so far */
};
void openai_json_logprobs_done(struct openai_json_logprobs *l);
/* Forgets the tokens but not the offset: the next chunk of a stream. */
void openai_json_logprobs_clear(struct openai_json_logprobs *l);
/* FRAME is the array of the wire protocol. */
void openai_json_logprobs_add(struct openai_json_logprobs *l, bool is_chat, const cJSON *frame);
/* The object that goes behind "logprobs":. */
void openai_json_logprobs_write(struct text *out, const struct openai_json_logprobs *l, bool is_chat);

#endif
