/*
 * world.h - a machine that is made up by dice and lives in steps of STEP_MS: memory as the kernel gives it, models, clients,
 * other programs, heat, sensors. The policy sees it through world_observe alone and steers it through fleet_obey alone.
 *
 * What it imitates was measured on real kernels: MemAvailable counts mapped weights as free, so decode collapses while it still
 * reads hundreds of megabytes; pressure reads zero until the cliff is there; refaults jump from nothing to thousands;
 * compressed swap of what cannot be compressed gains nothing; a sensor lies, hangs, or goes.
 *
 * Each part of the state belongs to the file that is named with it. Everything follows from the seed.
 */
#ifndef HEADROOM_TESTS_SIMULATOR_WORLD_H
#define HEADROOM_TESTS_SIMULATOR_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/admission/loads.h"
#include "policy/policy.h"

#define STEP_MS        50u
#define WORLD_MODELS   8u  /* a box rarely has more in its configuration that are asked at the same time */
#define WAITING_PLACES 24u /* requests that wait for one model; further ones are refused */
#define RUNNING_PLACES 4u
#define WORLD_SENSORS  4u
#define WORLD_HOGS     3u

/* --- dice (dice.h) --- */

struct dice {
        uint64_t state; /* never 0 */
};

/* --- clients and engines (fleet.c) --- */

/* Queued: the engine has it, and lacks room for it in its pool. */
enum request_state { REQUEST_NONE, REQUEST_WAITING, REQUEST_QUEUED, REQUEST_RUNNING, REQUEST_SUSPENDED };

struct request {
        enum request_state state;
        bool batch;
        uint64_t asked_ms, wait_until_ms, deadline_ms;
        uint32_t prompt, wanted;      /* tokens */
        double done;                  /* of both */
        double again;                 /* of these, to be computed again: it was turned out of its pool */
        bool waits;                   /* runs, and found no block for its next token */
        double stored[KV_TYPE_COUNT]; /* tokens in the KV cache, by precision */
};

enum life { LIFE_ABSENT, LIFE_WAITING, LIFE_LOADING, LIFE_READY, LIFE_DRAINING, LIFE_STOPPING };
enum temper { TEMPER_PROMPT, TEMPER_LATE, TEMPER_DEAF }; /* how an engine takes orders */

struct order { /* a control frame on its way */
        bool given;
        uint64_t due_ms;
        struct action action;
};

/* --- elastic KV pools (pools.c) --- */

struct pool_report {
        uint32_t limit, held, used, needed, wanted; /* tokens; used: by running requests alone */
};

struct pool {
        bool elastic; /* else it holds pool_tokens for ever */
        uint32_t floor;
        struct dice dice;
        uint32_t limit;          /* tokens, the engine's ... */
        uint32_t counted, asked; /* ... and what the daemon counts for it, and has asked for */
        double usual_answer;
        bool is_short;
        struct order orders[2]; /* under way, of either kind */
        uint64_t sent_ms[2], reported_ms;
        struct pool_report report;
};

struct model {
        /* Properties. */
        bool pinned, external; /* external: takes no control frames */
        uint32_t lacks;        /* actions that its kind of engine has no verb for: bits of ACTION_BIT */
        int priority;
        uint64_t weights_bytes, overhead_bytes;
        double token_bytes; /* of KV at f16 */
        struct pool pool;
        uint32_t pool_tokens; /* the most, where it is elastic */
        uint32_t context_full, context_floor, chunk_full, parallel;
        enum kv_type ceiling, floor;
        uint64_t load_ms, stop_ms;
        double decode_per_s, prefill_per_s;
        enum temper temper;
        uint64_t blown_bytes_per_s; /* grows past its prediction; 0: keeps its word */
        uint64_t livelock_ms;       /* when somebody sets memory.high above it; 0: never */
        double asks_per_s;
        uint32_t batch_percent, prompt_usual, wanted_usual;
        /* State. */
        enum life life;
        uint32_t generation;
        uint64_t since_ms, until_ms, loaded_ms, last_end_ms, rest_until_ms;
        bool asked;
        uint64_t loaded_bytes, blown_bytes;
        enum kv_type level;
        double prefix[KV_TYPE_COUNT]; /* tokens kept of finished requests */
        uint32_t context, chunk;
        struct request running[RUNNING_PLACES], waiting[WAITING_PLACES];
        uint32_t waiting_count;
        struct order orders[4];
        double decoded_lately, rate, usual_rate; /* tokens per 1000 s */
        double stall_us, refaults;
        uint64_t high_events, oom_kills;
        double resident_bytes;
};

/* --- other programs (hogs.c) --- */

enum hog_kind { HOG_LEAK, HOG_RAMP, HOG_JUMP, HOG_SAWTOOTH, HOG_STEADY, HOG_GROWTH };

struct hog {
        enum hog_kind kind;
        uint64_t begin_ms, end_ms, period_ms;
        double bytes, bytes_per_s, most;
        double beyond; /* HOG_GROWTH: how far beyond what is there, as a part of what could be given back mildly */
};

/* --- memory (memory.c) --- */

struct memory {
        uint64_t ram_bytes, system_bytes, swap_bytes;
        bool zram;
        double zram_ratio; /* 1: nothing can be compressed */
        double swapped_bytes;
        uint64_t idle_file_bytes;
        /* As it is now. */
        uint64_t available_bytes;
        double room_for_weights; /* what is left for the page cache */
        double squeeze;          /* part of the mapped weights that does not fit: 0 .. 1 */
        double stall_us, own_stall_us, refaults, swapins, swapouts;
        bool stalls;
        uint64_t oom_kills;
};

/* --- heat (heat.c) --- */

/* The last two from the beginning on: it never tells a value that can be; it always tells the same. */
enum sensor_fault { SENSOR_GOOD, SENSOR_NONSENSE, SENSOR_MISSING, SENSOR_HANGING, SENSOR_SLEEPING, SENSOR_NEVER, SENSOR_STUCK };

struct sensor {
        uint32_t key;
        bool control, tells_critical;
        int32_t offset_millidegrees;
        uint32_t nonsense_permille;
        enum sensor_fault fault;
        uint64_t fault_begin_ms, fault_end_ms, read_ms;
        enum sensor_state state;
        int32_t millidegrees, fixed_millidegrees; /* fixed: what SENSOR_NEVER and SENSOR_STUCK tell */
        uint32_t missed;                          /* readings in a row */
};

struct heat {
        bool modelled;
        double die, sink, ambient, idle_power, full_power, die_per_power,
                sink_per_power; /* degrees, and degrees per unit of power */
        double die_seconds, sink_seconds;
        double critical;
        double duty, busy; /* what engines use of the processor: allowed and wanted, 0 .. 1 */
        uint64_t ambient_step_ms;
        uint64_t throttles;
        uint32_t sensors_count;
        struct sensor sensors[WORLD_SENSORS];
        uint32_t duty_wanted_permille;
        uint64_t duty_wanted_ms;
        double duty_pending;
};

/* --- the whole --- */

enum mood { MOOD_QUIET, MOOD_BUSY, MOOD_HOSTILE, MOOD_GROWTH };

struct world {
        struct dice dice;
        enum mood mood;
        uint64_t now_ms;
        struct limits limits;
        struct memory memory;
        uint32_t hogs_count;
        struct hog hogs[WORLD_HOGS];
        uint32_t models_count;
        struct model models[WORLD_MODELS];
        struct heat heat;
        bool noisy_pressure;                   /* PSI rings for others' sins */
        uint64_t blind_begin_ms, blind_end_ms; /* /proc cannot be read */
        /* Holds of the last plan. */
        bool hold_loads, hold_growth, hold_batch;
        /* Results, for the report. */
        uint64_t loads, answers, refusals, ended_in_mid_answer;
};

/* GROWTH_MIB_S: 0: a world as the dice make it; else one that is calm but for one program that grows at that pace beyond what is there. */
void world_init(struct world *w, uint64_t seed, uint32_t growth_mib_s);
/* Lets STEP_MS go by. */
void world_step(struct world *w);
void world_observe(struct world *w, struct snapshot *ret);

/* --- truth, for the checkers --- */

uint64_t model_bytes(const struct model *m);   /* all it holds, weights included */
uint64_t model_account(const struct model *m); /* what it is charged for: prediction, or more if it holds more */
double model_kv_bytes(const struct model *m, enum kv_type level);
double model_prefix_bytes(const struct model *m);
uint32_t model_running(const struct model *m);   /* requests that the engine has, but for suspended ones ... */
uint32_t model_computing(const struct model *m); /* ... and that have room in its pool */
uint32_t model_suspended(const struct model *m);
bool model_is_loaded(const struct model *m);       /* holds memory */
uint64_t model_whole_bytes(const struct model *m); /* its account with one whole context in the pool ... */
uint64_t model_least_bytes(const struct model *m); /* ... and with the smallest pool */
double model_pool_token_bytes(const struct model *m);
/* Arrival of the oldest request that its engine has; now, where there is none. */
uint64_t model_oldest_ms(const struct world *w, const struct model *m);
double pool_running_tokens(const struct model *m); /* whole blocks of requests that run */
/* Tokens, by its limit and by orders that it may still carry out, whether they are counted or not. */
uint32_t pool_may_hold(const struct model *m);
bool pool_is_silent(const struct world *w, const struct model *m); /* an order is not answered: it obeys no more */
double hogs_bytes(const struct world *w);
/* What other programs are going to take that they have not taken yet. */
double hogs_to_come(const struct world *w);
/* What could be given back without cutting an answer: prefix caches, precision, idle models. */
double world_mild_bytes(const struct world *w);
/* Does a model wait to be loaded, or for room in its pool? */
bool world_waits(const struct world *w);
/* available - weights - loads in flight - reserve, of what really is. */
int64_t world_headroom(const struct world *w);
uint64_t world_loading_bytes(const struct world *w);

#endif
