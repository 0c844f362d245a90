/* bg_thread.c - one semaphore to wake the thread, one atomic word that says whose the data is. */
#include "daemon/system/bg_thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/base/sensor_bounds.h"

enum whose {
        WHOSE_LOOP,   /* the thread rests */
        WHOSE_THREAD, /* the thread runs, or is about to */
        WHOSE_NOBODY, /* the loop let go of it then: the thread drops and frees */
        WHOSE_JOINED, /* the loop let go while it rested, and waits for the thread to end */
};

struct bg_thread {
        const struct bg_thread_kind *kind;
        pthread_t thread;
        sem_t wake;
        _Atomic int whose;
        _Alignas(max_align_t) unsigned char data[];
};

static void bg_thread_free(struct bg_thread *e) {
        (void) sem_destroy(&e->wake);
        free(e);
}

static void *bg_thread_main(void *argument) {
        struct bg_thread *e = argument;
        for (;;) {
                while (sem_wait(&e->wake) < 0)
                        ;
                int was = atomic_load(&e->whose);
                if (was == WHOSE_JOINED)
                        return NULL;
                /* Let go before we even woke: there is nothing left to do it for. */
                if (was == WHOSE_THREAD)
                        e->kind->run(e->data);
                was = WHOSE_THREAD;
                if (atomic_compare_exchange_strong(&e->whose, &was, WHOSE_LOOP))
                        continue;
                e->kind->drop(e->data);
                bg_thread_free(e);
                return NULL;
        }
}

/* Signals stay the loop's: the thread begins with all of them blocked. */
static int start_thread(struct bg_thread *e) {
        pthread_attr_t attributes;
        sigset_t all, before;
        int r = pthread_attr_init(&attributes);
        if (r != 0)
                return -r;
        (void) pthread_attr_setstacksize(&attributes, BG_THREAD_STACK_BYTES);
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&e->thread, &attributes, bg_thread_main, e);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void) pthread_attr_destroy(&attributes);
        return -r;
}

int bg_thread_new(const struct bg_thread_kind *kind, struct bg_thread **ret) {
        struct bg_thread *e = calloc(1, sizeof(*e) + kind->data_bytes);
        if (!e)
                return -ENOMEM;
        e->kind = kind;
        atomic_init(&e->whose, WHOSE_LOOP);
        (void) sem_init(&e->wake, 0, 0);
        int r = start_thread(e);
        if (r < 0) {
                bg_thread_free(e);
                return r;
        }
        *ret = e;
        return 0;
}

void *bg_thread_data(struct bg_thread *e) {
        return e->data;
}

void bg_thread_start(struct bg_thread *e) {
        assert(atomic_load(&e->whose) == WHOSE_LOOP);
        atomic_store(&e->whose, WHOSE_THREAD);
        (void) sem_post(&e->wake);
}

bool bg_thread_is_running(const struct bg_thread *e) {
        return atomic_load(&e->whose) == WHOSE_THREAD;
}

void bg_thread_leave(struct bg_thread *e) {
        if (!e)
                return;
        /* Before the word is written: a thread that comes back may free E at once. */
        pthread_t thread = e->thread;
        int was = WHOSE_THREAD;
        if (atomic_compare_exchange_strong(&e->whose, &was, WHOSE_NOBODY)) {
                (void) pthread_detach(thread);
                return;
        }
        e->kind->drop(e->data);
        atomic_store(&e->whose, WHOSE_JOINED);
        (void) sem_post(&e->wake);
        (void) pthread_join(thread, NULL);
        bg_thread_free(e);
}
