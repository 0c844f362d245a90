/*
 * engine.h - an engine as the fleet knows it: the verbs and capabilities of its kind, and the callbacks for its
 * messages.
 *
 * Each kind is a table of verbs, m->ops; daemon/engines/embedded.c is headroom-engine.
 * The fleet calls an engine through its table alone, and the engine calls back through m->engine.events. Loop thread
 * only. All verbs but start need a running engine: they are called between start and on_exit, while m->engine.process is
 * not NULL.
 */
#ifndef HEADROOM_DAEMON_ENGINES_ENGINE_H
#define HEADROOM_DAEMON_ENGINES_ENGINE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/system/child.h"
#include "policy/state/plan.h"

struct request;
struct model;

/* The parameters of a start beyond those of the model (m->config, m->form, m->context). */
struct engine_start {
        const int *model_fds; /* stay the caller's */
        uint32_t model_fds_count;
        int cgroup_fd; /* the control group that it shall be in; -1: it stays in ours */
};

/* How fast it may run, and how often it is to tell what it holds. 0: that stays as it is. */
struct engine_pace {
        uint32_t heartbeat_ms;
        uint32_t duty_permille; /* of the time it may compute */
        uint32_t threads;
};

/* Verbs that a kind may lack. A missing one is never called, and may be NULL in the table. */
struct engine_capabilities {
        bool trims, changes_chunk, changes_context; /* make_smaller: these actions ... */
        bool lowers_kv;                             /* ... and those on the precision of KV; downshift_now */
        bool changes_pool;                          /* ... and those on the size of the KV pool */
        bool suspends;                              /* suspend, restore */
        bool saves_prefixes;                        /* save_candidate, save, found_file */
        bool throttles;                             /* slow_down */
        bool pauses;                                /* pause */
        bool reports;                               /* measure; also how much KV it holds, and of what precision */
        bool freezes;                               /* its control group may stop it for parts of a second and nothing breaks */
};

struct engine_ops {
        struct engine_capabilities can;

        /*
         * Starts one for M, which is being loaded. 0: m->engine.process, pid and pidfd are set, and on_ready, on_failed or on_exit
         * follows, none of them before the caller returns. -errno: nothing was started.
         */
        int (*start)(struct model *m, const struct engine_start *with);
        /* True once the engine has been ready and while it takes frames; false also while it has stopped reading. */
        bool (*ready)(const struct model *m);
        /* Gives it a waiting request and sets REQUEST's id. 0; -EMSGSIZE: longer than it takes; -EPIPE: it is going; -errno. */
        int (*send)(struct model *m, struct request *request);
        /* The request is gone from the queue: no answer to ID is wanted, though one may still come. */
        void (*cancel)(struct model *m, uint64_t id);
        /* Holds back the answer of a request whose client reads too slowly, or lets it go on. */
        void (*pause)(struct model *m, uint64_t id, bool paused);
        /* Asks for its report: it comes into m->engine.report (docs/wire-protocol.md, statistics), and control_compare_report follows. */
        void (*measure)(struct model *m);
        /*
         * Orders. 0: on its way under *ret_id, and control_request_answered follows. -errno: nothing was sent. make_smaller is for
         * ACTION_TRIM, ACTION_CHUNK, ACTION_CONTEXT, ACTION_POOL, ACTION_TURN_OUT, ACTION_DOWNSHIFT and ACTION_UPSHIFT, so it also makes larger again.
         */
        int (*slow_down)(struct model *m, const struct engine_pace *pace, uint64_t *ret_id);
        int (*make_smaller)(struct model *m, const struct action *action, uint64_t *ret_id);
        /*
         * Emergency: allocates and opens nothing. All KV goes down to the floor at once. 0; -EALREADY: it is under way already;
         * -errno.
         */
        int (*downshift_now)(struct model *m);
        /*
         * Request ID out of memory into FD, which stays the caller's, and back; suspension_answered follows. 0; -EAGAIN: it has not
         * taken the descriptors that were sent before; -errno.
         */
        int (*suspend)(struct model *m, uint64_t id, int fd);
        int (*restore)(struct model *m, uint64_t id);
        /*
         * Prefixes of prompts: what has it to save, write what was the candidate last to FD, and the answer to what request ID asked (FD
         * -1: there is none). FD as with suspend.
         */
        int (*save_candidate)(struct model *m, uint64_t *ret_id);
        int (*save)(struct model *m, int fd, uint64_t *ret_id);
        int (*found_file)(struct model *m, uint64_t id, int fd);
        /* Asks the engine to end, when nothing runs any more or need not finish; on_exit follows soon. */
        void (*stop)(struct model *m);
        /* Emergency: allocates and opens nothing. Ends its processes without a word to them; on_exit follows. */
        void (*end_at_once)(struct model *m);
        /* The trace of the model, m->trace, has begun or ended. NULL where there is nothing to write into one. */
        void (*trace)(struct model *m);
        /* The last output on standard error, for people; "" where none is kept. Valid until the loop turns. */
        const char *(*last_words)(const struct model *m);
};

struct engine_ready {
        uint32_t context, parallel;
        uint32_t kv_tokens_max; /* that its KV pool can grow to */
        const char *warning;    /* NULL: none; a sentence about its chat template. Borrowed */
};

/* The kinds of pieces of an answer; the fields are those of the frame of that type (docs/wire-protocol.md). */
enum answer_kind { ANSWER_START, ANSWER_TEXT, ANSWER_END, ANSWER_EMBEDDING, ANSWER_ERROR };

/* Callbacks of every kind of engine. */
struct engine_events {
        void (*on_ready)(struct model *m, const struct engine_ready *ready);
        void (*on_failed)(struct model *m, const char *sentence); /* instead of ready: it goes by itself */
        /* REQUEST runs on it. False: the fields are not what SAYS means. REQUEST may be gone afterwards. */
        bool (*on_answer)(struct model *m, struct request *request, enum answer_kind says, const cJSON *fields);
        void (*on_broken)(struct model *m, const char *sentence); /* the engine broke the protocol: it must be ended */
        void (*on_hang_up)(struct model *m);                      /* the engine has ended or is about to */
        void (*on_exit)(struct model *m, struct child_exit exit); /* last: nothing is left of it after this call */
};

/* The actions of policy for which it has no verb, as a set of ACTION_BIT. */
uint32_t engine_lacks(const struct model *m);
/* Asks for its report, if it can make one. */
void engine_measure(struct model *m);

#endif
