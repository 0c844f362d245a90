/*
 * answer.h - an answer on its way to a client, in the parts that a model's answer is made of: reasoning, text and calls of tools,
 * in the order in which they came.
 *
 * Of a stream only the present part is known, unless its dialect needs all of them at the end; of an answer that is sent whole, all are.
 */
#ifndef HEADROOM_DAEMON_DIALECT_ANSWER_H
#define HEADROOM_DAEMON_DIALECT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/dialect/logprobs.h"
#include "daemon/translate/translate.h"
#include "daemon/state/request_events.h"
#include "engine/base/strbuf.h"

enum part_kind { PART_REASONING, PART_TEXT, PART_CALL };

struct answer_part {
        enum part_kind kind;
        uint32_t call;                       /* of a call: its number among the calls, from 0 */
        uint32_t pieces;                     /* that have come before */
        struct text id, name;                /* of a call */
        struct text text;                    /* of a call: its arguments, which are JSON; of a stream only where it is kept */
        size_t logprobs_at, logprobs_length; /* its own among `logprobs.tokens` of an answer whose parts are kept */
};

struct answer {
        const struct dialect *dialect;
        char id[40];
        const char *model;                 /* as the client called it; borrowed */
        const char *request_id;            /* of its HTTP request; borrowed */
        char fingerprint[16];              /* of this version and the model's files: the same where both are */
        int64_t created_s;                 /* Unix time */
        const struct json_value *repeated; /* of the request (translate.h); borrowed */
        bool is_stream, includes_usage;
        uint32_t index;                        /* among the answers to one request */
        bool goes_on;                          /* its end is not the stream's: others are not over */
        const char *finish;                    /* of one that has ended; a word that stays */
        const struct answer *next;             /* of those that are sent whole together; NULL: this is the last */
        uint32_t prompt_tokens, cached_tokens; /* from when an engine has the request */
        bool keeps;                            /* all of its parts, whole */
        bool keeps_calls;                      /* the present part, where it is a call */
        struct answer_part *parts;
        uint32_t parts_count; /* that have begun; where they are not kept only the last is there, as parts[0] */
        uint32_t calls_count;
        struct logprobs logprobs; /* of the last piece, or of all text where it is kept */
        uint32_t events;          /* of a stream, for dialects that number them */
        uint64_t waited_ns;       /* until an engine took the request */
        uint64_t total_ns;        /* until it ended */
        bool is_cut;              /* it ended within the last part: for its length, or by a failure */
        size_t bytes_max, bytes;  /* of what is kept */
        bool is_too_long;         /* ... or there was no memory for it: what is there is not all of it */
};

/* The part that came last; NULL: none has begun. */
struct answer_part *answer_part(const struct answer *a);
/* A part begins. CALL: its first piece, or NULL. NULL: out of memory, or too long. */
struct answer_part *answer_begin(struct answer *a, enum part_kind kind, const struct request_call *call);
/* TEXT is added to the part that came last, where it is kept. */
void answer_add(struct answer *a, const char *text);
/* ... and what is known of its tokens (logprobs.h). */
void answer_add_logprobs(struct answer *a, const cJSON *logprobs);
/* Nothing has been said: as before the first part. */
void answer_clear(struct answer *a);
/* Frees what it holds. */
void answer_done(struct answer *a);

/* All parts of KIND together, as one JSON string; nothing is added where there is none, and the answer is false. */
bool answer_join(struct text *out, const struct answer *a, enum part_kind kind);
/* The arguments of CALL as a JSON object in one line. False: they are none, since the answer was cut off within them. */
bool answer_arguments(struct text *out, const struct answer_part *call);

#endif
