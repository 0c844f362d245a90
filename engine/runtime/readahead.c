/*
 * readahead.c - see readahead.h.
 *
 * The file is walked in windows: the kernel is told of some windows ahead, which queues their reads, and one window is waited for
 * and mapped. Mapping it whole costs a tenth of what a pass would pay that met its pages one fault after the other. Other ways were
 * measured (docs/performance.md): reads by io_uring go through a copy, and leave the faults to the pass.
 */
#include "engine/runtime/readahead.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/compute/threads.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; build machines have older headers */
#endif

struct readahead {
        struct readahead_range *ranges;
        size_t count;
        int pressure_fd;
        uint64_t stalled_us; /* until it began */
        uintptr_t page;
        pthread_t thread;
        atomic_bool stop, over;
};

/* --- the order --- */

#define RANK_OUTPUT (GGUF_TENSORS_MAX + 1u)
#define RANK_REST   (GGUF_TENSORS_MAX + 2u)

static bool begins_with(struct gguf_string name, const char *text) {
        return name.length >= strlen(text) && !memcmp(name.bytes, text, strlen(text));
}

/* The layer that a tensor belongs to, or a place behind them all. */
static uint32_t rank_of(const struct gguf_tensor *t) {
        if (begins_with(t->name, "output"))
                return RANK_OUTPUT;
        if (!begins_with(t->name, "blk."))
                return RANK_REST;
        uint32_t layer = 0;
        for (uint64_t i = strlen("blk."); i < t->name.length && t->name.bytes[i] >= '0' && t->name.bytes[i] <= '9'; i++)
                layer = layer < GGUF_TENSORS_MAX / 10 ? layer * 10 + (uint32_t) (t->name.bytes[i] - '0') : GGUF_TENSORS_MAX;
        return layer;
}

static int by_use(const void *a, const void *b) {
        const struct gguf_tensor *left = *(const struct gguf_tensor *const *) a, *right = *(const struct gguf_tensor *const *) b;
        uint32_t l = rank_of(left), r = rank_of(right);
        if (l != r)
                return l < r ? -1 : 1;
        return left->data < right->data ? -1 : left->data > right->data;
}

static const struct gguf_tensor **tensors_by_use(const struct gguf *g) {
        size_t count = gguf_tensors_count(g);
        const struct gguf_tensor **tensors = calloc(count + 1, sizeof(struct gguf_tensor *));
        for (size_t i = 0; tensors && i < count; i++)
                tensors[i] = gguf_tensor_at(g, i);
        if (tensors)
                qsort(tensors, count, sizeof(struct gguf_tensor *), by_use);
        return tensors;
}

struct readahead_range *readahead_ranges(const struct gguf *g, size_t *ret_count) {
        const struct gguf_tensor **tensors = tensors_by_use(g);
        struct readahead_range *ranges = calloc(gguf_tensors_count(g) + 1, sizeof(*ranges)), *last = NULL;
        for (size_t i = 0; tensors && ranges && i < gguf_tensors_count(g); i++) {
                uintptr_t at = (uintptr_t) tensors[i]->data, end = last ? (uintptr_t) last->bytes + last->count : 0;
                if (last && at >= end && at - end < GGUF_ALIGNMENT_MAX)
                        last->count += at - end + tensors[i]->bytes;
                else
                        *(last = last ? last + 1 : ranges) = (struct readahead_range){ tensors[i]->data, tensors[i]->bytes };
        }
        *ret_count = last ? (size_t) (last - ranges) + 1 : 0;
        if (!tensors) {
                free(ranges);
                ranges = NULL;
        }
        free(tensors);
        return ranges;
}

/* --- the way through it --- */

int readahead_open_pressure(void) {
        return open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
}

uint64_t readahead_stalled_us(int fd) {
        char text[128] = "";
        const char *total = fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0 ? strstr(text, "total=") : NULL;
        return total ? strtoull(total + strlen("total="), NULL, 10) : 0;
}

static bool should_go_on(const struct readahead *r) {
        return !atomic_load(&r->stop) && readahead_stalled_us(r->pressure_fd) - r->stalled_us <= READAHEAD_STALL_US_MAX;
}

struct window {
        size_t range;
        uint64_t offset;
};

/* The whole pages of the window at *AT, which is moved to the next; false: there are no more. */
static bool take_window(const struct readahead *r, struct window *at, void **ret_bytes, size_t *ret_count) {
        if (at->range == r->count)
                return false;
        const struct readahead_range *range = &r->ranges[at->range];
        uint64_t left = range->count - at->offset, count = left < READAHEAD_WINDOW_BYTES ? left : READAHEAD_WINDOW_BYTES;
        uintptr_t from = ((uintptr_t) range->bytes + at->offset) & ~(r->page - 1);
        uintptr_t to = ((uintptr_t) range->bytes + at->offset + count + r->page - 1) & ~(r->page - 1);
        *ret_bytes = (void *) from;
        *ret_count = to - from;
        at->offset += count;
        if (count == left)
                *at = (struct window){ .range = at->range + 1 };
        return true;
}

static void tell_of(const struct readahead *r, struct window *ahead) {
        void *bytes;
        size_t count;
        if (take_window(r, ahead, &bytes, &count))
                (void) madvise(bytes, count, MADV_WILLNEED);
}

/* False: the pages cannot be had, which whoever needs them will find out. */
static bool wait_for(const struct readahead *r, const void *bytes, size_t count) {
        if (madvise((void *) (uintptr_t) bytes, count, MADV_POPULATE_READ) == 0)
                return true;
        if (errno != EINVAL)
                return false;
        for (size_t at = 0; at < count; at += r->page) /* an older kernel */
                (void) *((const volatile uint8_t *) bytes + at);
        return true;
}

static void *readahead_main(void *context) {
        struct readahead *r = context;
        struct window ahead = { 0 }, now = { 0 };
        void *bytes;
        size_t count;
        for (unsigned i = 0; i < READAHEAD_WINDOWS; i++)
                tell_of(r, &ahead);
        while (should_go_on(r) && take_window(r, &now, &bytes, &count) && wait_for(r, bytes, count))
                tell_of(r, &ahead);
        atomic_store(&r->over, true);
        return NULL;
}

int readahead_start_since(const struct gguf *g, int pressure_fd, uint64_t stalled_us, struct readahead **ret) {
        struct readahead *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->pressure_fd = pressure_fd;
        r->stalled_us = stalled_us;
        r->page = (uintptr_t) sysconf(_SC_PAGESIZE);
        r->ranges = readahead_ranges(g, &r->count);
        int result = r->ranges ? thread_start(&r->thread, readahead_main, r) : -ENOMEM;
        if (result < 0) {
                free(r->ranges);
                free(r);
                return result;
        }
        *ret = r;
        return 0;
}

int readahead_start(const struct gguf *g, int pressure_fd, struct readahead **ret) {
        return readahead_start_since(g, pressure_fd, readahead_stalled_us(pressure_fd), ret);
}

void readahead_stop(struct readahead *r) {
        if (!r)
                return;
        atomic_store(&r->stop, true);
        (void) pthread_join(r->thread, NULL);
        free(r->ranges);
        free(r);
}

bool readahead_is_over(const struct readahead *r) {
        return atomic_load(&r->over);
}
