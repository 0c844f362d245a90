/* prefix_cache_dir.c - see prefix_cache_dir.h. */
#include "daemon/cache/prefix_cache_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"
#include "engine/base/file_io.h"
#include "engine/base/little_endian.h"
#include "policy/base/hash.h"
#include "policy/base/sat.h"

#define MAGIC        "HRCHAIN\n"
#define FOOTER_BYTES 40u

static void name_of(char path[PATH_MAX], const char *directory, uint64_t number, const char *suffix) {
        (void) snprintf(path, PATH_MAX, "%s/%" PRIu64 ".%s", directory, number, suffix);
}

/* ---- the identity of a file ---- */

static void fill_footer(uint8_t *footer, const uint8_t *hashes, const struct cached *c, uint64_t before) {
        memcpy(footer, MAGIC, 8);
        uint8_t *p = put_u64(put_u64(put_u64(footer + 8, c->model), c->blocks), before);
        uint64_t sum = hash_bytes(HASH_START, hashes, (size_t) c->blocks * 8);
        (void) put_u64(p, hash_bytes(sum, footer, FOOTER_BYTES - 8));
}

static int write_footer(int fd, const struct cached *c, uint64_t before) {
        size_t hashes_bytes = (size_t) c->blocks * 8;
        auto_free uint8_t *all = malloc(hashes_bytes + FOOTER_BYTES);
        if (!all)
                return -ENOMEM;
        uint8_t *p = all;
        for (uint32_t i = 0; i < c->blocks; i++)
                p = put_u64(p, c->hashes[i]);
        fill_footer(p, all, c, before);
        return pwrite_all(fd, all, hashes_bytes + FOOTER_BYTES, before);
}

/* The hashes in front of a footer that says there are BLOCKS of them. */
static int read_hashes(int fd, uint64_t before, const uint8_t *footer, struct cached *c) {
        size_t bytes = (size_t) c->blocks * 8;
        uint8_t expected[FOOTER_BYTES];
        auto_free uint8_t *stored = malloc(bytes);
        c->hashes = malloc(bytes);
        int r = stored && c->hashes ? pread_all(fd, stored, bytes, before) : -ENOMEM;
        if (r == 0) {
                fill_footer(expected, stored, c, before);
                r = memcmp(expected, footer, FOOTER_BYTES) ? -EBADMSG : 0;
        }
        const uint8_t *p = stored;
        for (uint32_t i = 0; r == 0 && i < c->blocks; i++)
                c->hashes[i] = take_u64(&p);
        if (r < 0)
                free(c->hashes);
        return r;
}

/* 0 and *ret but for the number; -EBADMSG when it is not what was written. */
static int read_known(int fd, struct cached *ret) {
        struct stat st;
        uint8_t footer[FOOTER_BYTES];
        if (fstat(fd, &st) < 0)
                return -errno;
        uint64_t size = (uint64_t) st.st_size;
        if (!S_ISREG(st.st_mode) || size < FOOTER_BYTES)
                return -EBADMSG;
        int r = pread_all(fd, footer, FOOTER_BYTES, size - FOOTER_BYTES);
        if (r < 0)
                return r;
        const uint8_t *p = footer + 8;
        uint64_t model = take_u64(&p), blocks = take_u64(&p), before = take_u64(&p);
        if (memcmp(footer, MAGIC, 8) || blocks == 0 || blocks > CACHE_BLOCKS_MAX || before > size ||
            size != before + blocks * 8 + FOOTER_BYTES)
                return -EBADMSG;
        struct cached c = { .model = model,
                            .blocks = (uint32_t) blocks,
                            .bytes = size,
                            .used = (uint64_t) st.st_mtim.tv_sec * 1000 + (uint64_t) st.st_mtim.tv_nsec / 1000000 };
        r = read_hashes(fd, before, footer, &c);
        if (r == 0)
                *ret = c;
        return r;
}

/* ---- the directory ---- */

/* NUMBER of "NUMBER.SUFFIX", or 0. */
static uint64_t number_of(const char *name, const char *suffix) {
        char *end;
        if (*name < '1' || *name > '9')
                return 0;
        errno = 0;
        unsigned long long number = strtoull(name, &end, 10);
        return !errno && *end == '.' && !strcmp(end + 1, suffix) ? number : 0;
}

static int add(struct cache_scan *s, const struct cached *c) {
        if (s->count == CACHE_FILES_MAX)
                return -E2BIG;
        s->all[s->count++] = *c;
        return 0;
}

static void scan_one(const char *directory, uint64_t number, struct cache_scan *s) {
        char path[PATH_MAX];
        struct cached c;
        name_of(path, directory, number, "kv");
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        int r = fd < 0 ? -errno : read_known(fd, &c);
        if (r == -EBADMSG) {
                (void) snprintf(s->damaged_name, sizeof(s->damaged_name), "%" PRIu64 ".kv", number);
                (void) cache_files_set_aside(directory, number, s->damaged++ % CACHE_DAMAGED_MAX);
        }
        if (r < 0)
                return;
        c.number = number;
        if (add(s, &c) < 0) {
                free(c.hashes);
                (void) unlink(path);
        }
}

int cache_files_scan(const char *directory, struct cache_scan *ret) {
        struct cache_scan s = { .all = calloc(CACHE_FILES_MAX, sizeof(*s.all)) };
        if (!s.all)
                return -ENOMEM;
        auto_closedir DIR *d = mkdir(directory, 0700) < 0 && errno != EEXIST ? NULL : opendir(directory);
        if (!d) {
                int error = errno;
                free(s.all);
                return -error;
        }
        for (const struct dirent *entry; (entry = readdir(d));) {
                uint64_t unfinished = number_of(entry->d_name, "new"), number = number_of(entry->d_name, "kv");
                if (unfinished)
                        (void) cache_files_drop_new(directory, unfinished);
                if (number)
                        scan_one(directory, number, &s);
                s.number_max = u64_max(s.number_max, u64_max(number, unfinished));
        }
        *ret = s;
        return 0;
}

/* ---- a file ---- */

static bool disk_has(const char *directory, uint64_t bytes) {
        struct statvfs disk;
        return statvfs(directory, &disk) == 0 && sat_mul(disk.f_bavail, disk.f_frsize) >= sat_add(bytes, SUSPEND_DISK_FREE_MIN);
}

int cache_files_make(const char *directory, uint64_t number, uint64_t bytes) {
        char path[PATH_MAX];
        if (!disk_has(directory, bytes))
                return -ENOSPC;
        name_of(path, directory, number, "new");
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? -errno : fd;
}

static int sync_directory(const char *directory) {
        auto_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int cache_files_commit(const char *directory, int fd, struct cached *c) {
        char from[PATH_MAX], to[PATH_MAX];
        struct stat st;
        name_of(from, directory, c->number, "new");
        name_of(to, directory, c->number, "kv");
        int r = fstat(fd, &st) < 0 ? -errno : st.st_size == 0 ? -EBADMSG : 0;
        uint64_t bytes = r == 0 ? (uint64_t) st.st_size + (uint64_t) c->blocks * 8 + FOOTER_BYTES : 0;
        if (r == 0)
                r = bytes > c->bytes ? -EFBIG : write_footer(fd, c, (uint64_t) st.st_size);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r == 0 && rename(from, to) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlink(from);
                return r;
        }
        c->bytes = bytes;
        return sync_directory(directory);
}

int cache_files_open(const char *directory, uint64_t number) {
        char path[PATH_MAX];
        name_of(path, directory, number, "kv");
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        const struct timespec now[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
        (void) futimens(fd, now);
        return fd;
}

static int remove_named(const char *directory, uint64_t number, const char *suffix) {
        char path[PATH_MAX];
        name_of(path, directory, number, suffix);
        return unlink(path) < 0 ? -errno : 0;
}

int cache_files_remove(const char *directory, uint64_t number) {
        return remove_named(directory, number, "kv");
}

int cache_files_drop_new(const char *directory, uint64_t number) {
        return remove_named(directory, number, "new");
}

int cache_files_set_aside(const char *directory, uint64_t number, uint32_t slot) {
        char from[PATH_MAX], to[PATH_MAX];
        name_of(from, directory, number, "kv");
        (void) snprintf(to, sizeof(to), "%s/damaged-%u.kv", directory, slot);
        return rename(from, to) < 0 ? -errno : 0;
}
