/*
 * page_cache.h - the kernel's cache of model files that are not loaded: its size, and dropping it.
 *
 * The kernel would take these pages back by itself, but in its own order, which has weights of running models in it.
 * Both happen on a thread of libuv's pool, one look at a time: files may lie on a disk that sleeps. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_CACHE_PAGE_CACHE_H
#define HEADROOM_DAEMON_CACHE_PAGE_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/base/bounds.h"

struct page_cache;

/* The paths to look at: of models (first parts of split ones), borrowed for as long as the cache lives. */
struct page_cache_models {
        uint32_t count;
        struct {
                const char *path;
                bool loaded; /* a model uses its pages, whatever they are called */
        } all[FLEET_MAX];
};

/* DISK is a directory whose free space is measured as well. 0 or -ENOMEM. */
int page_cache_new(uv_loop_t *loop, const char *disk, struct page_cache **ret);
void page_cache_free(struct page_cache *c); /* when it is not busy */
bool page_cache_busy(const struct page_cache *c);

/*
 * Counts, or counts and drops. FREED: bytes that are gone; RESULT 0 or -errno. 0 when it has begun (ON_DONE follows); -EBUSY.
 * MODELS is copied.
 */
typedef void page_cache_done(void *user, int result, uint64_t freed_bytes);
int page_cache_look(struct page_cache *c, const struct page_cache_models *models, bool drop, page_cache_done *on_done,
                    void *user);

/* As the last look found it, and when that was (0: never). Bytes are 0 where they cannot be known. */
uint64_t page_cache_bytes(const struct page_cache *c);
uint64_t page_cache_looked_ms(const struct page_cache *c);
uint64_t page_cache_disk_free_bytes(const struct page_cache *c);

/*
 * What of one file is cached, on a thread's own time; false where it cannot be known: before Linux 6.5 only who may write to the
 * file is told. WINDOW has PAGE_CACHE_WINDOW_PAGES bytes.
 */
bool page_cache_of_file(const char *path, int fd, uint64_t size, unsigned char *window, uint64_t *ret_bytes);

#endif
