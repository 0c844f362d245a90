/*
 * plan.h - what policy answers: a rung, what to hold, actions, loads and unloads, a level of heat, and the numbers behind them.
 *
 * Units are in the names. A counter that is not known is 0, a time that never comes is UINT64_MAX.
 */
#ifndef HEADROOM_POLICY_STATE_PLAN_H
#define HEADROOM_POLICY_STATE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/bounds.h"
#include "policy/base/kv_type.h"
#include "policy/base/reason.h"
#include "policy/base/verdict.h"

enum rung { RUNG_CALM, RUNG_TRIM, RUNG_HOLD, RUNG_EVICT, RUNG_DOWNSHIFT, RUNG_SHRINK, RUNG_SUSPEND, RUNG_LAST, RUNG_COUNT };

enum action_kind {
        ACTION_NONE,
        ACTION_TRIM,       /* MODEL drops its prefix caches */
        ACTION_CHUNK,      /* its prefill chunk becomes VALUE tokens: smaller steps notice sooner; or full again */
        ACTION_DROP_FILES, /* the page cache of model files that are not loaded */
        ACTION_EVICT,      /* MODEL, idle, is unloaded */
        ACTION_DOWNSHIFT,  /* its KV goes down to LEVEL, live */
        ACTION_UPSHIFT,    /* LEVEL again for what is stored from now on */
        ACTION_CONTEXT,    /* ceiling of its new requests becomes VALUE tokens; smaller, or larger again */
        ACTION_SUSPEND,    /* its batch sequences go to disk */
        ACTION_RESUME,     /* and come back */
        ACTION_POOL,       /* its KV pool becomes VALUE tokens: smaller, as far as running requests leave it, or larger */
        ACTION_TURN_OUT,   /* the same, and requests that do not fit wait until there is room again */
        ACTION_END,        /* it is killed, before the kernel picks a victim */
        ACTION_COUNT,
};

struct action {
        enum action_kind kind;
        uint32_t model; /* id; UINT32_MAX where it concerns none */
        enum kv_type level;
        uint32_t value;
        uint64_t expected_bytes; /* what it should free */
        enum reason because;
};

#define PLAN_ACTIONS_MAX ACCOUNTS_MAX

/* The rule of admission that is broken, with its numbers: what others hold of it and what is needed. */
struct room {
        enum admission_rule rule; /* RULE_NONE: none is */
        uint64_t limit_bytes, used_bytes, needed_bytes;
};

/* The answer to a want. */
struct load {
        uint32_t model;
        enum verdict verdict;
        bool refused;        /* for good: whoever waits for it is told */
        enum reason because; /* of a refusal (also one that is only feared yet) or a hold; else REASON_NONE */
        uint32_t context;    /* tokens: the largest that there is room for, where it is admitted; else the least */
        uint32_t form;       /* of those wanted; the smallest where all are refused */
        struct room room;
        uint64_t look_again_ms;    /* absolute; UINT64_MAX: when something changes */
        uint64_t guarded_until_ms; /* absolute: protected models stand in the way until then; 0: none does */
        uint64_t room_ms;          /* absolute: when its room is expected; UINT64_MAX: nobody can tell */
};

/* A model that leaves for another, as soon as its running requests have ended. */
struct unload {
        uint32_t model;
        enum reason because; /* REASON_MAKE_ROOM or REASON_OVER_BUDGET */
        uint32_t for_model;  /* UINT32_MAX: for none */
};

struct plan {
        enum rung rung;
        enum reason because;       /* of the rung */
        bool hold_loads;           /* start no engine */
        bool hold_growth;          /* send no new request to an engine, unless nothing runs anywhere */
        bool hold_batch;           /* send none of the batch class ... */
        enum reason batch_because; /* ... REASON_MEMORY_HELD, REASON_TOO_HOT or REASON_BATCH_HOURS */
        uint64_t batch_opens_ms;   /* absolute: when the last of these ends; else UINT64_MAX */
        bool emergency;            /* carry the actions out first, by the path that allocates nothing */
        uint32_t actions_count;
        struct action actions[PLAN_ACTIONS_MAX]; /* mildest first */
        struct action verified;                  /* an action whose time is up: its kind, or ACTION_NONE ... */
        uint64_t verified_freed_bytes;           /* ... and what it really freed */

        uint32_t loads_count;
        struct load loads[WANTS_MAX]; /* in the order in which they were answered */
        uint32_t unloads_count;
        struct unload unloads[ACCOUNTS_MAX];
        uint64_t free_bytes; /* that no rule keeps from another model, when all this has been done */
        struct room overrun; /* engines hold more than they may; RULE_NONE: they do not */

        /* Heat: for every engine alike. */
        uint32_t heat_level;       /* 0: full speed .. HEAT_LEVELS - 1: least */
        uint32_t duty_permille;    /* of the time that an engine may compute, 1000: all */
        uint32_t threads_permille; /* of its threads, 1000: all */
        enum reason heat_because;
        uint32_t heat_sensor;        /* key of the one that the level, or else the margin, is owed to; 0: none */
        uint32_t stuck_count;        /* control sensors that do not move while the load does, and are not obeyed */
        uint32_t stuck[SENSORS_MAX]; /* their keys */

        /* The numbers behind it, for people. */
        int64_t headroom_bytes;
        int64_t slope_bytes_per_s;              /* of headroom: negative while it shrinks */
        uint64_t exhaustion_ms;                 /* forecast until headroom is gone; UINT64_MAX: never */
        uint64_t cliff_ms;                      /* forecast until the cliff; UINT64_MAX: never */
        uint32_t stall_permille;                /* of the time, worst of our own groups */
        uint64_t refaults_per_s, swapins_per_s; /* pages */
        int32_t margin_millidegrees;            /* least over control sensors, filtered; INT32_MAX: none */
        int32_t millidegrees;                   /* of that sensor */
        uint64_t look_again_ms;                 /* absolute; earlier when something happens */
};

/* An action as a member of a set. */
#define ACTION_BIT(KIND) (UINT32_C(1) << (KIND))

/* "calm", "trim", ...; "evict", "downshift", ...: for logs, JSON and scenarios. */
const char *policy_rung_word(enum rung rung);
const char *policy_action_word(enum action_kind kind);
/* Its VALUE is a number of tokens. */
bool policy_action_has_value(enum action_kind kind);

#endif
