/*
 * prefix_cache_dir.h - the prompt cache on disk: what its directory holds, and what is done to a file of it.
 *
 * NUMBER.kv is what an engine wrote (engine/kv/session_file.h, which is the engine's alone to read), and behind it what we know
 * it by: the hashes, 8 bytes each, then 40 bytes: "HRCHAIN\n", model, blocks, bytes before the hashes, checksum of
 * all of this, u64 each, little-endian. A file has its name when all of it is on the disk, so one that is cut
 * short was damaged later. NUMBER.new is one that is being written, and worth nothing after a crash. damaged-N.kv
 * are the last few that were set aside, for a person to look at.
 *
 * All of this may block: for threads of the pool. Touches nothing but its arguments, and does not log.
 */
#ifndef HEADROOM_DAEMON_CACHE_PREFIX_CACHE_DIR_H
#define HEADROOM_DAEMON_CACHE_PREFIX_CACHE_DIR_H

#include <stdint.h>

struct cached {
        uint64_t number, model, bytes;
        uint64_t used;    /* in the order of use: by the file's time, then by our own count */
        uint64_t *hashes; /* owned */
        uint32_t blocks;
};

struct cache_scan {
        struct cached *all; /* the caller's, with the hashes; in no order */
        uint32_t count;
        uint64_t number_max;
        uint32_t damaged;      /* set aside */
        char damaged_name[64]; /* the last of them */
};

/* Makes the directory, removes what was never finished and sets aside what is not what was written. 0 or -errno. */
int cache_files_scan(const char *directory, struct cache_scan *ret);
/* NUMBER.new, empty, open for both. -ENOSPC where BYTES would leave too little of the disk free. A descriptor or -errno. */
int cache_files_make(const char *directory, uint64_t number, uint64_t bytes);
/*
 * Writes behind what FD holds what C is known by, has it on the disk and gives it its name. 0 and c->bytes; -EFBIG where it is
 * larger than c->bytes said; -errno.
 */
int cache_files_commit(const char *directory, int fd, struct cached *c);
/* To read from; its time is now. A descriptor or -errno. */
int cache_files_open(const char *directory, uint64_t number);
int cache_files_remove(const char *directory, uint64_t number);
int cache_files_drop_new(const char *directory, uint64_t number);
/* As damaged-SLOT.kv, in the place of what was called so. */
int cache_files_set_aside(const char *directory, uint64_t number, uint32_t slot);

#endif
