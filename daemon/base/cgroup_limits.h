/*
 * cgroup_limits.h - the tightest memory limit of the control groups above us: a container's, a service's, a slice's.
 *
 * The kernel kills a process that exceeds it, however much the machine has left, so for us it is the machine. Both
 * versions of control groups, every level, since any of them may be lowered while we run. PROC and SYS are "/proc"
 * and "/sys", or directories of fixtures in tests.
 */
#ifndef HEADROOM_DAEMON_BASE_CGROUP_LIMITS_H
#define HEADROOM_DAEMON_BASE_CGROUP_LIMITS_H

#include "daemon/base/cgroup_place.h"
#include "daemon/base/meminfo.h"

/* The files of every group from ours up to the topmost that is seen, held open. */
struct cgroup_limits {
        uint32_t count;
        bool is_cut; /* there are more than CGROUP_LEVELS_MAX */
        struct cgroup_level {
                enum cgroup_version version;
                struct cgroup_place place;
                int limit, high, current, stat; /* descriptors, or -errno */
        } levels[CGROUP_LEVELS_MAX];
};

void cgroup_limits_open(const char *proc, const char *sys, struct cgroup_limits *ret);
void cgroup_limits_close(struct cgroup_limits *l);

struct cgroup_tightest {
        const struct cgroup_level *level; /* the one that leaves least; NULL where none has a limit */
        uint64_t limit_bytes;
        const struct cgroup_level *smallest; /* the one whose limit has become SNAPSHOT's total; NULL where the box is smaller */
        bool is_gone;                        /* a level could not be read: the tree has changed */
};

/* Lowers SNAPSHOT to what the tightest group leaves; a group that cannot be read changes nothing. Opens and allocates nothing. */
struct cgroup_tightest cgroup_limits_lower(const struct cgroup_limits *l, struct memory_seen *seen);

/* All of that at once. */
void cgroup_limit_apply(const char *proc, const char *sys, struct memory_seen *seen);

#endif
