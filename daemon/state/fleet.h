/*
 * fleet.h - all models and their shared parts, for the rooms that work on them: models, requests, engines, governor.
 *
 * Callbacks (frames, exits, timers) change one model and poke the fleet; the tick does the rest. An owner's
 * callback may submit or cancel requests, so no loop holds a pointer into a queue across such a call.
 */
#ifndef HEADROOM_DAEMON_STATE_FLEET_H
#define HEADROOM_DAEMON_STATE_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/base/bounds.h"
#include "daemon/base/meminfo.h"
#include "daemon/config/config.h"
#include "daemon/state/queue.h"
#include "daemon/state/model.h"
#include "daemon/state/names.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "policy/state/plan.h"

struct cgroup_tree;
struct page_cache;
struct footprints;
struct prefix_cache;
struct traces;

/* The admission gate as the governor has set it, with the numbers behind it. */
struct gate {
        bool loads, growth, batch;
        enum reason batch_because; /* as in struct plan, and so is the next */
        uint64_t batch_opens_ms;
        int64_t headroom_bytes;
        uint64_t exhaustion_ms; /* UINT64_MAX: never */
};

struct fleet {
        uv_loop_t *loop;
        const struct config *config;
        const char *proc, *sys;
        char heat[FLEET_HEAT_MAX];             /* how hot it is, and where; "" where that is not known */
        uint64_t ping_after_ms, silent_max_ms; /* from bounds.h; shorter in tests */
        struct model **models;                 /* FLEET_MAX places: in the order of the configuration, then those that leave */
        uint32_t models_count;
        struct names names;
        uint32_t generations;   /* engines started so far */
        uint32_t waiting_count; /* requests waiting for all models */
        uint32_t inspections_count;
        struct footprints *footprints;

        uv_idle_t soon; /* runs the tick before the loop sleeps ... */
        uv_idle_cb on_soon;
        uv_timer_t timer; /* runs it when something is due */
        uint32_t handles_open;
        fleet_ticked *on_tick; /* the whole tick; NULL: that of the models alone */
        void *on_tick_user;
        bool poked;      /* a tick is on its way */
        bool changed;    /* a model is in another state than when it was last viewed */
        uint64_t now_ms; /* of this tick */
        uint64_t due_ms; /* the earliest of what this tick found to be due later */
        uint64_t tick_count, last_tick_ms;

        struct gate gate;
        uint32_t duty_permille, threads_permille; /* of heat: what every engine may */
        uint32_t heartbeat_ms;                    /* how often engines report: more often while memory is short */
        uv_timer_t beat;                          /* of engines that are stopped and let go */
        bool beat_is_off;
        struct prefix_cache *prefix_cache; /* NULL: nothing is kept on disk */
        struct page_cache *page_cache;
        struct action dropping;   /* ACTION_DROP_FILES under way */
        struct cgroup_tree *tree; /* NULL: there is none, for TREE_SENTENCE */
        char tree_sentence[400];
        fleet_action_done *on_action;
        fleet_noted *on_note;
        void *on_action_user;
        uint32_t deferred_count; /* of an emergency: what needs memory comes after the rest */
        struct action deferred[PLAN_ACTIONS_MAX];

        /* As the last look saw them. */
        uint64_t ram_bytes, available_bytes;
        uint64_t free_bytes; /* that another model could take now, as policy says */
        bool memory_blind;
        bool overrun_logged;

        uv_work_t measure; /* one look at a time */
        bool measuring;
        uint32_t measure_model;
        bool measure_kv_known; /* when the look began */
        pid_t measure_pid;
        int measure_result;
        uint64_t measure_ns;
        struct process_memory measured;
        bool measure_complained;
        struct open_files *measure_files; /* of the model under the look; NULL: none are held */
        bool measure_same_files;
        bool measure_releases; /* its engine has gone meanwhile: they are closed after the look */

        struct traces *traces;
        void (*on_trace)(void *user, uint32_t model, bool runs, enum reason because);
        void *on_trace_user;

        uint32_t files_making; /* suspensions whose files are being made */
        struct queue finished_jobs;
        void (*on_unknown)(void *user); /* somebody asked for a name that no model has */
        void *on_unknown_user;
        void (*on_surveyed)(void *user);
        void *on_surveyed_user;
        bool stopping, stopped;
        void (*on_stopped)(void *user);
        void *on_stopped_user;
};

#endif
