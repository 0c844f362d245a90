/*
 * trace.h - the frames between the daemon and the engine of one model, and the decisions about it, as lines of JSON in a file.
 *
 * Lines are gathered in memory that is there from the start and written by threads of the pool, so that nothing here waits,
 * and nothing but the beginning allocates. Lines for which there is no room, because the disk is slower than they come, are
 * dropped and counted; the file tells how many. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_TRACE_TRACE_H
#define HEADROOM_DAEMON_TRACE_TRACE_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/system/log.h"
#include "policy/base/reason.h"

struct trace;

enum trace_side { TRACE_DAEMON, TRACE_ENGINE };

struct trace_events {
        /* 0, or -errno: no file could be made, and the trace is gone after this call. */
        void (*on_open)(void *user, int result);
        /* trace_over has an answer. From inside any call. */
        void (*on_over)(void *user);
        /* The last line is written; the trace is gone after this call. */
        void (*on_closed)(void *user);
};

struct trace_info {
        const char *path; /* NULL: there is no trace */
        uint64_t begun_unix_ms, until_unix_ms;
        uint64_t lines, dropped, bytes;
};

/* STATE_DIR outlives it. 0 and *ret, then on_open follows; -ENOMEM. */
int trace_new(uv_loop_t *loop, const char *state_dir, const char *model, uint32_t minutes, const struct trace_events *events,
              void *user, struct trace **ret);
/* A frame of SIDE that has BYTES on the wire; FRAME may be NULL where it is a TYPE and nothing else. */
void trace_add_frame(struct trace *t, enum trace_side side, const char *type, const cJSON *frame, size_t bytes);
/* A line of the log, of whatever level. */
void trace_add_decision(struct trace *t, enum log_level level, const char *event, const struct log_field *fields);
/* Why it should end now: its time is up, its file full or not to be written. REASON_NONE: not yet. */
enum reason trace_over(const struct trace *t, uint64_t now_ms);
uint64_t trace_until_ms(const struct trace *t); /* of the loop's clock */
/* Ends the trace with a last line that gives the reason BECAUSE; on_closed follows. */
void trace_end(struct trace *t, enum reason because);
/* The path is borrowed from the trace. */
struct trace_info trace_info(const struct trace *t);

/* For who has a trace or NULL: all that tracing costs where none runs. */
static inline void trace_frame(struct trace *t, enum trace_side side, const char *type, const cJSON *frame, size_t bytes) {
        if (t)
                trace_add_frame(t, side, type, frame, bytes);
}

#endif
