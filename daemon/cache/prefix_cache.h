/*
 * prefix_cache.h - prefixes of prompts that outlive their engines, and us: files with the KV of finished sequences,
 * found again by their prefixes.
 *
 * An engine writes them and reads them; it has no file system, so it gets descriptors from here, and those of its own model's
 * files alone. A file is identified by its hashes, one for each block of tokens (docs/wire-protocol.md), and by the model's
 * files. The index is in memory; it is read from the ends of the files when we start. Together they take at most so many bytes:
 * those used longest ago make room. Everything that may wait for a disk happens on threads of the pool. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_CACHE_PREFIX_CACHE_H
#define HEADROOM_DAEMON_CACHE_PREFIX_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct prefix_cache;
struct cache_job;

/* Begins to read the directory STATE_DIR/prompts; until that is done nothing is found or saved. ON_QUIET: busy no more. 0 or
 * -errno. */
int prefix_cache_new(uv_loop_t *loop, const char *state_dir, uint64_t bytes_max, void (*on_quiet)(void *user), void *user,
                     struct prefix_cache **ret);
void prefix_cache_free(struct prefix_cache *c); /* when it is not busy */
bool prefix_cache_busy(const struct prefix_cache *c);

/*
 * The file that has the longest prefix of these blocks is opened. True: ON_FOUND follows, with NUMBER for prefix_cache_reject and
 * FD, which is closed after the call, or -1 when it cannot be opened. False: there is none.
 */
typedef void prefix_cache_found(void *user, uint64_t number, int fd);
bool prefix_cache_find(struct prefix_cache *c, uint64_t model, const uint64_t *hashes, uint32_t blocks,
                       prefix_cache_found *on_found, void *user);
/* The file is not what was written (DAMAGED: it is set aside), or of no use. */
void prefix_cache_reject(struct prefix_cache *c, uint64_t number, bool damaged, const char *error);

/*
 * A file of BYTES for these blocks is made, for which older ones go. HASHES is taken over. True: ON_MADE follows, with a
 * descriptor for the engine (ours) and JOB, which ends with prefix_cache_save or _discard; or with NULL and ERROR. False: it is
 * not wanted: on disk already, too large, or we are not ready.
 */
typedef void prefix_cache_made(void *user, struct cache_job *job, int fd, int error);
bool prefix_cache_make(struct prefix_cache *c, uint64_t model, uint64_t *hashes, uint32_t blocks, uint64_t bytes,
                       prefix_cache_made *on_made, void *user);
/* The file is whole. A prefix of its contents is not kept a second time. ON_SAVED follows, with the bytes or -errno. */
typedef void prefix_cache_saved(void *user, int64_t bytes);
void prefix_cache_save(struct cache_job *job, prefix_cache_saved *on_saved, void *user);
void prefix_cache_discard(struct cache_job *job);

struct prefix_cache_figures {
        bool enabled;
        uint64_t bytes, bytes_max, files;
        uint64_t found, not_found, saved, evicted, damaged, refused; /* since the start; refused: no room on the disk */
};
void prefix_cache_figures(const struct prefix_cache *c, struct prefix_cache_figures *ret); /* C may be NULL */

#endif
