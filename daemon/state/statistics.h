/*
 * statistics.h - an engine's own report, the `statistics` frame, as checked numbers.
 *
 * The engine is treated as hostile: a field that is there and is not what the wire protocol says refuses the whole
 * frame, and a list longer than an engine can have. A missing field is 0: an engine may know less than we ask.
 */
#ifndef HEADROOM_DAEMON_STATE_STATISTICS_H
#define HEADROOM_DAEMON_STATE_STATISTICS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/base/kv_type.h"
#include "engine/wire/wire.h"

struct engine_request_report {
        uint64_t id; /* as the engine says: maybe of a request that is over */
        uint64_t bytes;
};

struct engine_report {
        uint32_t requests_running, requests_waiting;
        uint32_t kv_blocks_used, kv_blocks_max;
        uint64_t kv_bytes_used;
        uint32_t kv_tokens, kv_tokens_held;          /* of the pool: that it may hold, and holds ... */
        uint32_t kv_tokens_needed, kv_tokens_wanted; /* ... that requests will likely need, and those with the prefixes kept */
        uint64_t tokens_prefilled, tokens_decoded;
        uint64_t tokens_proposed, tokens_accepted; /* guesses at tokens that were checked, and those that were right */
        uint64_t made_room;                        /* how often a running request went back to the engine's queue */
        double decode_tokens_per_second, decode_tokens_per_second_usual; /* 0: not known */
        uint64_t kv_bytes[KV_TYPE_COUNT];                                /* of running sequences, by precision */
        uint64_t prefix_bytes;
        enum kv_type kv; /* asked for; what it was loaded with where the frame does not say */
        bool kv_told;
        bool converting;
        uint32_t context, prefill_chunk, duty_permille, threads;
        uint32_t requests_count; /* bytes: what comes back when it is suspended */
        struct engine_request_report requests[WIRE_PARALLEL_MAX];
        uint32_t suspended_count; /* bytes: what it needs to come back */
        struct engine_request_report suspended[WIRE_SUSPENDED_MAX];
};

/* False: FRAME is not what its type says, and *RET is unchanged. */
bool engine_report_read(const cJSON *frame, struct engine_report *ret);

#endif
