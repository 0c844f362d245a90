/*
 * cgroup_limit.h - the tightest memory limit of the control groups above us: a container's, a service's, a slice's.
 *
 * The kernel ends whoever exceeds it, however much the machine has left, so for us it is the machine. Control groups
 * v2; PROC and SYS are "/proc" and "/sys", or directories of fixtures in tests.
 */
#ifndef HEADROOM_DAEMON_SENSORS_CGROUP_LIMIT_H
#define HEADROOM_DAEMON_SENSORS_CGROUP_LIMIT_H

#include "daemon/sensors/memory.h"

/* Lowers SEEN to what the tightest group leaves. Where there is no group or no limit, or it cannot be read, SEEN stays. */
void cgroup_limit_apply(const char *proc, const char *sys, struct memory_seen *seen);

#endif
