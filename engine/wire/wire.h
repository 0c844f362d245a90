/*
 * wire.h - the messages between the daemon and an engine, and their framing.
 *
 * One stream socketpair per engine. A frame is a 4-byte little-endian length followed by that many bytes of
 * one JSON object whose "type" names the message; requests are multiplexed by "id". The table of messages,
 * who may send them when, and their fields is docs/wire-protocol.md. A peer that sends an unknown, untimely
 * or mis-sized message has lost its mind: the daemon ends such an engine, an engine ends itself.
 *
 * This codec is shared by both sides and knows no descriptor: bytes in, objects out, and the reverse.
 */
#ifndef HEADROOM_ENGINE_WIRE_WIRE_H
#define HEADROOM_ENGINE_WIRE_WIRE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/strbuf.h"

#define WIRE_VERSION             3
#define WIRE_HEADER_BYTES        4u
#define WIRE_TO_ENGINE_BYTES_MAX (80u << 20) /* a 64 MiB HTTP body, escaped, with room for the envelope */
#define WIRE_TO_DAEMON_BYTES_MAX (16u << 20) /* the hashes of a prompt of 16 Mi tokens, and room to spare */
#define WIRE_PARALLEL_MAX        64u         /* requests that an engine computes at once: each wants a vector of n_vocab logits */
#define WIRE_SUSPENDED_MAX       64u         /* requests suspended at once: each keeps its tokens, and maybe an open file */
#define WIRE_DEPTH_MAX           256u        /* objects and arrays around a value; real tool schemas stay under 40 */
#define WIRE_VALUES_MAX          (1u << 20)  /* values in a frame: a parsed one costs ~80 bytes, so at most 80 MiB */
#define WIRE_BODY_VALUES_MAX     (WIRE_VALUES_MAX - 8) /* of a client's body, the rest is the frame's around it */
#define WIRE_BODY_DEPTH_MAX      (WIRE_DEPTH_MAX - 1)
#define WIRE_PROMPT_TOKENS_MAX   8192u /* of a prompt in one frame: parsed, under 1 MiB */

/* Daemon to engine. */
#define WIRE_GENERATE       "generate"
#define WIRE_EMBED          "embed"
#define WIRE_CANCEL         "cancel"
#define WIRE_PAUSE          "pause"
#define WIRE_RESUME         "resume"
#define WIRE_STATISTICS     "statistics" /* a question to the engine, and its answer's type */
#define WIRE_CONTROL        "control"
#define WIRE_SHUTDOWN       "shutdown"
#define WIRE_DOWNSHIFT_NOW  "downshift_now"  /* give back all that can be given back, now; no answer */
#define WIRE_SUSPEND        "suspend"        /* a request's KV goes to a file, or is dropped; it waits */
#define WIRE_RESTORE        "restore"        /* and comes back */
#define WIRE_SAVE_CANDIDATE "save_candidate" /* what of finished sequences could be saved? also the type of the answer */
#define WIRE_SAVE           "save"           /* the candidate goes to a file */
#define WIRE_FOUND          "found"          /* a file with the prefix that was looked up, or none */
#define WIRE_TRACE          "trace"          /* tell the tokens of each prompt from now on, or no more; no answer */

/* Engine to daemon. */
#define WIRE_READY      "ready"
#define WIRE_FAILED     "failed" /* could not become ready; the process exits */
#define WIRE_START      "start"
#define WIRE_TEXT       "text"
#define WIRE_END        "end"
#define WIRE_EMBEDDING  "embedding"
#define WIRE_ERROR      "error"
#define WIRE_CONTROLLED "controlled"
#define WIRE_SUSPENDED  "suspended"
#define WIRE_RESTORED   "restored"
#define WIRE_SAVED      "saved"
#define WIRE_LOOKUP     "lookup"  /* does a file have this prefix? */
#define WIRE_CORRUPT    "corrupt" /* the file that came is of no use */
#define WIRE_NOTE       "note"    /* what of a request is left out */
#define WIRE_PROMPT     "prompt"  /* tokens of a request's prompt, only while they are asked for */

/* Splits a byte stream into frames. Start with all zero and a limit; release with wire_reader_done. */
struct wire_reader {
        uint32_t bytes_max; /* a longer frame is an error */
        bool utf8;          /* and so is one that is not UTF-8: an engine's texts go on to clients */
        struct text buffer;
        size_t taken; /* bytes of the frames already handed out */
};
void wire_reader_done(struct wire_reader *r);
/* Adds bytes that arrived. 0 or -ENOMEM. */
int wire_reader_push(struct wire_reader *r, const void *bytes, size_t count);
/* Bytes that have come and are not handed out. */
size_t wire_reader_waiting(const struct wire_reader *r);
/*
 * The next whole frame: 1 and *ret (the caller's to cJSON_Delete), 0 when more bytes are needed, -EMSGSIZE
 * when a frame is empty or too long, -EBADMSG when it is not one JSON object with a string "type", -EILSEQ when its bytes are not UTF-8 and
 * have to be.
 */
int wire_reader_next(struct wire_reader *r, cJSON **ret);

/*
 * The frame of MESSAGE: *ret is malloc'ed, header included. 0, -ENOMEM, or -EMSGSIZE when it is longer than
 * BYTES_MAX, nested deeper than WIRE_DEPTH_MAX or of more than WIRE_VALUES_MAX values: no peer would read it.
 */
int wire_encode(const cJSON *message, uint32_t bytes_max, uint8_t **ret, size_t *ret_count);

/*
 * Measures a JSON text before it is parsed, in one pass without memory: 0, or -E2BIG when it is nested
 * deeper than DEPTH_MAX or has more than WIRE_VALUES_MAX values, since 64 MiB of "[[],[]," would parse into
 * gigabytes. Says nothing about its syntax.
 */
int wire_json_check(const char *json, size_t length, uint32_t depth_max);

/* "type" of a frame that wire_reader_next returned; NULL when MESSAGE has none. */
const char *wire_type(const cJSON *message);

#endif
