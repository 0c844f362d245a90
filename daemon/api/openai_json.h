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

#include "daemon/requests/request.h"
#include "engine/base/strbuf.h"

struct shape {
        bool is_chat;
        const char *id;
        int64_t created;   /* Unix seconds */
        const char *model; /* as the client called it */
};

/* Each adds one whole event, "data: {...}\n\n". */
void shape_role_chunk(struct text *out, const struct shape *s);
/* LOGPROBS: see shape_logprobs, or NULL. */
void shape_text_chunk(struct text *out, const struct shape *s, const char *text, const struct text *logprobs);
void shape_reasoning_chunk(struct text *out, const struct shape *s, const char *text);
void shape_call_chunk(struct text *out, const struct shape *s, const struct ask_call *call);
void shape_finish_chunk(struct text *out, const struct shape *s, const char *finish);
void shape_usage_chunk(struct text *out, const struct shape *s, const struct ask_usage *usage);
void openai_json_done(struct text *out);
void shape_error(struct text *out, const struct failure *failure);
/* ": ping WHY\n\n", which clients skip. */
void shape_ping(struct text *out, const char *why);

/* Calls of tools gather piece by piece. Start with all zero; a failure sticks to LIST. */
struct shape_calls {
        struct text list;      /* what stands between the brackets, without the end of the last call */
        struct text arguments; /* of the last call, as they came */
        uint32_t count;
};
void shape_calls_done(struct shape_calls *c);
void shape_calls_clear(struct shape_calls *c);
void shape_calls_add(struct shape_calls *c, const struct ask_call *call);
void shape_calls_end(struct shape_calls *c); /* no more comes */

/* The answer that is not streamed. */
struct shape_answer {
        const char *text;
        const char *reasoning;           /* "": none */
        const struct shape_calls *calls; /* ended */
        const struct text *logprobs;     /* or NULL */
        const char *finish;
        const struct ask_usage *usage;
};
void shape_whole(struct text *out, const struct shape *s, const struct shape_answer *a);

/*
 * Log probabilities gather piece by piece: chat wants one list of objects, completions four lists side by side.
 * Start with all zero.
 */
struct shape_logprobs {
        struct text tokens, values, tops, offsets; /* chat uses only the first */
        uint32_t count;
        uint64_t offset; /* characters of text so far */
};
void shape_logprobs_done(struct shape_logprobs *l);
/* Forgets the tokens but not the offset: the next chunk of a stream. */
void shape_logprobs_clear(struct shape_logprobs *l);
/* FRAME is the array of the wire protocol. */
void shape_logprobs_add(struct shape_logprobs *l, bool is_chat, const cJSON *frame);
/* The object that goes behind "logprobs":. */
void shape_logprobs_write(struct text *out, const struct shape_logprobs *l, bool is_chat);

#endif
