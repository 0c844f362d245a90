/*
 * reload.h - the configuration of a running daemon is read again: by SIGHUP, by `headroomctl reload`, and what lies in the
 * models directory by itself when it changes.
 *
 * Files are read and compared on a thread of the pool, one reading at a time. A mistake leaves everything as it was.
 */
#ifndef HEADROOM_DAEMON_RELOAD_RELOAD_H
#define HEADROOM_DAEMON_RELOAD_RELOAD_H

#include <uv.h>

#include "daemon/config/config.h"

struct fleet;
struct governor;
struct reload;

enum reload_kind {
        RELOAD_ALL, /* every file of the configuration and the models directory */
        RELOAD_DRY, /* the same, and nothing takes effect */
        RELOAD_LOOK /* the models directory alone */
};

/* PROBLEMS: one a line, with file and line; "" where it has taken effect, or would. Borrowed for the call. */
struct reload_result {
        int error;
        const char *problems;
        const struct config_change *changes;
        int changes_count;
};
typedef void reload_done(void *user, const struct reload_result *result);

/* What the pointers lead to outlives it. CONFIG changes, in the loop alone. 0 or -errno. */
int reload_new(uv_loop_t *loop, struct config *config, const struct config_source *source, struct fleet *fleet,
               struct governor *governor, struct reload **ret);
/* ON_DONE (may be NULL) follows from the loop. -EAGAIN: too many wait. */
int reload_begin(struct reload *r, enum reload_kind kind, reload_done *on_done, void *user);
/* Those who wait hear -ECANCELED. It is freed when the loop has nothing of it any more. */
void reload_close(struct reload *r);

#endif
