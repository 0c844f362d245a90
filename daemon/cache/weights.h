/*
 * weights.h - how much of a model's files is in memory, and reading them in, piece by piece.
 *
 * An engine maps its weights, so they come from the disk when they are first computed with. All this blocks: on a thread.
 */
#ifndef HEADROOM_DAEMON_CACHE_WEIGHTS_H
#define HEADROOM_DAEMON_CACHE_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

struct weights {
        uint64_t bytes; /* of all files */
        uint64_t cached_bytes;
        bool is_known; /* the number of cached bytes */
};

/* PATH: the first part of a split model. 0 or -errno. */
int weights_look(const char *path, struct weights *ret);
/*
 * Reads at most COUNT bytes from byte FROM of all files together, so that the kernel caches them; its disk is asked only when nobody
 * else asks (schedulers that know the idle class: bfq, mq-deadline). *RET_TO: where it ended, at the latest at
 * *RET_BYTES, the size of all. 0 or -errno.
 */
int weights_read(const char *path, uint64_t from, uint64_t count, uint64_t *ret_to, uint64_t *ret_bytes);

#endif
