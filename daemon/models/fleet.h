/*
 * fleet.h - the models we know and their lives: loaded on demand under the budget, unloaded when idle or in the way.
 *
 * The fleet owns the engines. Callbacks from processes, sockets and timers only note what happened and poke the fleet; the
 * tick comes when they have returned. Who is loaded and unloaded is decided by policy in that tick (governor/tick.c). Loop thread only.
 */
#ifndef HEADROOM_DAEMON_MODELS_FLEET_H
#define HEADROOM_DAEMON_MODELS_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/base/bounds.h"
#include "daemon/config/config.h"
#include "daemon/requests/submit.h"
#include "daemon/state/model_state.h"
#include "daemon/trace/trace.h"

struct fleet;
struct prefix_cache_figures;

/* Config must outlive the fleet. 0 or -errno. */
int fleet_new(uv_loop_t *loop, const struct config *config, struct fleet **ret);
/* Stops every engine (requests fail with shutting_down) and calls ON_STOPPED when the last process is gone. */
void fleet_stop(struct fleet *f, void (*on_stopped)(void *user), void *user);
void fleet_free(struct fleet *f); /* after on_stopped */
/* The models' part of the tick: what has ended, what time does to each model, what is due to be measured. */
void fleet_tick(struct fleet *f);

/* ON_SURVEYED is called once, from a tick that finds that every model's file has been looked into. */
void fleet_when_surveyed(struct fleet *f, void (*on_surveyed)(void *user), void *user);

/* The state of a model for the API and the control socket. Strings are borrowed until the loop turns. */
struct model_status {
        const char *id;
        const char *path;
        const struct inspected *inspected; /* what its file says; NULL while that is not known */
        uint64_t file_bytes, file_key;     /* of all its files; another key for other files; 0: not known */
        enum model_state state;
        bool offered;         /* to clients: it is a model, as far as its file has been looked into */
        bool retired;         /* it has left the configuration, and goes when it has served what it has begun */
        const char *no_model; /* a sentence, where its file is something else; NULL */
        bool pinned;
        int priority;
        pid_t pid;                                                       /* 0 when there is no process */
        bool stopped;                                                    /* by others: its engine computes nothing */
        uint32_t running, waiting;                                       /* requests */
        uint64_t predicted_bytes;                                        /* 0: not inspected yet */
        uint64_t weights_bytes, kv_bytes, scratch_bytes, overhead_bytes; /* the parts of predicted_bytes */
        uint64_t measured_bytes;                                         /* PSS now; 0 without a process */
        uint64_t peak_bytes;
        uint32_t n_ctx, kv_tokens;
        uint32_t parallel;                             /* requests at once */
        const char *kv_type;                           /* as it was, or would be, loaded */
        const char *kv_now;                            /* the precision that it has come down to; NULL while it is not loaded */
        uint64_t kv_used_bytes;                        /* of the KV cache, as the engine said last */
        uint64_t tokens_proposed, tokens_accepted;     /* guesses at tokens that were checked, and those that were right */
        uint64_t made_room;                            /* how often a running request had to wait once more, for older ones */
        uint32_t context_now;                          /* ceiling for new requests; 0 while it is not loaded */
        uint32_t suspended;                            /* requests on disk, besides those running */
        uint32_t duty_permille;                        /* of the time it may compute */
        int64_t created_s;                             /* Unix: file time, for /v1/models */
        int64_t loaded_ms_ago, idle_ms, expires_in_ms; /* -1: does not apply */
        uint64_t loads, deaths, requests;
        const char *last_error;  /* "" when none; a sentence */
        const char *last_exit;   /* "" or e.g. "killed by SIGKILL" */
        const char *last_stderr; /* last lines, "" when none */
        uint64_t protected_ms;   /* from other models, for so long from now; 0: it is not */
        uint64_t service_ms;     /* the usual time of a request; 0: none has ended */
        uint64_t load_ms;        /* how long the last load took, also before a restart; 0: none */
        uint64_t expected_ms;    /* until one that came now would begin; UINT64_MAX: nobody can tell */
        int64_t cooldown_ms;     /* until the next try; 0 when none */
        struct trace_info trace; /* its path NULL when none runs */
};

struct fleet_status {
        uint64_t budget_bytes, reserved_bytes, measured_bytes, weights_bytes, weights_limit_bytes, reserve_bytes, available_bytes,
                ram_bytes;
        uint32_t models_known, models_loaded, requests_running, requests_waiting;
        uint64_t tick_count;
        const char *groups;       /* the state of control groups for the engines: a sentence */
        int64_t last_tick_ms_ago; /* /health: the scheduler's own loop makes progress */
};

void fleet_status(struct fleet *f, struct fleet_status *ret);
/* Of prefixes of prompts on disk. */
void fleet_prefix_cache(const struct fleet *f, struct prefix_cache_figures *ret);
uint32_t fleet_models_count(const struct fleet *f);
void fleet_model_status(struct fleet *f, uint32_t index, struct model_status *ret);

/* A request that waits. */
struct waiting_status {
        bool batch;
        uint64_t waited_ms;
        struct outlook outlook;
        const char *why;
};
/* Those of a model whose turns come first; their number, QUEUE_SHOWN_MAX at the most. */
uint32_t fleet_model_queue(const struct fleet *f, uint32_t index, struct waiting_status ret[QUEUE_SHOWN_MAX]);

/*
 * The operator's jobs; ON_DONE is called once from the loop: failure NULL when it worked.
 * Unloading a busy model waits for its requests unless FORCE (they end with an in-band error).
 */
typedef void fleet_done(void *user, const struct failure *failure);
void fleet_load(struct fleet *f, const char *model, fleet_done *on_done, void *user);
void fleet_unload(struct fleet *f, const char *model, bool force, fleet_done *on_done, void *user);
/* The operator's word: no other model turns it out for MS from now, whatever was asked before; 0: they may. 0 or -ENOENT. */
int fleet_protect(struct fleet *f, const char *model, uint64_t ms);
/*
 * A client needs the model no more: it leaves as soon as it is idle, and who waits for it is served before. 0, also where it is not
 * loaded; -ENOENT: there is none of that name; -EPERM: it is pinned.
 */
int fleet_dismiss(struct fleet *f, const char *model);

#endif
