/*
 * body_facts.h - what the daemon has to know of a body, found in one pass over it. All else in it is the engine's to read.
 *
 * Of equal names in an object the first counts, as it does for the engine, and null counts as absent. Pure, for any thread.
 */
#ifndef HEADROOM_DAEMON_API_BODY_FACTS_H
#define HEADROOM_DAEMON_API_BODY_FACTS_H

#include "engine/base/json_walk.h"

enum member {
        MEMBER_MODEL,
        MEMBER_STREAM,
        MEMBER_STREAM_OPTIONS,
        MEMBER_N,
        MEMBER_BEST_OF,
        MEMBER_ECHO,
        MEMBER_SUFFIX,
        MEMBER_MAX_TOKENS,
        MEMBER_MAX_COMPLETION_TOKENS,
        MEMBER_TEMPERATURE,
        MEMBER_TOP_P,
        MEMBER_TOP_K,
        MEMBER_MIN_P,
        MEMBER_PRESENCE_PENALTY,
        MEMBER_FREQUENCY_PENALTY,
        MEMBER_REPEAT_PENALTY,
        MEMBER_SEED,
        MEMBER_LOGIT_BIAS,
        MEMBER_LOGPROBS,
        MEMBER_TOP_LOGPROBS,
        MEMBER_TOOLS,
        MEMBER_RESPONSE_FORMAT,
        MEMBER_SERVICE_TIER,
        MEMBER_MESSAGES,
        MEMBER_PROMPT,
        MEMBER_CONTENT, /* to tokenize, and the next the other way */
        MEMBER_TOKENS,
        MEMBER_INPUT,
        MEMBER_QUERY, /* to rank, as the next three */
        MEMBER_DOCUMENTS,
        MEMBER_TOP_N,
        MEMBER_RETURN_DOCUMENTS,
        MEMBER_ENCODING_FORMAT,
        MEMBER_DIMENSIONS,
        MEMBER_TRUNCATE,
        MEMBER_FORCE, /* on the control socket, and so are the next */
        MEMBER_MINUTES,
        MEMBER_TIME,
        MEMBER_COUNT
};

/* `messages`: how many, and the first that is none. */
struct messages_facts {
        uint32_t count, wrong_index;
        enum message_fault { MESSAGE_FINE, MESSAGE_NO_OBJECT, MESSAGE_NO_ROLE, MESSAGE_CONTENT } fault;
};

/* `prompt` or `input`: its items, where it is an array. */
struct list_facts {
        uint32_t count;
        uint32_t wrong_index; /* the first item that is neither a text with something in it nor a list of tokens; else COUNT */
        enum json_kind first; /* the kind of the first item */
        bool are_tokens;      /* each item is a token, and there is one */
        bool is_first_tokens; /* the first item is a list of tokens */
};

struct body_facts {
        struct json_value members[MEMBER_COUNT]; /* JSON_NONE: absent, or null */
        bool includes_usage;                     /* in stream_options */
        struct messages_facts messages;
        struct list_facts prompt, input, documents;
        bool is_object;
        uint32_t values;
        enum json_error error; /* JSON_FINE: all of it was read */
        size_t error_at;
};

/* The members point into TEXT. */
void body_facts_read(const char *text, size_t size, struct body_facts *ret);

static inline bool body_is_true(const struct body_facts *f, enum member m) {
        return f->members[m].kind == JSON_TRUE;
}

/* "stream_options" */
const char *body_member_name(enum member m);

#endif
