/* watch.h - notice of changes in folders (inotify): that something changed, not what. */
#ifndef HEADROOM_DAEMON_RELOAD_WATCH_H
#define HEADROOM_DAEMON_RELOAD_WATCH_H

#include <uv.h>

struct watch;

/* ON_CHANGE is called from the loop. 0 or -errno. */
int watch_new(uv_loop_t *loop, void (*on_change)(void *user), void *user, struct watch **ret);
/* Watches PATH, too; again does no harm, and a folder that goes is forgotten by itself. Any thread. */
void watch_folder(void *watch, const char *path);
/* Why a folder could not be watched: 0, or -errno of the last. */
int watch_error(const struct watch *w);
void watch_close(struct watch *w);

#endif
