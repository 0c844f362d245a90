/*
 * machine.h - how much memory this machine has for us: the least over the host and every cgroup limit above us.
 *
 * People run headroom in containers and slices, on cgroup v2, v1 and hybrids of both; a limit of any ancestor binds.
 */
#ifndef HEADROOM_CTL_FIT_MACHINE_H
#define HEADROOM_CTL_FIT_MACHINE_H

#include <stdint.h>

#include "daemon/base/sensor_bounds.h"
#include "policy/base/bounds.h"

/* An engine that runs here, as /proc shows it. */
struct machine_engine {
        uint64_t file_bytes;  /* resident pages of files: but for a few MiB of libraries, weights */
        uint64_t taken_bytes; /* the rest: already missing from what is available */
};

struct machine {
        uint64_t host_bytes;      /* MemTotal */
        uint64_t ram_bytes;       /* the same, or the least cgroup limit when that is smaller */
        uint64_t available_bytes; /* free or reclaimable, by the tightest of host and cgroups */
        struct machine_engine engines[ACCOUNTS_MAX];
        uint32_t engines_count;
        char limit_path[PLACE_MAX]; /* of the cgroup whose limit is ram_bytes; "" when it is the host's own memory */
        uint32_t cores;             /* of the processors that we may run on */
};

/* PROC and SYS are "/proc" and "/sys", or directories of fixtures in tests. 0, or -errno when PROC/meminfo cannot be read. */
int machine_read(const char *proc, const char *sys, struct machine *ret);

/* Largest cache that the first processor reaches, in bytes; 0 when the system does not say. */
uint64_t machine_cache_bytes(const char *sys);

#endif
