/*
 * allocation_count.h - counts what the calling thread allocates and opens, by standing in for malloc and open. The sanitizers
 * have their own malloc, and stand in for open themselves: there nothing is counted, and COUNTS is 0.
 */
#ifndef HEADROOM_TESTS_UNIT_ALLOCATION_COUNT_H
#define HEADROOM_TESTS_UNIT_ALLOCATION_COUNT_H

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local unsigned allocations, opens;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#else
#define COUNTS 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
int open(const char *path, int flags, ...);
int openat(int directory, const char *path, int flags, ...);

void *malloc(size_t size) {
        allocations++;
        return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
        allocations++;
        return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
        allocations++;
        return __libc_realloc(old, size);
}

static int count_open(int directory, const char *path, int flags, va_list args) {
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
        opens++;
        return (int) syscall(SYS_openat, directory, path, flags, mode);
}

int open(const char *path, int flags, ...) {
        va_list args;
        va_start(args, flags);
        int fd = count_open(AT_FDCWD, path, flags, args);
        va_end(args);
        return fd;
}

int openat(int directory, const char *path, int flags, ...) {
        va_list args;
        va_start(args, flags);
        int fd = count_open(directory, path, flags, args);
        va_end(args);
        return fd;
}
#endif

#endif
