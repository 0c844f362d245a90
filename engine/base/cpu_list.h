/* cpu_list.h - numbers of processors as the kernel and people write them: "0-3,8". Empty: none was named. */
#ifndef HEADROOM_ENGINE_BASE_CPU_LIST_H
#define HEADROOM_ENGINE_BASE_CPU_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_LIST_CPUS       1024u /* as many as a cpu_set_t of the C library holds */
#define CPU_LIST_TEXT_BYTES 2560u /* of the longest: every second one */

struct cpu_list {
        uint64_t bits[CPU_LIST_CPUS / 64];
};

/* Spaces around numbers and a line's end are fine. 0 and *ret; -EINVAL; -ERANGE: one of them is CPU_LIST_CPUS or more. */
int cpu_list_read(const char *text, struct cpu_list *ret);
/* In its shortest form. */
const char *cpu_list_text(const struct cpu_list *l, char text[CPU_LIST_TEXT_BYTES]);
bool cpu_list_has(const struct cpu_list *l, uint32_t cpu);
bool cpu_list_is_empty(const struct cpu_list *l);

#endif
