/*
 * threads.c - the pool: each worker waits for a ticket of its own, so that threads beyond the width sleep on.
 *
 * A pass of the model is some hundred short runs with microseconds between them: waiting starts as a bounded spin and
 * becomes a futex sleep. A waker makes the system call only when a worker said that it sleeps; that is safe because both
 * sides write first and look second, in one total order (all atomics here are sequentially consistent).
 */
#include "engine/compute/threads.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/bounds.h"

struct waiter { /* one thread that waits for one word to change */
        _Alignas(64) _Atomic uint32_t word;
        _Atomic bool sleeps;
};

struct worker {
        struct waiter ticket; /* counts up for each run that the worker takes part in */
        struct threads *pool;
        pthread_t thread;
        uint32_t index;
};

struct threads {
        struct waiter pending; /* workers that have not finished the run; its caller waits for 0 */
        uint32_t width, width_max, started;
        atomic_bool epilogue;
        thread_work *work;
        void *context;
        struct worker *workers; /* width_max; [0] stands for the caller and has no thread */
};

/* --- waiting and waking --- */

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
}

static long futex(_Atomic uint32_t *word, int operation, uint32_t value) {
        return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Returns when the word is no longer VALUE. */
static void wait_while(struct waiter *w, uint32_t value) {
        for (unsigned i = 0; i < THREAD_SPINS_MAX; i++) {
                if (atomic_load(&w->word) != value)
                        return;
                pause_briefly();
        }
        atomic_store(&w->sleeps, true);
        while (atomic_load(&w->word) == value)
                (void) futex(&w->word, FUTEX_WAIT, value);
        atomic_store(&w->sleeps, false);
}

/* To be called after the word was changed. */
static void wake(struct waiter *w) {
        if (atomic_load(&w->sleeps))
                (void) futex(&w->word, FUTEX_WAKE, 1);
}

/* --- the pool --- */

static void *worker_main(void *argument) {
        struct worker *self = argument;
        struct threads *t = self->pool;
        for (uint32_t seen = 0;; seen++) {
                wait_while(&self->ticket, seen);
                if (atomic_load(&t->epilogue))
                        return NULL;
                t->work(t->context, self->index, t->width);
                atomic_fetch_sub(&t->pending.word, 1);
                wake(&t->pending);
        }
}

/* Signals are the main thread's business, but for those that tell of this thread's own mistake. */
int thread_start(pthread_t *ret, void *(*work)(void *), void *context) {
        sigset_t all, before;
        pthread_attr_t attributes;
        sigfillset(&all);
        sigdelset(&all, SIGSEGV);
        sigdelset(&all, SIGBUS);
        sigdelset(&all, SIGABRT);
        if (pthread_attr_init(&attributes))
                return -ENOMEM;
        (void) pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(ret, &attributes, work, context);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void) pthread_attr_destroy(&attributes);
        return -r;
}

int threads_new(uint32_t width_max, struct threads **ret) {
        if (!width_max || width_max > THREADS_MAX)
                return -EINVAL;
        struct threads *t = aligned_alloc(64, sizeof(*t));
        if (!t)
                return -ENOMEM;
        *t = (struct threads){ .width = width_max, .width_max = width_max };
        t->workers = aligned_alloc(64, width_max * sizeof(*t->workers));
        if (!t->workers) {
                free(t);
                return -ENOMEM;
        }
        t->started = 1;
        for (uint32_t i = 0; i < width_max; i++)
                t->workers[i] = (struct worker){ .pool = t, .index = i };
        while (t->started < width_max) {
                int r = thread_start(&t->workers[t->started].thread, worker_main, &t->workers[t->started]);
                if (r < 0) {
                        threads_free(t);
                        return r;
                }
                t->started++;
        }
        *ret = t;
        return 0;
}

static void ticket_give(struct worker *w) {
        atomic_fetch_add(&w->ticket.word, 1);
        wake(&w->ticket);
}

void threads_free(struct threads *t) {
        if (!t)
                return;
        atomic_store(&t->epilogue, true);
        for (uint32_t i = 1; i < t->started; i++) {
                ticket_give(&t->workers[i]);
                (void) pthread_join(t->workers[i].thread, NULL);
        }
        free(t->workers);
        free(t);
}

void threads_set_width(struct threads *t, uint32_t width) {
        t->width = width < 1 ? 1 : width > t->width_max ? t->width_max : width;
}

uint32_t threads_width(const struct threads *t) {
        return t->width;
}

uint32_t threads_width_max(const struct threads *t) {
        return t->width_max;
}

void threads_run(struct threads *t, thread_work *work, void *context) {
        assert(atomic_load(&t->pending.word) == 0);
        t->work = work;
        t->context = context;
        atomic_store(&t->pending.word, t->width - 1);
        for (uint32_t i = 1; i < t->width; i++)
                ticket_give(&t->workers[i]);
        work(context, 0, t->width);
        for (uint32_t left; (left = atomic_load(&t->pending.word)) != 0;)
                wait_while(&t->pending, left);
}
