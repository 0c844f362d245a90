/* instance.h - the engine of a model: what it was told, what it said, what it holds. */
#ifndef HEADROOM_DAEMON_STATE_INSTANCE_H
#define HEADROOM_DAEMON_STATE_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/meminfo.h"
#include "daemon/base/bounds.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/config/config.h"
#include "daemon/state/statistics.h"
#include "policy/base/kv_type.h"
#include "policy/state/plan.h"

struct cache_job;
struct open_files;
struct engine_events;

/* A control frame that the engine has not answered yet. */
struct control_request {
        uint64_t id;          /* 0: none here */
        struct action action; /* ACTION_NONE: it is about heat or the heartbeat */
        uint64_t sent_ms;
};

/* Progress of saving an engine's prefixes to disk, one request to the engine at a time. All zero: not begun. */
struct saving {
        uint64_t candidate_id, save_id; /* on the wire; candidate_id 0: not asked, or answered */
        bool making;                    /* the cache makes or commits a file */
        struct cache_job *job;          /* a file that the engine writes to */
        bool exhausted;                 /* no more candidates, until a request ends */
        uint64_t leaving_ms;            /* the engine is to leave, and is waited for since then */
};

/* The engine of a model, from its start until its memory is back. All zero but for OPS: none. */
struct instance {
        const struct engine_events *events; /* callbacks */
        void *process;                      /* of that kind; NULL once it has exited. With it: */
        pid_t pid;                          /* 0: it has no process of its own here */
        int pidfd;                          /* stays the engine's; meaningless without a pid */
        bool exited;
        bool was_ready;
        bool worked;   /* has ended a request */
        bool expected; /* we told it to go */
        bool killed;
        bool said_failed;   /* instead of ready: SENTENCE is its own */
        char sentence[400]; /* why it failed or we ended it; "" when it just went */
        enum reason why_stopped;
        uint64_t started_ms, ready_ms, last_end_ms, stopping_ms, exited_ms;
        bool is_kept_as_told; /* the last request that said so wants it to stay for keep_alive_ms, whatever is configured */
        uint64_t keep_alive_ms;
        uint64_t heard_ms;               /* last sign of life, or when there was last reason for one */
        uint64_t answered_tokens;        /* that it said to have computed when it last said something of a request */
        bool pinged;                     /* ... since then */
        uint64_t available_before_bytes; /* MemAvailable when it was told to go */
        uint32_t n_ctx, parallel;        /* as the engine said */
        uint32_t pool, pool_asked,
                pool_full; /* tokens of its KV pool: that its account counts, that it was told to give back to, the most */
        bool kv_known;     /* the engine has reported its KV since a request last began */
        struct engine_report report; /* the last report */
        bool reported;               /* at least one report has come */

        /* Settings that the engine was asked for, and requests that it has not answered yet. */
        struct control_request control_requests[CONTROL_REQUESTS_MAX];
        enum kv_type floor;                       /* precision below which it may not be asked to go */
        enum kv_type level;                       /* precision asked for */
        enum kv_type counted;                     /* precision that its account counts */
        uint32_t context_now;                     /* ceiling for new requests */
        uint32_t chunk, chunk_full, threads_full; /* 0: unknown */
        uint32_t duty_told, threads_told, heartbeat_told;
        uint64_t answers;         /* requests that it has answered */
        bool stopped;             /* by others, as its process's state says */
        uint64_t stopped_ms;      /* since then */
        uint64_t watched_ms;      /* when that was looked at last */
        struct open_files *held;  /* its weights, open while it has them mapped; NULL: none */
        bool weights_changed;     /* since it mapped them */
        bool no_numbers;          /* it has answered so, and that was said */
        bool keeps_precision;     /* ... to lower its precision: no load is made room for so */
        bool no_heat;             /* the engine has refused to be slowed down */
        bool cycled, frozen;      /* so its control group stops it and lets it go */
        struct action suspending; /* ACTION_SUSPEND or ACTION_RESUME under way, else ACTION_NONE */
        bool making_files;        /* ... and its files are being made */
        uint32_t suspending_failed;

        struct cgroup_engine *group;   /* NULL: it is in ours */
        uint64_t group_bytes;          /* memory.max of the group */
        struct cgroup_usage group_end; /* usage of the group when the engine was gone */
        bool ended;                    /* by the governor; the next tick sees to the rest */
        bool ended_seen;
        enum reason ended_because;
        struct process_memory memory; /* as measured last */
        uint64_t peak_bytes, rest_peak_bytes;
        uint64_t measured_ms, measure_cost_us;
        bool measure_wanted;
        struct saving saving;
};

#endif
