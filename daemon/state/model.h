/* model.h - one model: its life, its requests, its files, its engine. */
#ifndef HEADROOM_DAEMON_STATE_MODEL_H
#define HEADROOM_DAEMON_STATE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/bounds.h"
#include "daemon/config/config.h"
#include "daemon/worker/inspection.h"
#include "daemon/state/model_files.h"
#include "daemon/state/queue.h"
#include "daemon/state/instance.h"
#include "daemon/state/model_state.h"
#include "daemon/state/request.h"
#include "daemon/system/child.h"
#include "policy/admission/backoff.h"
#include "policy/admission/footprint.h"
#include "policy/state/plan.h"

struct engine_ops;
struct fleet;
struct trace;

/* One way to load a model. The first form is as configured, each further one is smaller. */
struct form {
        uint32_t kv_tokens;
        bool is_elastic; /* the pool begins with these, and grows and shrinks with what is needed */
        enum kv_type kv_type;
        struct footprint_facts facts;
        struct footprint predicted;
};

struct model {
        struct fleet *fleet;
        const struct config_model *config;
        struct config_model kept; /* what CONFIG points to since the model has left the configuration */
        bool is_retired;          /* ... which it has: it serves what it has begun, and goes */
        uint32_t number;          /* by which policy, events and traces know it: see names.h */
        enum model_state state;
        struct queue waiting, running; /* of struct request */
        struct queue loads, unloads;   /* of struct operator_job */
        bool unload_asked;             /* by the operator, since the last tick */
        bool preload;                  /* wanted because the configuration says so */

        bool identified; /* the next three are valid */
        struct files_identity files;
        bool inspected_well; /* else inspect_sentence says why not */
        struct inspected inspected;
        char inspect_sentence[400];
        bool surveyed;                    /* its files have been looked into, or could not be ... */
        bool survey_due;                  /* ... but are others by now */
        bool is_no_model;                 /* what they hold is something else, as inspect_sentence says */
        struct inspection *inspection;    /* running */
        bool is_inspection_stale;         /* ... for a configuration or files that are no longer so */
        struct files_identity inspecting; /* files that the inspection runs on */

        struct form forms[FORMS_MAX];
        uint32_t forms_count;
        struct form form; /* the one it is, or would be, loaded in */
        uint32_t learned;
        uint32_t context_least, context_full; /* what its context may be: from one to the other, as memory allows */
        uint32_t context;                     /* with which it is, or was, loaded */

        const struct engine_ops *ops; /* the verbs of its kind of engine */
        struct instance engine;
        struct trace *trace; /* NULL: it is not traced */
        struct backoff backoff;
        uint64_t failed_of;      /* the files that its last failure came from (daemon/state/cooldown.c) */
        struct load last_answer; /* of policy, while MODEL_WAITING */
        bool answer_logged;

        uint32_t generation;         /* of its engine, among all that there were */
        uint64_t load_ms;            /* how long the last load took */
        uint64_t service_ms;         /* the usual time of a request at its place in the engine; 0: none has ended */
        uint64_t protected_until_ms; /* somebody asked for it: no other model turns it out before */
        uint32_t away;               /* requests that were turned away since as many places in the queue became free */
        uint64_t loads_count, deaths_count, requests_count;
        char last_error[512];
        char last_exit[64];
        char last_words[CHILD_WORDS_MAX + 1];
};

#endif
