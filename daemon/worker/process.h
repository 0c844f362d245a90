/*
 * process.h - one engine: a worker process and the frames we exchange with it.
 *
 * The engine is treated as hostile: a frame that is unknown, untimely, mis-sized or names a request that was never
 * made ends the conversation (on_protocol_error, once), after which no frame is delivered and the owner should kill
 * it. docs/wire-protocol.md defines the frames and their order. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_WORKER_PROCESS_H
#define HEADROOM_DAEMON_WORKER_PROCESS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/system/child.h"
#include "engine/base/cpu_list.h"
#include "policy/base/kv_type.h"
#include "policy/base/speculate.h"

struct bulk;
struct engine_process;
struct trace;

struct engine_settings {
        const char *path;     /* of headroom-engine */
        const int *model_fds; /* stay the caller's */
        uint32_t model_fds_count;
        uint32_t context, kv_tokens, kv_tokens_max, parallel;
        uint32_t threads;     /* 0: the engine decides */
        struct cpu_list cpus; /* empty: any */
        enum kv_type kv_type;
        enum kv_type
                kv_floor; /* what the KV cache may be taken down to while it runs; one that the heads cannot have is raised */
        enum speculate speculate;
        bool lookups;        /* the engine may ask for files with the prefixes of prompts */
        int cgroup_fd;       /* of cgroup_engine_fd; -1: it stays in ours */
        struct trace *trace; /* as engine_process_trace */
};

enum frame_type {
        FRAME_READY,
        FRAME_FAILED,
        FRAME_START,
        FRAME_TEXT,
        FRAME_END,
        FRAME_EMBEDDING,
        FRAME_ERROR,
        FRAME_STATISTICS,
        FRAME_CONTROLLED,
        FRAME_SUSPENDED,
        FRAME_RESTORED,
        FRAME_SAVE_CANDIDATE,
        FRAME_SAVED,
        FRAME_LOOKUP,
        FRAME_CORRUPT,
        FRAME_PROMPT,
        FRAME_NOTE,
        FRAME_COUNT
};

struct engine_process_events {
        /*
         * ID is that of a request made before (maybe over since), 0 where the message has none. FRAME is borrowed.
         * False: its fields are not what its type says, which breaks the conversation.
         */
        bool (*on_frame)(void *user, enum frame_type says, uint64_t id, const cJSON *frame);
        void (*on_protocol_error)(void *user, const char *sentence);
        void (*on_hang_up)(void *user); /* the engine closed its end: it has ended or is about to */
        /* Last: the process is gone, and so is the object after this call. */
        void (*on_exit)(void *user, struct child_exit exit);
};

/* 0 and *ret, or -errno. */
int engine_process_start(uv_loop_t *loop, const struct engine_settings *settings, const struct engine_process_events *events,
                         void *user, struct engine_process **ret);
pid_t engine_process_pid(const struct engine_process *e);
int engine_process_pidfd(const struct engine_process *e); /* stays the engine's */
const char *engine_process_last_words(const struct engine_process *e);

/* True while the engine takes what we send; false when it has stopped reading and our queue is full. */
bool engine_process_listens(const struct engine_process *e);
/* A request as its frame tells it. */
struct engine_request {
        const char *type, *kind; /* KIND: NULL where the type has none */
        bool batch;
        uint32_t item;   /* of a list of prompts */
        uint32_t choice; /* of the answers to one prompt */
        uint64_t group;  /* of those; 0: there is one alone */
        uint64_t tenant;
        bool is_scored; /* its end shall say how likely the answer is */
        struct bulk *body;
        uint32_t values; /* in it */
};
/* The body goes as it came. 0 and *ret_id; -EMSGSIZE when it is more than the engine takes; -errno. */
int engine_process_send_body(struct engine_process *e, const struct engine_request *request, uint64_t *ret_id);
/* TYPE is cancel, pause or resume. A channel that is closed shows as on_exit, so failure is not told. */
void engine_process_about(struct engine_process *e, const char *type, uint64_t id);
/*
 * The levers (docs/wire-protocol.md). The engine answers with a frame: controlled or error with the id of the control,
 * suspended and restored with that of the request.
 */
/* SETTINGS: an object with fields of a control frame; it gets the type and the id, and stays the caller's. 0 and *ret_id; -errno. */
int engine_process_control(struct engine_process *e, cJSON *settings, uint64_t *ret_id);
/*
 * ID is a request's. FD: open for reading and writing, empty, the caller's to close after the call; or -1: its KV is
 * dropped and computed again later. 0; -EAGAIN when the engine has not taken the descriptors that were sent before; -errno.
 */
int engine_process_suspend(struct engine_process *e, uint64_t id, int fd);
int engine_process_restore(struct engine_process *e, uint64_t id);
/*
 * Prefixes in files (docs/wire-protocol.md): what has it to save, write the last candidate to FD, and the answer to what
 * request ID asked (FD -1: there is none). FD as with suspend. 0 and *ret_id; -EAGAIN; -errno.
 */
int engine_process_save_candidate(struct engine_process *e, uint64_t *ret_id);
int engine_process_save(struct engine_process *e, int fd, uint64_t *ret_id);
int engine_process_found(struct engine_process *e, uint64_t id, int fd);
/*
 * The emergency: the frame was made at the start, and sending it needs no memory. It goes behind what is unsent (a frame
 * may be half sent), which is little for an engine that listens. 0, -EALREADY: one is under way; -EPIPE.
 */
int engine_process_downshift_now(struct engine_process *e);
/* Writes the engine's frames into TRACE from now on, and has it report the tokens of prompts; NULL: no longer. */
void engine_process_trace(struct engine_process *e, struct trace *trace);
/* TYPE is shutdown or statistics. */
void engine_process_tell(struct engine_process *e, const char *type);
void engine_process_kill(struct engine_process *e);

#endif
