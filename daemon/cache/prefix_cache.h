/*
 * prefix_cache.h - beginnings of prompts that outlive their engines, and us: files with the KV of finished sequences, found
 * again by what they begin with.
 *
 * An engine writes them and reads them; it has no file system, so it gets descriptors from here, and those of its own model's
 * files alone. What a file holds is told by its chain, a number for each block of tokens (docs/wire-protocol.md), and by the model's
 * files. The index is in memory; it is read from the ends of the files when we start. Together they take at most so many
 * bytes: those used longest ago make room. Everything that may wait for a disk happens on threads of the pool. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_CACHE_PREFIX_CACHE_H
#define HEADROOM_DAEMON_CACHE_PREFIX_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct prompt_cache;
struct cache_job;

/* Begins to read the directory STATE_DIR/prompts; until that is done nothing is found or kept. ON_QUIET: busy no more. 0 or -errno. */
int prompt_cache_new(uv_loop_t *loop, const char *state_dir, uint64_t bytes_max, void (*on_quiet)(void *user), void *user,
                     struct prompt_cache **ret);
void prompt_cache_free(struct prompt_cache *c); /* when it is not busy */
bool prompt_cache_busy(const struct prompt_cache *c);

/*
 * The file that has most of these blocks at its beginning is opened. True: ON_FOUND follows, with NUMBER for prompt_cache_spoil and
 * FD, which is closed after the call, or -1 when it cannot be opened. False: there is none.
 */
typedef void prompt_cache_found(void *user, uint64_t number, int fd);
bool prompt_cache_find(struct prompt_cache *c, uint64_t model, const uint64_t *chain, uint32_t blocks,
                       prompt_cache_found *on_found, void *user);
/* The file is not what was written (DAMAGED: it is set aside), or of no use. */
void prompt_cache_spoil(struct prompt_cache *c, uint64_t number, bool damaged, const char *error);

/*
 * A file of BYTES for these blocks is made, for which older ones go. CHAIN is taken over. True: ON_MADE follows, with a descriptor
 * for the engine (ours) and JOB, which ends with prompt_cache_keep or _discard; or with NULL and ERROR. False: it is not wanted:
 * on disk already, too large, or we are not ready.
 */
typedef void prompt_cache_made(void *user, struct cache_job *job, int fd, int error);
bool prompt_cache_make(struct prompt_cache *c, uint64_t model, uint64_t *chain, uint32_t blocks, uint64_t bytes,
                       prompt_cache_made *on_made, void *user);
/* It is whole. What it begins with is not kept a second time. ON_KEPT follows, with the bytes or -errno. */
typedef void prompt_cache_kept(void *user, int64_t bytes);
void prompt_cache_keep(struct cache_job *job, prompt_cache_kept *on_kept, void *user);
void prompt_cache_discard(struct cache_job *job);

struct prompt_cache_figures {
        bool enabled;
        uint64_t bytes, bytes_max, files;
        uint64_t found, not_found, kept, evicted, damaged, refused; /* since the start; refused: no room on the disk */
};
void prompt_cache_figures(const struct prompt_cache *c, struct prompt_cache_figures *ret); /* C may be NULL */

#endif
