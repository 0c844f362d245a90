/*
 * page_cache.c - cachestat(2) where the kernel has it (6.5), else mincore(2), which tells the truth only to who may write to
 * the file; then posix_fadvise(POSIX_FADV_DONTNEED), which takes clean pages that nobody maps.
 */
#include "daemon/cache/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/gguf/files.h"
#include "policy/base/sat.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on every architecture */
#endif

struct page_cache {
        uv_loop_t *loop;
        const char *disk;
        uv_work_t work;
        bool busy, drop;
        page_cache_done *on_done;
        void *user;
        struct page_cache_models models;
        int result;
        uint64_t found_bytes, freed_bytes, disk_free_bytes; /* of the look under way */
        uint64_t bytes, disk_bytes, looked_ms;
        unsigned char resident[PAGE_CACHE_WINDOW_PAGES];
};

/* linux/mman.h of kernels that have it */
struct cache_range {
        uint64_t offset, length;
};
struct cache_counts {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

static bool count_by_cachestat(int fd, uint64_t size, uint64_t *ret_pages) {
        struct cache_range range = { 0, size };
        struct cache_counts counts;
        if (syscall(SYS_cachestat, fd, &range, &counts, 0) != 0)
                return false;
        *ret_pages = counts.cached;
        return true;
}

/* Window by window: the answer takes a byte a page. */
static bool count_by_mincore(unsigned char *window, int fd, uint64_t size, uint64_t page, uint64_t *ret_pages) {
        uint64_t pages = 0;
        for (uint64_t at = 0; at < size; at += PAGE_CACHE_WINDOW_PAGES * page) {
                uint64_t length = u64_min(size - at, PAGE_CACHE_WINDOW_PAGES * page);
                void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t) at);
                if (map == MAP_FAILED)
                        return false;
                int r = mincore(map, length, window);
                (void) munmap(map, length);
                if (r != 0)
                        return false;
                for (uint64_t i = 0; i < (length + page - 1) / page; i++)
                        pages += window[i] & 1;
        }
        *ret_pages = pages;
        return true;
}

bool page_cache_of_file(const char *path, int fd, uint64_t size, unsigned char *window, uint64_t *ret_bytes) {
        uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), pages;
        bool is_told = count_by_cachestat(fd, size, &pages) ||
                       (access(path, W_OK) == 0 && count_by_mincore(window, fd, size, page, &pages));
        if (is_told)
                *ret_bytes = pages * page;
        return is_told;
}

static uint64_t cached_bytes(struct page_cache *c, const char *path, int fd, uint64_t size) {
        uint64_t bytes = 0;
        (void) page_cache_of_file(path, fd, size, c->resident, &bytes);
        return bytes;
}

static void look_at_file(struct page_cache *c, const char *path) {
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
                uint64_t size = (uint64_t) st.st_size, before = cached_bytes(c, path, fd, size), after = before;
                if (c->drop) {
                        int r = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
                        c->result = c->result == 0 && r != 0 ? -r : c->result;
                        after = cached_bytes(c, path, fd, size);
                }
                c->found_bytes += after;
                c->freed_bytes += sat_sub(before, after);
        }
        (void) close(fd);
}

static bool is_loaded(const struct page_cache_models *models, const struct stat *st) {
        for (uint32_t i = 0; i < models->count; i++) {
                struct stat other;
                if (models->all[i].loaded && stat(models->all[i].path, &other) == 0 && other.st_dev == st->st_dev &&
                    other.st_ino == st->st_ino)
                        return true;
        }
        return false;
}

/* On a thread of the pool: only what has been set aside for it. */
static void look(uv_work_t *work) {
        struct page_cache *c = work->data;
        struct statvfs disk;
        if (statvfs(c->disk, &disk) == 0)
                c->disk_free_bytes = sat_mul(disk.f_bavail, disk.f_frsize);
        for (uint32_t i = 0; i < c->models.count; i++) {
                struct model_files files;
                struct stat st;
                const char *path = c->models.all[i].path;
                if (c->models.all[i].loaded || stat(path, &st) < 0 || is_loaded(&c->models, &st) ||
                    model_files_list(path, &files) < 0)
                        continue;
                for (uint32_t part = 0; part < files.count; part++)
                        look_at_file(c, files.paths[part]);
                model_files_done(&files);
        }
}

static void on_looked(uv_work_t *work, int status) {
        struct page_cache *c = work->data;
        c->busy = false;
        if (status == 0) {
                c->bytes = c->found_bytes;
                c->disk_bytes = c->disk_free_bytes;
                c->looked_ms = uv_hrtime() / 1000000;
        }
        c->on_done(c->user, status < 0 ? status : c->result, c->freed_bytes);
}

int page_cache_look(struct page_cache *c, const struct page_cache_models *models, bool drop, page_cache_done *on_done,
                    void *user) {
        if (c->busy)
                return -EBUSY;
        c->models = *models;
        c->drop = drop;
        c->on_done = on_done;
        c->user = user;
        c->result = 0;
        c->found_bytes = c->freed_bytes = c->disk_free_bytes = 0;
        c->work.data = c;
        int r = uv_queue_work(c->loop, &c->work, look, on_looked);
        c->busy = r == 0;
        return r;
}

int page_cache_new(uv_loop_t *loop, const char *disk, struct page_cache **ret) {
        struct page_cache *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->loop = loop;
        c->disk = disk;
        *ret = c;
        return 0;
}

void page_cache_free(struct page_cache *c) {
        free(c);
}

bool page_cache_busy(const struct page_cache *c) {
        return c->busy;
}

uint64_t page_cache_bytes(const struct page_cache *c) {
        return c->bytes;
}

uint64_t page_cache_looked_ms(const struct page_cache *c) {
        return c->looked_ms;
}

uint64_t page_cache_disk_free_bytes(const struct page_cache *c) {
        return c->disk_bytes;
}
