/*
 * snapshot.h - what policy is given at one look: the box, its sensors, the models that are loaded and those that want to be.
 *
 * Units are in the names. A counter that is not known is 0, a time that never comes is UINT64_MAX.
 */
#ifndef HEADROOM_POLICY_STATE_SNAPSHOT_H
#define HEADROOM_POLICY_STATE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/account.h"
#include "policy/base/bounds.h"
#include "policy/base/kv_type.h"

/* One model that is loaded, loading or leaving. Counters only ever rise while it lives; 0 where unknown. */
struct model_view {
        uint32_t id;              /* stable: index in the configuration */
        uint32_t generation;      /* counts its engines: what was remembered of another one is void */
        enum account_state state; /* never ACCOUNT_PROMISED */
        bool pinned;
        bool batch;     /* no request of the interactive class runs or waits here */
        bool obeys;     /* takes control frames; else it can only be evicted, frozen or ended */
        uint32_t lacks; /* a set of actions (ACTION_BIT) for which its kind of engine has no verb; 0: it can do all */
        int priority;   /* lower leaves first */
        uint32_t running, waiting;
        uint64_t loaded_ms, last_end_ms, load_ms;
        uint64_t service_ms;                 /* the usual time of its requests; 0: not known */
        uint64_t protected_until_ms;         /* no other model may turn it out before; 0: they may */
        uint64_t bytes;                      /* memory that it holds, measured: comes back when it leaves */
        uint64_t account_bytes;              /* the larger of that and what was predicted; 0: as bytes */
        uint64_t account_weights_bytes;      /* of them its weights, mapped and locked; 0: as weights_bytes */
        uint64_t taken_bytes;                /* the part of its account that already misses from available_bytes */
        uint64_t upshift_bytes;              /* bytes by which its account grows with KV at one level more precise */
        uint64_t lower_bytes[KV_TYPE_COUNT]; /* by which its account falls with KV at that level; 0: it cannot go there */
        bool lower_told;                     /* it has been told so, and has not come down yet; that level's is not 0 */
        uint64_t weights_bytes;              /* mapped, not locked: must stay resident */
        uint64_t weights_resident_bytes;     /* of them in memory now; weights_bytes where unknown */
        uint64_t prefix_bytes;               /* KV kept of finished sequences only: trimming frees it */
        uint64_t kv_bytes[KV_TYPE_COUNT];    /* in use by running sequences, by precision of the block */
        enum kv_type level, floor;           /* precision asked for now; the lowest that it may be asked for */
        enum kv_type ceiling;                /* the level it was loaded with: never more precise */
        uint32_t context, context_full, context_floor; /* ceiling for new requests: now, configured, lowest */
        uint32_t chunk, chunk_full;                    /* prefill chunk: now, configured */
        /* Tokens of its KV pool: what it may hold, and what it was told to give back to; the least and the most; what it holds, what its
         * requests need or will likely need, the same with all that it holds. 0: it has its size for ever. */
        uint32_t pool, pool_asked, pool_floor, pool_full, pool_held, pool_needed, pool_wanted;
        bool pool_told;             /* an order about it is under way: there is no second one before it has been answered */
        uint64_t pool_token_bytes;  /* by which the account grows with each */
        uint64_t pool_whole_bytes;  /* the account with a whole context in the pool */
        uint64_t pool_since_ms;     /* arrival of the oldest request that it has */
        uint64_t suspendable_bytes; /* KV of its batch sequences that saving would free; 0: none, or the disk is low */
        uint32_t suspended;         /* sequences that wait on disk */
        uint64_t suspended_bytes;   /* memory that they need to come back */
        uint32_t rate, usual_rate;  /* decode, tokens per 1000 s: over the last second, and this model's own median; 0: none */
        uint64_t stall_us;          /* PSI memory `some` total of its own control group */
        uint64_t refaults, swapins; /* pages, of its own control group */
        uint64_t high_events, oom_kills; /* memory.events */
};

enum sensor_state {
        SENSOR_READ,   /* a new value */
        SENSOR_OLD,    /* no new reading since the last look: normal, sensors are read less often than memory */
        SENSOR_MISSED, /* the read failed, hung or the device is gone */
        SENSOR_ASLEEP, /* the device is suspended, and is left so: cold */
};

struct sensor_view {
        uint32_t key; /* of device path, name and label: survives renumbering */
        enum sensor_state state;
        bool control;                  /* the controller holds this one; others are only shown */
        bool trusted;                  /* the operator says that it tells the truth, even if it does not move */
        int32_t millidegrees;          /* as read: may be nonsense */
        int32_t critical_millidegrees; /* 0: it does not tell */
};

/* A model that is not loaded and waits for it, which has been inspected. */
struct want {
        uint32_t id;
        bool batch;        /* only requests of the batch class want it */
        int priority;      /* lower leaves first */
        uint64_t since_ms; /* arrival of its oldest waiter */
        uint64_t load_ms;  /* how long loading it is going to take; 0: not known */
        uint32_t forms_count;
        uint32_t context, context_full; /* tokens: the least and the most; the same where it is configured */
        struct {
                uint64_t bytes, weights_bytes;
                uint64_t
                        whole_bytes; /* with a whole context, the least, in the KV cache: what it must be able to grow to; or bytes */
                uint64_t token_bytes; /* by which that grows with the context */
        } forms[FORMS_MAX];           /* in which it may be loaded: the one asked for first, each further one smaller */
};

struct snapshot {
        uint64_t now_ms;
        uint64_t ram_bytes;       /* of the machine, or of the tightest limit above us */
        uint64_t available_bytes; /* likewise: MemAvailable, or what a limit leaves */
        uint64_t loading_bytes;   /* promised to loads in flight, weights included, and not missing from available_bytes yet */
        uint64_t idle_file_bytes; /* page cache of model files that are not loaded, which can be dropped; 0: unknown */
        uint64_t swap_total_bytes, swap_free_bytes;
        uint64_t zram_bytes;        /* RAM that compressed swap takes */
        uint64_t swapins, swapouts; /* pages since boot, zswap's included */
        uint64_t refaults;          /* pages since boot, of files and anonymous */
        uint64_t stall_us;          /* PSI memory `some` total: of the host ... */
        uint64_t own_stall_us;      /* ... and of our own control group, with all engines */
        uint64_t throttles;         /* of the processor, since boot */
        uint64_t load_permille; /* of all processors' time, by whomever, since the temperatures were read before; LOAD_UNKNOWN */
        uint32_t day_minute;    /* where the box stands; MINUTES_OF_DAY: not known */
        bool memory_blind;      /* available_bytes could not be read: it is the last known */
        bool pressure_event;    /* a PSI trigger or MEMORY_PRESSURE_WATCH fired: only a reason to look sooner */
        bool for_loads;         /* sooner than was asked for, since a model changed or waits: no sample of how memory goes */
        uint32_t sensors_count, models_count, wants_count;
        struct sensor_view sensors[SENSORS_MAX];
        struct model_view models[ACCOUNTS_MAX];
        struct want wants[WANTS_MAX]; /* where more wait, those that have waited longest */
};

#endif
