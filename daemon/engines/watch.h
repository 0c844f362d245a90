/* watch.h - engines whose process others have stopped, as a debugger or SIGSTOP does: it holds its memory and computes nothing. */
#ifndef HEADROOM_DAEMON_ENGINES_WATCH_H
#define HEADROOM_DAEMON_ENGINES_WATCH_H

struct model;

/* A part of the tick. What has changed is said: an event, the log, and each running request's owner. */
void engine_watch(struct model *m);

#endif
