/*
 * bandwidth.c - how fast this machine reads its memory.
 *
 * The work goes in rounds that all threads begin together and that end with the slowest, as a decode step does; the
 * first thread times them. Readers sum into four independent vectors, which keeps enough loads in flight; the sums
 * are kept so that the compiler cannot drop them.
 */
#include "ctl/fit/bandwidth.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ctl/base/bounds.h"
#include "engine/base/clock.h"

struct vector {
        uint64_t values __attribute__((vector_size(32)));
};
#define PART_ALIGN (4 * sizeof(struct vector))

enum work { WORK_FILL, WORK_READ, WORK_END };

struct test {
        uint8_t *buffer;
        uint64_t buffer_bytes, part_bytes;
        uint32_t threads; /* threads that take part, the caller's included */
        pthread_mutex_t mutex;
        pthread_cond_t begins, ended;
        uint64_t round; /* under the mutex, as all below */
        enum work work;
        uint32_t busy;
        uint64_t kept; /* the sum of all sums */
};

struct reader {
        struct test *test;
        uint32_t index;
        pthread_t thread;
};

static uint64_t read_part(const uint8_t *bytes, uint64_t count) {
        const struct vector *v = (const void *) bytes, *end = v + count / sizeof(*v);
        struct vector a = { { 0 } }, b = a, c = a, d = a;
        for (; v < end; v += 4) {
                a.values += v[0].values;
                b.values += v[1].values;
                c.values += v[2].values;
                d.values += v[3].values;
        }
        a.values += b.values + c.values + d.values;
        return a.values[0] + a.values[1] + a.values[2] + a.values[3];
}

/* A part is written by its reader first, so that its pages lie near the processor that will read them. */
static uint64_t do_part(const struct test *t, uint32_t index, enum work work) {
        uint8_t *part = t->buffer + index * t->part_bytes;
        if (work == WORK_READ)
                return read_part(part, t->part_bytes);
        memset(part, (int) index + 1, t->part_bytes);
        return 0;
}

static void *follow(void *user) {
        struct reader *r = user;
        struct test *t = r->test;
        uint64_t seen = 0;
        pthread_mutex_lock(&t->mutex);
        for (;;) {
                while (t->round == seen)
                        pthread_cond_wait(&t->begins, &t->mutex);
                seen = t->round;
                enum work work = t->work;
                if (work == WORK_END)
                        break;
                pthread_mutex_unlock(&t->mutex);
                uint64_t sum = do_part(t, r->index, work);
                pthread_mutex_lock(&t->mutex);
                t->kept += sum;
                if (--t->busy == 0)
                        pthread_cond_signal(&t->ended);
        }
        pthread_mutex_unlock(&t->mutex);
        return NULL;
}

static void run_round(struct test *t, enum work work) {
        pthread_mutex_lock(&t->mutex);
        t->round++;
        t->work = work;
        t->busy = work == WORK_END ? 0 : t->threads - 1;
        pthread_cond_broadcast(&t->begins);
        pthread_mutex_unlock(&t->mutex);
        uint64_t sum = work == WORK_END ? 0 : do_part(t, 0, work);
        pthread_mutex_lock(&t->mutex);
        t->kept += sum;
        while (t->busy > 0)
                pthread_cond_wait(&t->ended, &t->mutex);
        pthread_mutex_unlock(&t->mutex);
}

static int compare_doubles(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

static struct bandwidth time_rounds(struct test *t) {
        double seconds[BANDWIDTH_PASSES_MAX];
        uint32_t passes = 0;
        run_round(t, WORK_FILL);
        double begun = clock_s(CLOCK_MONOTONIC), now = begun;
        while (passes < BANDWIDTH_PASSES_MAX && (passes < BANDWIDTH_PASSES_MIN || now - begun < BANDWIDTH_TEST_MS / 1000.0)) {
                double start = now;
                run_round(t, WORK_READ);
                now = clock_s(CLOCK_MONOTONIC);
                seconds[passes++] = now - start;
        }
        /* A pass that other work disturbed says nothing of the memory: take one of the fastest eighth. */
        qsort(seconds, passes, sizeof(seconds[0]), compare_doubles);
        uint64_t bytes = t->part_bytes * t->threads;
        return (struct bandwidth){
                .bytes_per_second = (double) bytes / seconds[passes / 8],
                .passes = passes,
                .threads = t->threads,
                .buffer_bytes = bytes,
        };
}

/* With fewer threads than asked for when the system gives no more. */
static struct bandwidth run_test(struct test *t, uint32_t threads) {
        struct reader readers[BANDWIDTH_THREADS_MAX];
        t->threads = 1;
        while (t->threads < threads) {
                struct reader *r = &readers[t->threads];
                *r = (struct reader){ .test = t, .index = t->threads };
                if (pthread_create(&r->thread, NULL, follow, r) != 0)
                        break;
                t->threads++;
        }
        t->part_bytes = t->buffer_bytes / t->threads / PART_ALIGN * PART_ALIGN;
        struct bandwidth result = time_rounds(t);
        run_round(t, WORK_END);
        for (uint32_t i = 1; i < t->threads; i++)
                pthread_join(readers[i].thread, NULL);
        return result;
}

uint64_t bandwidth_buffer_bytes(uint64_t cache_bytes, uint64_t available_bytes) {
        uint64_t wanted = cache_bytes * BANDWIDTH_L3_MULTIPLE;
        wanted = wanted < BANDWIDTH_BYTES_MIN ? BANDWIDTH_BYTES_MIN : wanted > BANDWIDTH_BYTES_MAX ? BANDWIDTH_BYTES_MAX : wanted;
        uint64_t allowed = available_bytes / 4; /* a test must not be what drives the box into the wall */
        if (wanted <= allowed)
                return wanted;
        uint64_t least = cache_bytes ? cache_bytes * 2 : BANDWIDTH_BYTES_MIN / 2;
        return allowed >= least ? allowed : 0;
}

int bandwidth_measure(uint32_t threads, uint64_t cache_bytes, uint64_t available_bytes, struct bandwidth *ret) {
        uint64_t bytes = bandwidth_buffer_bytes(cache_bytes, available_bytes);
        if (bytes == 0)
                return -ENOMEM;
        void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (buffer == MAP_FAILED)
                return -ENOMEM;
        (void) madvise(buffer, bytes, MADV_HUGEPAGE);
        struct test t = {
                .buffer = buffer,
                .buffer_bytes = bytes,
                .mutex = PTHREAD_MUTEX_INITIALIZER,
                .begins = PTHREAD_COND_INITIALIZER,
                .ended = PTHREAD_COND_INITIALIZER,
        };
        *ret = run_test(&t, threads < 1 ? 1 : threads > BANDWIDTH_THREADS_MAX ? BANDWIDTH_THREADS_MAX : threads);
        (void) munmap(buffer, bytes);
        return 0;
}
