/* cpu_throttle.c - /sys/devices/system/cpu/cpuN/thermal_throttle (admin-guide/thermal/intel_thermal_throttle of Linux). */
#include "daemon/thermal/cpu_throttle.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/cleanup.h"
#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"
#include "policy/base/sat.h"

/* A list "4-7,12" begins with the lowest number. Where there is no such file, everybody is asked. */
static bool is_first(const char *directory, const char *list, unsigned number) {
        char text[NUMBER_TEXT_MAX];
        int r = proc_file_read_at(directory, list, text, sizeof(text));
        return r <= 0 || strtoul(text, NULL, 10) == number;
}

static void add(struct throttle *t, const char *directory, const char *name) {
        if (t->count == THROTTLE_FILES_MAX)
                return;
        int fd = proc_file_open(directory, name);
        if (fd >= 0)
                t->files[t->count++] = fd;
}

void throttle_open(const char *sys, struct throttle *ret) {
        char path[PLACE_MAX];
        ret->count = 0;
        int length = snprintf(path, sizeof(path), "%s/devices/system/cpu", sys);
        auto_closedir DIR *directory = length > 0 && (size_t) length < sizeof(path) ? opendir(path) : NULL;
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
                unsigned number;
                if (sscanf(entry->d_name, "cpu%u", &number) != 1)
                        continue;
                length = snprintf(path, sizeof(path), "%s/devices/system/cpu/cpu%u", sys, number);
                if (length < 0 || (size_t) length >= sizeof(path))
                        continue;
                if (is_first(path, "/topology/thread_siblings_list", number))
                        add(ret, path, "/thermal_throttle/core_throttle_count");
                if (is_first(path, "/topology/core_siblings_list", number))
                        add(ret, path, "/thermal_throttle/package_throttle_count");
        }
}

void throttle_close(struct throttle *t) {
        for (uint32_t i = 0; i < t->count; i++)
                proc_file_close(t->files[i]);
        t->count = 0;
}

int throttle_read(const struct throttle *t, uint64_t *ret) {
        uint64_t sum = 0, count;
        char text[NUMBER_TEXT_MAX];
        for (uint32_t i = 0; i < t->count; i++) {
                int r = proc_file_read_once(t->files[i], text, sizeof(text));
                if (r < 0)
                        return r;
                if (!fields_number(text, &count))
                        return -EBADMSG;
                sum = sat_add(sum, count);
        }
        if (t->count == 0)
                return -ENOENT;
        *ret = sum;
        return 0;
}
