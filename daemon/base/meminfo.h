/*
 * meminfo.h - the kernel's figures about memory: of the machine, and of one process.
 *
 * Every path below /proc is made here, from the PROC argument ("/proc", or a directory of fixtures in tests).
 */
#ifndef HEADROOM_DAEMON_BASE_MEMINFO_H
#define HEADROOM_DAEMON_BASE_MEMINFO_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/sensor_bounds.h"

struct memory_seen {
        uint64_t total_bytes, available_bytes;
        uint64_t swap_total_bytes, swap_free_bytes; /* 0 where there is none */
};

/* From the text of meminfo. 0; -EBADMSG when it does not say. *ret only on success. */
int memory_parse(const char *text, struct memory_seen *ret);
/* Opens and reads it. 0; -errno; -EBADMSG. *ret only on success. */
int memory_read(const char *proc, struct memory_seen *ret);

struct process_memory {
        uint64_t pss_bytes;  /* proportional set size: shared pages count by their share */
        uint64_t file_bytes; /* ... of that, pages of files: the mapped weights */
        uint64_t swap_bytes; /* swapped out, by its share: used all the same */
        uint64_t locked_bytes;
};

/*
 * From smaps_rollup. Walks the page tables of the process: milliseconds for a large model, so not on the loop
 * thread. 0; -ESRCH when the process is gone or has no memory any more; -errno; -EBADMSG.
 */
int memory_read_process(const char *proc, pid_t pid, struct process_memory *ret);

/* Makes the kernel choose this process earlier when memory runs out. 0 or -errno. */
int memory_set_oom_score(const char *proc, pid_t pid, int score);

#endif
