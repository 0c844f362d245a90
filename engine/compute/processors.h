/*
 * processors.h - the processors that this process may run on. What a core is, is read from sysfs: before a process locks itself in, that is.
 */
#ifndef HEADROOM_ENGINE_COMPUTE_PROCESSORS_H
#define HEADROOM_ENGINE_COMPUTE_PROCESSORS_H

#include <stdint.h>

#include "engine/base/cpu_list.h"

/* Cores, each counted once whatever number of threads it runs: they share the units that our products are bound by. At least 1. */
uint32_t processors_available(void);
/* From now on this process and the threads it starts run on these alone. 0 or -errno: -EINVAL where it has none of them. */
int processors_use(const struct cpu_list *cpus);

/* The cores among ALLOWED; SYS_CPU is /sys/devices/system/cpu but in tests. Where it does not tell, each processor is one. */
uint32_t processors_cores(const struct cpu_list *allowed, const char *sys_cpu);

#endif
