/*
 * threads.h - a pool that runs one function on every thread and waits for all of them.
 *
 * The width (how many threads take part) may change between two runs; the pool's own caller is thread 0.
 * Threads sleep between runs after a short bounded spin: idle models must cost nothing and spin-waiting is heat.
 */
#ifndef HEADROOM_ENGINE_COMPUTE_THREADS_H
#define HEADROOM_ENGINE_COMPUTE_THREADS_H

#include <pthread.h>
#include <stdint.h>

struct threads;

typedef void thread_work(void *context, uint32_t thread, uint32_t width);

int threads_new(uint32_t width_max, struct threads **ret); /* 0, -EINVAL, -EAGAIN, -ENOMEM */
void threads_free(struct threads *t);
void threads_set_width(struct threads *t, uint32_t width); /* clamped to 1..width_max; between runs only */
uint32_t threads_width(const struct threads *t);
uint32_t threads_width_max(const struct threads *t);

/* One thread beside the pool, to be joined: with a small stack, and no signals. 0 or -errno. */
int thread_start(pthread_t *ret, void *(*work)(void *), void *context);

/* Calls WORK once per thread 0 .. width-1, the caller being thread 0, and returns when all are done. Not reentrant. */
void threads_run(struct threads *t, thread_work *work, void *context);

#endif
