/* own_memory.h - what the kernel counts of this process's memory. */
#ifndef HEADROOM_TESTS_OWN_MEMORY_H
#define HEADROOM_TESTS_OWN_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A line of /proc/self/status, such as "VmRSS"; 0 when it cannot be read. */
static inline uint64_t own_memory_kib(const char *name) {
        FILE *file = fopen("/proc/self/status", "r");
        char line[256];
        unsigned long kib = 0;
        while (file && fgets(line, sizeof(line), file))
                if (!strncmp(line, name, strlen(name)))
                        (void) sscanf(line + strlen(name), ": %lu kB", &kib);
        if (file)
                (void) fclose(file);
        return kib;
}

/* What ASan holds beside so many bytes that were touched, and keeps: an eighth. */
static inline uint64_t own_memory_shadow(uint64_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
        return bytes / 8;
#else
        (void) bytes;
        return 0;
#endif
}

/* The peak (VmHWM) is counted from here on. False: it cannot be told. */
static inline bool own_memory_reset_peak(void) {
        FILE *file = fopen("/proc/self/clear_refs", "w");
        bool written = file && fputs("5", file) >= 0;
        return file && fclose(file) == 0 && written;
}

#endif
