/* stream_read.h - what memory gives at most: a thread that only reads, something of each line, some lines ahead. */
#ifndef TESTS_STREAM_READ_H
#define TESTS_STREAM_READ_H

#include <stddef.h>
#include <stdint.h>

static inline void stream_read(const uint8_t *bytes, size_t count) {
        uint64_t sum = 0;
        for (size_t at = 0; at < count; at += 64) {
                __builtin_prefetch(bytes + at + 4096);
                sum += *(const uint64_t *) (const void *) (bytes + at);
        }
        __asm__ volatile("" : : "g"(sum));
}

#endif
