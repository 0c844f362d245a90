/*
 * bench-memory.c - what memory gives a number of threads that only read: bench-memory THREADS [MILLISECONDS]
 *
 * Each thread reads a buffer of its own, all begin a pass together, and a pass ends with the last of them, as a token does. In time on the
 * wall, so that neighbours count as they do for an engine beside which this is run. Prints one JSON object: GB/s, the median of the passes, the
 * least and the most.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/base/clock.h"
#include "tests/stream_read.h"

#define THREADS_MAX  64u
#define PASSES_MAX   4096u
#define PASS_BYTES   (256u << 20) /* of all threads together: more than caches hold */
#define LARGE_PAGE   (2u << 20)
#define MILLISECONDS 500

static uint8_t *buffers[THREADS_MAX];
static size_t share;
static pthread_barrier_t begins, ends;
static int is_over;

static void *reader(void *buffer) {
        while (pthread_barrier_wait(&begins), !is_over) {
                stream_read(buffer, share);
                pthread_barrier_wait(&ends);
        }
        return NULL;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

static double pass(unsigned threads) {
        double start = clock_s(CLOCK_MONOTONIC);
        pthread_barrier_wait(&begins);
        stream_read(buffers[0], share);
        pthread_barrier_wait(&ends);
        return (double) share * threads / (clock_s(CLOCK_MONOTONIC) - start) * 1e-9;
}

static void measure(unsigned threads, double seconds) {
        static double passes[PASSES_MAX];
        unsigned count = 0;
        pass(threads);
        for (double end = clock_s(CLOCK_MONOTONIC) + seconds; count < PASSES_MAX && (!count || clock_s(CLOCK_MONOTONIC) < end);)
                passes[count++] = pass(threads);
        qsort(passes, count, sizeof(*passes), compare);
        printf("{\"median\":%.2f,\"min\":%.2f,\"max\":%.2f}\n", passes[count / 2], passes[0], passes[count - 1]);
}

int main(int argc, char **argv) {
        unsigned threads = argc > 1 ? (unsigned) atoi(argv[1]) : 1;
        pthread_t others[THREADS_MAX];
        if (threads < 1 || threads > THREADS_MAX) {
                fprintf(stderr, "usage: bench-memory THREADS (1 to %u) [MILLISECONDS]\n", THREADS_MAX);
                return 2;
        }
        share = PASS_BYTES / threads / LARGE_PAGE * LARGE_PAGE;
        for (unsigned i = 0; i < threads; i++) {
                buffers[i] = aligned_alloc(LARGE_PAGE, share);
                if (!buffers[i])
                        return 1;
                (void) madvise(buffers[i], share, MADV_HUGEPAGE);
                memset(buffers[i], 1, share);
        }
        pthread_barrier_init(&begins, NULL, threads);
        pthread_barrier_init(&ends, NULL, threads);
        for (unsigned i = 1; i < threads; i++)
                if (pthread_create(&others[i], NULL, reader, buffers[i]))
                        return 1;
        measure(threads, (argc > 2 ? atoi(argv[2]) : MILLISECONDS) * 1e-3);
        is_over = 1;
        pthread_barrier_wait(&begins);
        for (unsigned i = 0; i < threads; i++) {
                if (i)
                        pthread_join(others[i], NULL);
                free(buffers[i]);
        }
        pthread_barrier_destroy(&begins);
        pthread_barrier_destroy(&ends);
        return 0;
}
