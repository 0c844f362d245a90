/*
 * request_events.h - callbacks to the owner of a request, from the first piece of the answer to its end, and the reason when one
 * is refused.
 */
#ifndef HEADROOM_DAEMON_STATE_REQUEST_EVENTS_H
#define HEADROOM_DAEMON_STATE_REQUEST_EVENTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/reason.h"

/* A refusal or a failure, ready to be shown: by HTTP, in-band in a stream, or in a log line. */
struct failure {
        enum reason reason;
        int status;       /* HTTP */
        const char *kind; /* OpenAI error type, e.g. "server_error" */
        char code[64];    /* "" for null */
        char param[64];   /* "" for null */
        char message[512];
        const char *advice;             /* "" for none */
        unsigned retry_after_s;         /* 0: no header; at most 120 */
        int should_retry;               /* -1: no header */
        int64_t n_prompt_tokens, n_ctx; /* -1, or set together for exceed_context_size_error */
};

struct request_usage {
        uint32_t prompt_tokens, completion_tokens, cached_tokens;
        uint32_t reasoning_tokens; /* among those of the completion */
        double prefill_ms, decode_ms;
        const char *stop; /* the stop string that ended the answer; NULL: none did. Borrowed */
        double score;     /* the mean log probability of its tokens, where that was asked for; else 0 */
};

/* A piece of a call of a tool. */
struct request_call {
        uint32_t index;        /* of the call in the answer, from 0 */
        const char *id, *name; /* of a call's first piece; NULL in those that follow */
        const char *arguments; /* the next bytes of its arguments, which are JSON; may be empty */
};

/*
 * Any but on_end and on_failed may be NULL. When an engine dies, a request whose owner was told no text yet is tried once more
 * on a fresh one; an owner that can take back what it was told (nothing of it has left the box) says so by having on_restart.
 */
struct request_events {
        void (*on_waiting)(void *user, const char *why); /* e.g. "loading", "making room", "queued": for SSE pings; may repeat */
        /* RELAXED: what of the client's schemas the answer is not held to, printable ASCII; or NULL. Borrowed. */
        void (*on_start)(void *user, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed);
        /* LOGPROBS NULL when not asked. TEXT NULL: they are of tokens that are no content. Both borrowed. */
        void (*on_text)(void *user, const char *text, const cJSON *logprobs);
        void (*on_reasoning)(void *user, const char *text);           /* reasoning before the answer; borrowed */
        void (*on_call)(void *user, const struct request_call *call); /* borrowed */
        void (*on_embedding)(void *user,
                             const cJSON *vector); /* REQUEST_EMBED: one for each text, in order; array of numbers, borrowed */
        void (*on_restart)(void *user);            /* forget on_start and on_text: the answer begins anew */
        void (*on_end)(void *user, const char *finish, const struct request_usage *usage);
        void (*on_failed)(void *user, const struct failure *failure);
};

struct bulk;

/* The JSON object of a client as it came, checked (engine/base/json_walk.h), and how many values it has. */
struct request_body {
        struct bulk *json;
        uint32_t values;
        uint32_t item;   /* which of its prompts is to be answered, from 0 ... */
        uint32_t choice; /* ... and which of the answers to that this is */
        uint64_t group;  /* of those to one prompt, which is computed once; 0: there is one alone */
        uint64_t tenant; /* whose it is, below 2^53: what an engine keeps of its text serves the same one alone; 0: nobody's */
        bool is_scored;  /* the usage shall tell the score */
};

/*
 * REQUEST_COUNT: a chat whose prompt is only counted, which its usage tells. REQUEST_TOKENS, _TEXT and _TEMPLATE ask the vocabulary and the
 * template alone (docs/wire-protocol.md). REQUEST_LOAD asks no engine: it ends when its model is there.
 */
enum request_kind {
        REQUEST_CHAT,
        REQUEST_COMPLETION,
        REQUEST_COUNT,
        REQUEST_TOKENS,
        REQUEST_TEXT,
        REQUEST_TEMPLATE,
        REQUEST_EMBED,
        REQUEST_RANK,
        REQUEST_LOAD
};

/* It asks what a vocabulary and a template say: nothing is computed for it, and how long that takes is no measure of an answer. */
static inline bool request_only_looks(enum request_kind kind) {
        return kind == REQUEST_COUNT || kind == REQUEST_TOKENS || kind == REQUEST_TEXT || kind == REQUEST_TEMPLATE;
}

/* It is answered by a vector for each of its texts, or by a score, a vector of one number. */
static inline bool request_is_for_vectors(enum request_kind kind) {
        return kind == REQUEST_EMBED || kind == REQUEST_RANK;
}

/* Interactive requests have a person waiting. Batch requests can wait, but not for ever: they gain rank with time. */
enum request_class { REQUEST_CLASS_OF_MODEL, REQUEST_INTERACTIVE, REQUEST_BATCH };

#endif
