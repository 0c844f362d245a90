/*
 * traces.h - the traces of models: one for each model, few at once, each for a limited time.
 *
 * A trace outlives its model's engines. It gets the log lines about the model, of any level, and those at level info or
 * above that name no model; the owner of the engine adds its frames, see on_change. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_TRACE_TRACES_H
#define HEADROOM_DAEMON_TRACE_TRACES_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/trace/trace.h"

struct traces;

struct traces_events {
        /* TRACE takes lines from now on; or NULL: none does, BECAUSE. */
        void (*on_change)(void *user, uint32_t model, struct trace *trace, enum reason because);
        /* Call traces_tick soon. From inside any call. */
        void (*on_due)(void *user);
};

/* STATE_DIR outlives them. 0 or -ENOMEM. */
int traces_new(uv_loop_t *loop, const char *state_dir, const struct traces_events *events, void *user, struct traces **ret);
void traces_free(struct traces *traces); /* after traces_finish has been true */

/* ERROR: 0 or -errno; INFO: of the trace, borrowed. */
typedef void trace_done(void *user, int error, const struct trace_info *info);
/* REASON_NONE, and ON_DONE follows when the file is open or could not be made; else why not. ID outlives the trace. */
enum reason traces_begin(struct traces *traces, uint32_t model, const char *id, uint32_t minutes, trace_done *on_done,
                         void *user);
/* REASON_NONE, and ON_DONE follows when the last line is written; else why not. */
enum reason traces_end(struct traces *traces, uint32_t model, trace_done *on_done, void *user);

/* One of MODEL is being opened, or taken, or written to its end. */
bool traces_hold(struct traces *traces, uint32_t model);

/* Ends those whose time has come; when the next is due: UINT64_MAX: never. */
uint64_t traces_tick(struct traces *traces, uint64_t now_ms);
/* Ends all of them. False: some are still being written; on_due follows. */
bool traces_finish(struct traces *traces);

#endif
