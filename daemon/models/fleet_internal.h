/*
 * fleet_internal.h - the objects behind models.h and requests/request.h, for their own files alone.
 *
 *      state/tick.c      the time, and asking for a tick
 *      state/account.c   what a model counts for
 *      state/lookup.c    finding a model by its name
 *      state/outcome.c   what became of an act
 *      models.c          the loop's side: one tick, its timer, start and stop
 *      admit.c    accounts, the question to policy, and what follows from the answer
 *      snapshot.c     what the governor sees of it
 *      governor/apply.c   the governor's acts
 *      engines/control.c         control frames to an engine, and their answers
 *      engines/throttle.c    slowing engines down
 *      engines/kill.c     ending one at once, and the control group that it is in
 *      engines/suspend.c     requests on disk
 *      engines/prefix_cache_client.c  beginnings of prompts on disk
 *      measure.c  looking at the engines' memory on a thread of the pool
 *      status.c   what others may see
 *      operator.c    the operator's load and unload
 *      model_inspect.c  one model's files and their size
 *      model.c          one model's life: events, acts, and the end of an engine
 *      engines/frames.c        what an engine says
 *      requests/waiting.c, send.c, answer.c   one model's requests: waiting, sent, answered, given back
 *      requests/gate.c          what may not begin at the moment, and who is told why
 *      requests/request.c       an ask as its owner sees it
 *
 * Callbacks (frames, exits, timers) change one model and poke the fleet; the tick does the rest. An owner's
 * callback may submit or cancel asks, so no loop here holds a pointer into a queue across such a call.
 */
#ifndef HEADROOM_DAEMON_MODELS_FLEET_INTERNAL_H
#define HEADROOM_DAEMON_MODELS_FLEET_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/bounds.h"
#include "daemon/engines/process.h"
#include "daemon/engines/statistics.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/requests/failure.h"
#include "daemon/cache/page_cache.h"
#include "daemon/models/models.h"
#include "daemon/governor/apply.h"
#include "daemon/models/footprints.h"
#include "daemon/models/inspection.h"
#include "daemon/models/model_files.h"
#include "daemon/models/verbs.h"
#include "daemon/models/model_state.h"
#include "daemon/cache/prefix_cache.h"
#include "daemon/requests/queue.h"
#include "daemon/base/meminfo.h"
#include "daemon/engines/frames.h"
#include "daemon/requests/answer.h"
#include "daemon/requests/ask.h"
#include "daemon/requests/send.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/account.h"
#include "daemon/state/lookup.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "policy/admission/admission.h"
#include "policy/admission/backoff.h"
#include "policy/admission/footprint.h"

#define TIME_NEVER UINT64_MAX

struct model;

struct ask {
        struct queue_link link; /* first: an ask is its link */
        struct model *model;
        enum ask_kind kind;
        cJSON *body;
        struct ask_events events;
        void *user;
        uint64_t id;       /* on the wire; 0 while it waits */
        uint64_t since_ms; /* submitted */
        uint64_t turn_ms;  /* its place in the queue: one of the batch class ages into it */
        uint32_t attempts; /* engines it was sent to */
        bool batch;
        bool paused;
        bool moving;       /* out of memory or back: it has been told and has not answered */
        bool suspended;    /* the engine has said so: it takes no place there until it is restored */
        bool started;      /* on_start was called */
        bool has_recalled; /* the engine has asked for a file with its beginning ... */
        uint64_t recalled; /* ... and was given this one; 0: none */
        bool spoke;        /* some of the answer was told */
        const char *why;   /* last told by on_waiting */
};

/* A control frame that the engine has not answered yet. */
struct order {
        uint64_t id;    /* 0: none here */
        struct act act; /* ACT_NONE: it is about heat or the heartbeat */
        uint64_t sent_ms;
};

/* What an engine has to keep on disk: asked for one thing after the other. All zero: not begun. */
struct keeping {
        uint64_t offer_id, keep_id; /* on the wire; offer_id 0: not asked, or answered */
        bool making;                /* the cache makes or commits a file */
        struct cache_job *job;      /* a file that the engine writes to */
        bool exhausted;             /* it has no more, until a request ends */
        uint64_t leaving_ms;        /* it is to leave, and is waited for since then */
};

/* The engine process of a model, from its start until its memory is back. All zero: none. */
struct tenure {
        struct engine_process *process; /* NULL once it has exited */
        bool exited;
        bool was_ready;
        bool worked;   /* has ended a request */
        bool expected; /* we told it to go */
        bool killed;
        bool said_failed;   /* instead of ready: SENTENCE is its own */
        char sentence[400]; /* why it failed or we ended it; "" when it just went */
        enum reason why_stopped;
        char for_whom[MODEL_ID_MAX + 1]; /* why_stopped == REASON_MAKE_ROOM */
        uint64_t started_ms, ready_ms, last_end_ms, stopping_ms, exited_ms;
        uint64_t heard_ms;                   /* last frame, or when there was last reason for one */
        bool pinged;                         /* ... since then */
        uint64_t available_before_bytes;     /* MemAvailable when it was told to go */
        uint32_t n_ctx, kv_tokens, parallel; /* as the engine said */
        bool kv_known;                       /* it has said so since it last began a request */
        struct engine_report report;         /* what it said last */
        bool reported;                       /* it has said so at least once */

        /* What it was told, and how it takes it. */
        struct order orders[ORDERS_MAX];
        enum kv_type level;                       /* precision asked for */
        enum kv_type counted;                     /* precision that its account counts */
        uint32_t context_now;                     /* ceiling for new requests */
        uint32_t chunk, chunk_full, threads_full; /* 0: unknown */
        uint32_t duty_told, threads_told, heartbeat_told;
        bool no_heat;          /* it has refused to be slowed down */
        bool cycled, frozen;   /* so it is stopped and let go by its control group */
        struct act suspending; /* ACT_SUSPEND or ACT_RESUME under way, else ACT_NONE */
        uint32_t suspending_failed;

        struct cgroup_engine *group;   /* NULL: it is in ours */
        uint64_t group_bytes;          /* its memory.max */
        struct cgroup_usage group_end; /* what it told when the engine was gone */
        bool ended;                    /* by the governor; the next tick sees to the rest */
        bool ended_seen;
        enum reason ended_because;
        struct process_memory memory; /* as measured last */
        uint64_t peak_bytes, rest_peak_bytes;
        uint64_t measured_ms, measure_cost_us;
        bool measure_wanted;
        struct keeping keeping;
};

/* One way in which a model may be loaded. The first is as configured, each further one smaller. */
struct form {
        uint32_t kv_tokens;
        enum kv_type kv_type;
        struct footprint_facts facts;
        struct footprint predicted;
};

/* What may not begin at the moment, as the governor says, and the numbers behind it. */
struct holds {
        bool loads, growth, batch;
        enum reason batch_because; /* REASON_MEMORY_HELD or REASON_TOO_HOT */
        int64_t headroom_bytes;
        uint64_t exhaustion_ms; /* UINT64_MAX: never */
        int32_t millidegrees;   /* INT32_MAX: unknown */
};

struct model {
        struct fleet *fleet;
        const struct config_model *config;
        uint32_t index;
        enum life life;
        struct queue waiting, running; /* of struct ask */
        struct queue loads, unloads;   /* of struct verb */
        bool unload_asked;             /* by the operator, since the last tick */
        bool preload;                  /* wanted because the configuration says so */

        bool identified; /* the next three are valid */
        struct files_identity files;
        bool inspected_well; /* else inspect_sentence says why not */
        struct inspected inspected;
        char inspect_sentence[400];
        struct inspection *inspection;    /* running */
        struct files_identity inspecting; /* what it runs on */

        struct form forms[FORMS_MAX];
        uint32_t forms_count;
        struct form form; /* the one it is, or would be, loaded in */
        uint32_t learned;
        uint32_t context; /* as it will be asked for */

        struct tenure engine;
        struct backoff backoff;
        struct admission last_answer; /* of policy, while LIFE_WAITING */
        bool answer_logged;
        uint64_t short_since_ms; /* VERDICT_SHORT since; 0: not */

        uint32_t generation; /* counts its engines */
        uint64_t load_ms;    /* how long the last load took */
        uint64_t loads_count, deaths_count, requests_count;
        char last_error[512];
        char last_exit[64];
        char last_words[CHILD_WORDS_MAX + 1];
};

struct fleet {
        uv_loop_t *loop;
        const struct config *config;
        const char *proc, *sys;
        uint64_t ping_after_ms, silent_max_ms; /* from bounds.h; shorter in tests */
        struct model *models;
        uint32_t models_count;
        uint32_t waiting_count; /* asks waiting for all models */
        uint32_t inspections_count;
        struct footprints *footprints;

        uv_idle_t soon; /* runs the tick before the loop sleeps ... */
        uv_idle_cb on_soon;
        uv_timer_t timer; /* runs it when something is due */
        uint32_t handles_open;
        bool poked;      /* a tick is on its way */
        uint64_t now_ms; /* of this tick */
        uint64_t due_ms; /* the earliest of what this tick found to be due later */
        uint64_t tick_count, last_tick_ms;

        struct holds holds;
        uint32_t duty_permille, threads_permille; /* of heat: what every engine may */
        uint32_t heartbeat_ms;                    /* how often engines report: more often while memory is short */
        uv_timer_t beat;                          /* of engines that are stopped and let go */
        bool beat_is_off;
        struct prompt_cache *prompt_cache; /* NULL: nothing is kept on disk */
        struct file_cache *file_cache;
        struct act dropping;      /* ACT_DROP_FILES under way */
        struct cgroup_tree *tree; /* NULL: there is none, for TREE_SENTENCE */
        char tree_sentence[400];
        fleet_acted *on_act;
        void *on_act_user;
        uint32_t deferred_count; /* of an emergency: what needs memory comes after the rest */
        struct act deferred[PLAN_ACTS_MAX];

        struct memory_seen memory;
        uint64_t memory_read_ms;
        bool memory_known;
        bool memory_complained;
        bool overrun_logged;

        uv_work_t measure; /* one look at a time */
        bool measuring;
        uint32_t measure_model;
        bool measure_kv_known; /* when the look began */
        pid_t measure_pid;
        int measure_result;
        uint64_t measure_ns;
        struct process_memory measured;

        struct queue finished_verbs;
        bool stopping, stopped;
        void (*on_stopped)(void *user);
        void *on_stopped_user;
};

static inline struct ask *ask_of(struct queue_link *link) {
        return (struct ask *) link;
}

/* admit.c */
void fleet_admit(struct fleet *f);
/* More bytes for one that is loaded already. */
bool fleet_has_room(struct fleet *f, uint64_t bytes);

/* governor/apply.c */
void govern_tick(struct fleet *f);

/* engines/control.c */
/* SETTINGS is taken over, NULL is fine. 0; -EBUSY: too many are unanswered; -errno. */
int order_send(struct model *m, cJSON *settings, const struct act *act);
bool order_is_pending(const struct model *m, enum act_kind kind);
/* When the oldest that is unanswered was sent; TIME_NEVER when there is none. */
uint64_t order_oldest_ms(const struct model *m);
/* True when ID is that of an order. */
bool order_answered(struct model *m, uint64_t id, bool good);
/* What the engine says of itself is what it does. */
void orders_compare(struct model *m);

/* engines/throttle.c */
void heat_set(struct fleet *f, uint32_t duty_permille, uint32_t threads_permille);
void heat_tick(struct fleet *f);
void heat_release(struct model *m); /* it runs freely again, if it was stopped */

/* engines/kill.c */
/* Enters the engine that is about to start into a control group, where we have a tree; a descriptor or -1. */
int engine_group_begin(struct model *m);
/* Its account has grown: so does the limit. */
void engine_group_follow(struct model *m);
/* The process is gone. */
void engine_group_end(struct model *m);
/* Now, without a word to it. Allocates and opens nothing. */
void engine_end_now(struct model *m);
void engine_rehearse_end(const struct model *m);

/* engines/suspend.c */
int suspension_begin(struct model *m, const struct act *act);
int suspension_resume(struct model *m, const struct act *act);
void suspension_answered(struct ask *ask, bool good);
void suspension_tick(struct model *m);
/* KV that saving batch requests of M would free. */
uint64_t suspension_bytes(const struct model *m);
void suspension_clean(const struct fleet *f); /* what an earlier daemon left */

/* engines/prefix_cache_client.c */
void prompts_tick(struct model *m);
/* Whether M, which has nothing to do any more and is to leave, still has something to keep. */
bool prompts_delay_leaving(struct model *m);
void prompts_forget(struct model *m); /* its engine is gone */
/* Each: false when it is not what its type says, or untimely. */
bool prompts_take_offered(struct model *m, uint64_t id, const cJSON *frame);
bool prompts_take_kept(struct model *m, uint64_t id, const cJSON *frame);
bool prompts_take_recall(struct model *m, struct ask *ask, const cJSON *frame);
bool prompts_take_spoilt(struct model *m, struct ask *ask, const cJSON *frame);

/* measure.c */
void fleet_measure(struct fleet *f);

/* operator.c */
void verbs_unload(struct model *m);

/* model_inspect.c */
/* Finds out its size: the answer may come at once (known already) or later. */
void model_inspect(struct model *m);

/* model.c */
void model_init(struct model *m, struct fleet *f, const struct config_model *config, uint32_t index);
void model_done(struct model *m);
uint64_t model_wanted_since(const struct model *m); /* TIME_NEVER when it is not */
void model_event(struct model *m, enum life_event event);
void model_tick(struct model *m);
/* Tells it to leave; FOR_WHOM is the model that needs the room, or NULL. */
void model_leave(struct model *m, enum reason why, const char *for_whom);
/* The waiters are told, then it is given up. */
void model_refuse(struct model *m, const struct failure *failure);
void model_refuse_load(struct model *m, const char *sentence);

/* requests/gate.c */
/* May its load begin? One that only requests of the batch class want waits with them. */
bool holds_load(const struct model *m);
/* The reason that ASK (NULL: the operator) is held for, or REASON_NONE. */
enum reason holds_ask(const struct model *m, const struct ask *ask);
/* The next request that may be sent to the engine, or NULL. */
struct ask *holds_next(const struct model *m);
/* REASON's sentence with the numbers that it was held by. */
void holds_failure(const struct model *m, enum reason reason, struct failure *ret);

#endif
