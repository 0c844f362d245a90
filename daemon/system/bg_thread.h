/*
 * bg_thread.h - a thread of its own for work that may hang.
 *
 * The loop starts it and looks later, without ever waiting, whether it is done; the data it works on is the loop's while
 * it rests, and the thread's while it runs. Letting go of one that hangs costs nothing: the thread keeps its data, and
 * drops both when it comes back, if it ever does.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_BG_THREAD_H
#define HEADROOM_DAEMON_SYSTEM_BG_THREAD_H

#include <stdbool.h>
#include <stddef.h>

struct bg_thread;

struct bg_thread_kind {
        size_t data_bytes;        /* zeroed at first */
        void (*run)(void *data);  /* on the thread */
        void (*drop)(void *data); /* closes what the data holds; on either thread */
};

/* 0, or -errno: no memory, no thread. KIND outlives it. */
int bg_thread_new(const struct bg_thread_kind *kind, struct bg_thread **ret);
/* The loop's to touch unless it runs. */
void *bg_thread_data(struct bg_thread *e);
/* Allocates nothing. It must not be running. */
void bg_thread_start(struct bg_thread *e);
bool bg_thread_is_running(const struct bg_thread *e);
/* Drops the data and ends the thread, now or when it comes back. NULL is fine. */
void bg_thread_leave(struct bg_thread *e);

#endif
