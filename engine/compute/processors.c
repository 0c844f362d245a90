/* processors.c - see processors.h. */
#include "engine/compute/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

/* Processors that are one core with this one; false: unknown. */
static bool siblings_of(const char *sys_cpu, uint32_t cpu, struct cpu_list *ret) {
        char path[PATH_MAX], text[CPU_LIST_TEXT_BYTES];
        (void) snprintf(path, sizeof(path), "%s/cpu%u/topology/thread_siblings_list", sys_cpu, cpu);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t length = read(fd, text, sizeof(text) - 1);
        (void) close(fd);
        if (length <= 0)
                return false;
        text[length] = '\0';
        return cpu_list_read(text, ret) == 0;
}

static bool is_first_of_core(const struct cpu_list *allowed, const char *sys_cpu, uint32_t cpu) {
        struct cpu_list siblings;
        if (!siblings_of(sys_cpu, cpu, &siblings))
                return true;
        for (uint32_t i = 0; i < cpu; i++)
                if (cpu_list_has(&siblings, i) && cpu_list_has(allowed, i))
                        return false;
        return true;
}

uint32_t processors_cores(const struct cpu_list *allowed, const char *sys_cpu) {
        uint32_t cores = 0;
        for (uint32_t i = 0; i < CPU_LIST_CPUS; i++)
                cores += cpu_list_has(allowed, i) && is_first_of_core(allowed, sys_cpu, i);
        return cores ? cores : 1;
}

uint32_t processors_available(void) {
        cpu_set_t set;
        struct cpu_list allowed = { { 0 } };
        if (sched_getaffinity(0, sizeof(set), &set) < 0)
                return 1;
        for (uint32_t i = 0; i < CPU_LIST_CPUS; i++)
                if (CPU_ISSET(i, &set))
                        allowed.bits[i / 64] |= UINT64_C(1) << i % 64;
        return processors_cores(&allowed, "/sys/devices/system/cpu");
}

int processors_use(const struct cpu_list *cpus) {
        cpu_set_t set;
        CPU_ZERO(&set);
        for (uint32_t i = 0; i < CPU_LIST_CPUS; i++)
                if (cpu_list_has(cpus, i))
                        CPU_SET(i, &set);
        return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}
