/*
 * cgroup_place.h - the place in the file system of the control groups that this process is in.
 *
 * /proc/self/cgroup names our group in each hierarchy, /proc/self/mountinfo says where that hierarchy is mounted and
 * which part of it. In a container the two need not fit: the mounted part may begin at our own group, or at one that
 * our path does not lie under. The mount point itself is then the nearest group that can be seen.
 */
#ifndef HEADROOM_DAEMON_BASE_CGROUP_PLACE_H
#define HEADROOM_DAEMON_BASE_CGROUP_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/sensor_bounds.h"

enum cgroup_version { CGROUP_VERSION_1, CGROUP_VERSION_2 }; /* v1: the hierarchy of the memory controller */

struct cgroup_place {
        char directory[PLACE_MAX]; /* our group */
        size_t base;               /* length of the mount point in it: no group is above that */
};

/* False: this process is in no such hierarchy, or it is not mounted. Mount points below /sys are looked for in SYS. Allocates. */
bool cgroup_place_find(const char *proc, const char *sys, enum cgroup_version version, struct cgroup_place *ret);

/* True when P is the topmost group that can be seen from here. */
bool cgroup_place_is_top(const struct cgroup_place *p);

/* Goes one group up; false when it was the topmost. */
bool cgroup_place_up(struct cgroup_place *p);

/*
 * The daemon moves itself to the leaf "supervisor"; the engines are its siblings, so the figures for all of us are one level
 * above.
 */
void cgroup_place_of_all(struct cgroup_place *p);

#endif
