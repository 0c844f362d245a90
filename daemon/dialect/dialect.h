/*
 * dialect.h - a way in which clients ask and are answered: it writes the events of an answer as its clients know them.
 *
 * A dialect knows nothing of models or engines. What it is told is the same for all of them: an answer begins, a part of it begins, goes
 * on piece by piece and ends, and the answer ends, or fails. Each function adds to OUT what goes to the client, which may be nothing.
 * What a client asks becomes the one body that engines know (docs/http-api.md) by a translation (translate.h).
 */
#ifndef HEADROOM_DAEMON_DIALECT_DIALECT_H
#define HEADROOM_DAEMON_DIALECT_DIALECT_H

#include "daemon/dialect/answer.h"

struct dialect {
        const char *id_prefix;   /* of answers */
        const char *stream_type; /* Content-Type */
        bool keeps;              /* a stream needs at its end what was said */
        bool keeps_calls;        /* ... or each call when it ends */
        bool repeats;            /* what was asked stands in the answer: `repeated` */
        bool is_chat;            /* else the text of a prompt goes on */
        enum request_kind looks; /* a kind that only looks (request_events.h), without a stream; 0: it is an answer */
        bool lists_logprobs;     /* in lists side by side, not an object for each token */
        bool logprobs_of_text;   /* alone: those of other tokens are left out */
        bool pings_tell;         /* a ping says why one waits: one comes at once */
        bool has_choices;        /* a request may have several answers: `index`, `next`, `goes_on` */

        /* ---- a stream ---- */
        void (*begin)(struct text *out, struct answer *a);
        void (*open)(struct text *out, struct answer *a, const struct answer_part *p);
        /* TEXT is a piece of it. LOGPROBS: of a text's tokens (logprobs.h), or NULL. */
        void (*piece)(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs);
        void (*close)(struct text *out, struct answer *a, const struct answer_part *p);
        /*
         * FINISH: "stop", "length", "tool_calls", or "load" where no answer was asked for. A stop string that brought it stands in USAGE,
         * which is that of all answers.
         */
        void (*end)(struct text *out, struct answer *a, const char *finish, const struct request_usage *usage);
        void (*failed)(struct text *out, struct answer *a, const struct failure *failure);
        /* A sign of life where nothing else is to be said; nothing where the dialect has none. */
        void (*ping)(struct text *out, const char *why);

        /* ---- an answer that is sent whole; all parts are there, and all answers: A is the first ---- */
        void (*whole)(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage);

        /* A failure of the request REQUEST_ID as the body of its HTTP status. No newline. */
        void (*refuse)(struct text *out, const struct failure *failure, const char *request_id);
};

extern const struct dialect dialect_openai_chat, dialect_openai_completion; /* openai.c */
extern const struct dialect dialect_anthropic, dialect_anthropic_count;     /* anthropic.c */
extern const struct dialect dialect_responses, dialect_responses_count;     /* responses.c */

/* `refuse` of all of OpenAI's; `failed` and `ping` of streams like its own. */
void openai_refuse(struct text *out, const struct failure *failure, const char *request_id);
void openai_failed(struct text *out, struct answer *a, const struct failure *failure);
void openai_ping(struct text *out, const char *why);

#endif
