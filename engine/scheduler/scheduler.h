/*
 * scheduler.h - continuous batching: decides which tokens of which request are computed next.
 *
 * Requests wait in one queue and are admitted in its order, when a place is free and the KV pool has room for
 * what they will likely come to (admit.c). Where they come to more, the youngest waits once more and is computed again, so that
 * each request ends well, whatever the others do. Each step computes one token of
 * every answer in progress, and more of those whose tokens can be guessed (speculate.c), and of prompts as many as the prefill chunk leaves room for and those answers hardly notice. The KV that a finished
 * sequence leaves in the cache serves later ones with the same prefix.
 *
 * An answer depends on its request alone: not on its neighbours, on when it came, or on what was cached. Only lowering the
 * precision of the KV cache while it runs (scheduler_set_kv) makes an exception.
 *
 * No thread, socket or clock of its own: the caller steps it, and gives it a clock for the timings it reports. Events
 * are reported through the sink, from inside scheduler_step, _suspend, _restore, _keep and _trim alone; the sink must
 * not call back.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_SCHEDULER_H
#define HEADROOM_ENGINE_SCHEDULER_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/scheduler/output_stream.h"
#include "engine/compute/transformer.h"
#include "engine/kv/cache.h"
#include "engine/kv/requantize.h"
#include "engine/request/request.h"
#include "engine/compute/threads.h"
#include "engine/wire/wire.h"
#include "policy/base/speculate.h"

struct output_stream_end {
        enum finish finish;
        const char *stop; /* the stop string that brought it, or NULL */
        uint32_t prompt_tokens, completion_tokens, cached_tokens;
        uint32_t reasoning_tokens; /* among those of the completion */
        double prefill_ms, decode_ms;
        bool is_scored;
        double score; /* the mean log-probability of its tokens */
};

struct embedding {
        const float *vectors; /* count rows of n_embd (or of what was asked for), each of length 1 */
        uint32_t count, n_embd;
        uint32_t prompt_tokens;
};

struct scheduler_sink {
        void *context;
        /* RELAXED: what of the request's schemas it does not hold to, or NULL. */
        void (*on_start)(void *context, uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed);
        void (*on_text)(void *context, uint64_t id, const struct output_chunk *chunk);
        void (*on_end)(void *context, uint64_t id, const struct output_stream_end *end);
        void (*on_embedding)(void *context, uint64_t id, const struct embedding *embedding);
        void (*on_error)(void *context, uint64_t id, const struct request_error *error);
        void (*on_suspended)(void *context, uint64_t id, uint64_t bytes, const char *error); /* ERROR: NULL, or it goes on */
        void (*on_restored)(void *context, uint64_t id, bool recomputed);
        /* The next three are called only where candidates are saved, and with config.recalls: see below. */
        void (*on_lookup)(void *context, uint64_t id, const uint64_t *hashes, uint32_t blocks);
        void (*on_corrupt)(void *context, uint64_t id, const char *error, bool damaged);
        void (*on_saved)(void *context, uint64_t id, uint64_t bytes, const char *error); /* ERROR: NULL, or it is not */
};

struct scheduler_config {
        const struct request_rules *rules; /* must outlive the scheduler, as the rest */
        struct kv_cache *cache;
        struct transformer *transformer; /* batch_max >= prefill_chunk_max and >= parallel, items_max >= parallel */
        uint32_t parallel;               /* requests running at once */
        uint32_t prefill_chunk_max;      /* and the chunk at first: tokens of a step, answers included */
        uint64_t session_model;          /* kv/session_file.h: of the model, for what is written to files */
        enum kv_type kv;                 /* the precision that the cache was made with: nothing less precise is kept in files */
        bool lookups;                    /* prompts ask whether a file has their prefix */
        enum speculate speculate;        /* but for OFF, the transformer's items_max is SPECULATION_TOKENS_MAX more */
        uint64_t (*now_us)(void);
        struct scheduler_sink sink;
};

struct scheduler;
int scheduler_new(const struct scheduler_config *config, struct scheduler **ret); /* 0 or -ENOMEM */
void scheduler_free(struct scheduler *s);

/* Takes over R. 0; -E2BIG (can never fit the KV pool), -EAGAIN (the queue is full), -ENOMEM: *reterr, and R stays the
 * caller's. */
int scheduler_submit(struct scheduler *s, struct request *r, struct request_error *reterr);
/* Ends the request; no callback for it follows. An unknown id is one that has ended already, and that is fine. */
void scheduler_cancel(struct scheduler *s, uint64_t id);
/* A paused request takes no part in steps, and keeps its KV. */
void scheduler_pause(struct scheduler *s, uint64_t id, bool paused);
bool scheduler_knows(const struct scheduler *s, uint64_t id);

/*
 * Takes request ID out of the steps and gives its KV back: to the file FD (taken over; empty, open for both), in pieces
 * by the steps to come, or with -1 at once, to be computed again. on_suspended reports the bytes that came back, or why
 * not. A request that has not run yet stops waiting.
 */
void scheduler_suspend(struct scheduler *s, uint64_t id, int fd);
/*
 * The request waits for room, before all that were never suspended, is read back and goes on. on_restored then says so, and
 * whether its KV had to be computed again, which changes nothing else. A suspend before that undoes the restore, and on_restored
 * is not called. A request that is not suspended is reported as restored; an unknown id has ended already, and that is fine.
 */
void scheduler_restore(struct scheduler *s, uint64_t id);

/*
 * Prefixes in files. scheduler_save_candidate tells of the finished sequence that was used last and was no candidate yet:
 * tokens 0 when there is none. HASHES (kv/prefix_hash.h) is the caller's to free. scheduler_save has it written to FD (taken
 * over; empty, open for both) by the steps to come, while nothing runs; on_saved says when it is there, or why it is not. 0 or
 * -ENOMEM.
 */
struct scheduler_save_candidate {
        uint32_t tokens, blocks;
        uint64_t bytes; /* of the file */
        uint64_t *hashes;
};
int scheduler_save_candidate(struct scheduler *s, struct scheduler_save_candidate *ret);
void scheduler_save(struct scheduler *s, uint64_t id, int fd);
/*
 * The answer to on_lookup, which waits for it: FD (taken over) is a file that has a prefix of these blocks; -1: there
 * is none. When it turns out to be another's, or damaged, on_corrupt says so and the prompt is computed.
 */
void scheduler_found(struct scheduler *s, uint64_t id, int fd);

/* Whether a step would do anything. */
bool scheduler_has_work(struct scheduler *s);
void scheduler_step(struct scheduler *s);
/* Upkeep is the part of a step that gives memory back, a slice at a time: a caller that rests still has to do it. */
bool scheduler_has_upkeep(const struct scheduler *s);
void scheduler_upkeep(struct scheduler *s);

/* 1 .. prefill_chunk_max (asserted). */
void scheduler_set_prefill_chunk(struct scheduler *s, uint32_t tokens);
uint32_t scheduler_prefill_chunk(const struct scheduler *s);
uint32_t scheduler_prefill_chunk_max(const struct scheduler *s);

/* Steps with prompts are cut to take about so long, if their own limits are not lower; 0: to those alone. */
void scheduler_set_step_us(struct scheduler *s, double us);
/* Threads that compute, 1 .. threads_width_max. */
void scheduler_set_width(struct scheduler *s, struct threads *t, uint32_t width);
uint32_t scheduler_blocks_of(uint32_t tokens);
/*
 * Tokens of the KV pool: what it may hold now (or holds, where that is more), what it holds, what running requests hold of that, what they and those whose
 * turn it is will likely come to, the same with the prefixes that are kept, and what it can grow to.
 */
struct scheduler_pool {
        uint32_t limit, held, used, needed, wanted, most;
};
struct scheduler_pool scheduler_pool(struct scheduler *s);
/*
 * The pool may hold so many from now on. Prefixes go where it is less; running requests keep what they hold, and with MAKES_ROOM
 * they wait, the youngest first, until there is room for them again.
 */
void scheduler_set_pool(struct scheduler *s, uint32_t tokens, bool makes_room);
/* Drops the prefixes kept of finished sequences. */
void scheduler_trim(struct scheduler *s);

/*
 * The precision that stored tokens go down to, behind the newest of each sequence, in slices between the steps to come
 * (kv/requantize.h). A more precise one than now counts for what is stored from now on. 0, or -EINVAL: this model's heads cannot
 * be stored so.
 */
int scheduler_set_kv(struct scheduler *s, enum kv_type target);
/* The same at once, before this returns, the newest tokens and those to come included. */
int scheduler_downshift_now(struct scheduler *s, enum kv_type target);
/* How far it is. */
const struct requantize *scheduler_requantize(const struct scheduler *s);

struct scheduler_request {
        uint64_t id;
        uint64_t bytes; /* of KV: what would come back if it were suspended; what a suspended one needs again */
};

struct scheduler_statistics {
        uint32_t requests_running, requests_waiting;
        uint64_t tokens_prefilled, tokens_decoded;
        uint64_t tokens_proposed, tokens_accepted; /* guesses at tokens that were checked, and those that were right */
        uint64_t made_room;                        /* how often a running request went back to the queue, for older ones */
        double decode_tokens_per_second, decode_tokens_per_second_usual; /* throughput.h */
        uint64_t kv_bytes[KV_TYPE_COUNT];                                /* of blocks that running sequences have */
        uint64_t prefix_bytes;                                           /* of all others */
        struct scheduler_request running[WIRE_PARALLEL_MAX];             /* requests_running of them */
        struct scheduler_request suspended[WIRE_SUSPENDED_MAX];
        uint32_t suspended_count;
};
struct scheduler_statistics scheduler_statistics(const struct scheduler *s);

#endif
