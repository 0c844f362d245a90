/*
 * internal.h - the scheduler's own parts, for its own files alone.
 *
 *      scheduler.c        its life, the queue, a step
 *      admit.c            who may run: the account of the pool
 *      pool.c             how large it is
 *      prefill_pace.c     how many tokens of prompts a step may take
 *      speculate.c        guesses at the tokens to come, which a pass checks
 *      echo.c             a prompt that is told before its answer
 *      suspend.c          who gives its KV back for a while, and how it returns
 *      prefix_store_io.c  what outlives the engine in files, and is taken from there again
 *      statistics.c       what it says of itself
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_INTERNAL_H
#define HEADROOM_ENGINE_SCHEDULER_INTERNAL_H

#include "engine/kv/requantize.h"
#include "engine/kv/prefix_cache.h"
#include "engine/scheduler/prefill_pace.h"
#include "engine/scheduler/scheduler.h"
#include "engine/scheduler/sequence.h"
#include "engine/kv/session_file.h"
#include "engine/speculation/worth.h"
#include "engine/scheduler/throughput.h"
#include "engine/wire/wire.h"

/* The KV of a finished sequence: a candidate to be saved in a file, or being written to one. */
struct saving {
        uint64_t id;
        int fd;                /* owned; -1: nobody has asked for it yet */
        int32_t *tokens;       /* NULL: there is no candidate */
        struct kv_sequence kv; /* shares the blocks */
        struct session_writer writer;
};

struct scheduler {
        struct scheduler_config config;
        struct saving saving;
        struct prefix_store prefixes;
        struct requantize requantize;
        uint64_t step_us; /* how long the last step computed; 0: it had nothing to do */
        struct sampler_scratch *scratch;
        struct sequence *running[WIRE_PARALLEL_MAX];
        uint32_t running_count;
        struct sequence *waiting, **waiting_end;
        uint32_t waiting_count;
        struct sequence *suspended[WIRE_SUSPENDED_MAX]; /* suspended sequences, which hold no KV and wait for scheduler_restore */
        uint32_t suspended_count;
        bool is_short;        /* a step needed a block more than there was ... */
        bool is_starved;      /* ... and could do nothing at all, until there is more */
        double answer_tokens; /* that an answer usually comes to: a fading mean */
        uint64_t numbers;     /* given to sequences so far */
        uint64_t made_room;   /* how often one that ran had to */
        bool head_must_wait;  /* the next in the queue was tried, and nothing has left since */
        uint32_t prefill_chunk;
        double step_us_max;  /* of a step with prompts, if its own limits are not lower */
        uint32_t blocks_max; /* that the pool can grow to */
        uint8_t *marks;      /* blocks_max: room for counting distinct blocks */
        uint64_t tokens_prefilled, tokens_decoded;
        struct prefill_pace pace;
        struct worth_costs costs;
        uint64_t tokens_proposed, tokens_accepted; /* guesses that were checked, and that were right */
        struct throughput throughput;              /* of the steps that had answers alone */
};

/* A sequence that has given its KV back, or is about to, or takes it again. Belongs to the sequence while that lasts. */
enum suspension_state {
        SUSPENSION_SAVING,    /* runs, but takes no part in steps: its KV is being written */
        SUSPENSION_AWAY,      /* in `suspended` */
        SUSPENSION_RETURNING, /* in the queue, before all that were never suspended */
        SUSPENSION_LOADING,   /* runs, but takes no part in steps: its KV is being read */
};

struct suspension {
        enum suspension_state state;
        int fd;          /* owned; -1: none */
        bool saved;      /* the KV is in the file, whole */
        bool by_itself;  /* nobody asked for it, so nobody is told */
        uint32_t stored; /* tokens of it */
        uint64_t bytes;  /* of memory that it will need again */
        struct session_writer writer;
        struct session_reader reader;
};

/* A prompt that asks whether a file has its prefix, or is reading it from there. Belongs to the sequence while that lasts. */
enum lookup_state {
        LOOKUP_ASKED,    /* first in the queue, and waits for the answer */
        LOOKUP_ANSWERED, /* a file is there, and waits for room */
        LOOKUP_LOADING,  /* runs, but takes no part in steps: its KV is being read */
};

struct lookup {
        enum lookup_state state;
        int fd;          /* owned; -1: none */
        uint32_t wanted; /* tokens of the file */
        struct session_reader reader;
};

/* ---- scheduler.c ---- */

/* The sequence, wherever it is; NULL when it is not known. */
struct sequence *scheduler_find(const struct scheduler *s, uint64_t id);
void scheduler_running_remove(struct scheduler *s, uint32_t index);
uint32_t scheduler_running_index(const struct scheduler *s, const struct sequence *q);
struct sequence *scheduler_waiting_take(struct scheduler *s, struct sequence **link);
/* From wherever it is. */
void scheduler_take_out(struct scheduler *s, const struct sequence *q);
/* Ends Q, which is in no list any more; its KV is kept as a prefix where that makes sense. */
void scheduler_dismiss(struct scheduler *s, struct sequence *q);
/* The same, and its owner is told why. */
void scheduler_fail(struct scheduler *s, struct sequence *q, const struct request_error *error);

/* ---- admit.c ---- */

/* Marks the blocks of KV; returns how many were not marked before. */
uint32_t scheduler_mark_blocks(const struct scheduler *s, const struct kv_sequence *kv);
/* Where the next to be admitted stands in the queue; NULL: there is none, or no place for it. */
struct sequence **scheduler_next(struct scheduler *s);
void scheduler_admit(struct scheduler *s);
/* Of Q and OTHER, whether Q makes room before it: what can wait does, and then the younger. */
bool scheduler_goes_sooner(const struct sequence *q, const struct sequence *other);
/* The answer of Q has ended. */
void scheduler_note_answer(struct scheduler *s, const struct sequence *q);
/* Blocks that only remember something fall free; false: there are none. */
bool scheduler_free_blocks(struct scheduler *s);
/* Blocks that running sequences will still need, and all those that could run beside them. */
uint64_t scheduler_growth(const struct scheduler *s);
/* The youngest of those that run goes back to the queue; false: none can. Between steps. */
bool scheduler_turn_out(struct scheduler *s);
/* The same where the last step came short. */
void scheduler_make_room(struct scheduler *s);

/* ---- speculate.c ---- */

/* Adds guesses to the COUNT items of a pass of answers alone, one token of each owner; returns how many. */
uint32_t speculate(struct scheduler *s, struct sequence *const owners[], struct transformer_item items[], uint32_t count);
/* The pass is done. Q's KV counts as far as before the guesses ... */
void speculate_begin(struct sequence *q);
/* ... and further, while the token that Q has come to was guessed: then ITEM has the result of that one. */
bool speculate_meets(struct scheduler *s, struct sequence *q, struct transformer_item *item);
/* What was computed for the other guesses is given up. */
void speculate_end(struct scheduler *s, struct sequence *q);

/* ---- suspend.c ---- */

/* Writes or reads one piece of a file, if one is under way. */
void scheduler_transfer(struct scheduler *s);
bool scheduler_transfers(const struct scheduler *s);
/* Q, which runs, gives its KV up and waits to be computed again; nobody is told. False: there is no memory for that. */
bool suspension_by_itself(struct scheduler *s, struct sequence *q);
/* Q, restored, has room now. */
void suspension_admitted(struct scheduler *s, struct sequence *q);
/* Releases the suspension of Q, if there is one. */
void suspension_end(struct sequence *q);

/* ---- prefix_store_io.c ---- */

/* True while Q, whose first KNOWN tokens are in memory already, must wait for an answer; asks when it has not. */
bool lookup_ask(struct scheduler *s, struct sequence *q, uint32_t known);
/* How many tokens its file has, more than KNOWN; 0: there is no such file. */
uint32_t lookup_open(struct scheduler *s, struct sequence *q, uint32_t known);
/* Q has room now, and will be read from its file. */
void lookup_admitted(struct sequence *q);
/* Makes do with the blocks read so far; on_start is told if they were not all. */
void lookup_cut_short(struct scheduler *s, struct sequence *q);
/* Releases the lookup of Q, if there is one. */
void lookup_end(struct sequence *q);
/* Reads one piece of a file, or writes one while nothing runs, if there is any to do. */
void lookup_transfer(struct scheduler *s);
bool lookup_transfers(const struct scheduler *s);
/* Gives up what is being kept, so that its blocks fall free; false when there is nothing. */
bool saving_abandon(struct scheduler *s);
void saving_end(struct scheduler *s); /* without a word */

#endif
