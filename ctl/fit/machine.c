/*
 * machine.c - how much memory this machine has for us.
 *
 * MemAvailable counts the pages of mapped model files as free, although an engine that runs needs them all. So the
 * engines are looked for too, by their process name: no daemon is asked.
 */
#include "ctl/fit/machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"
#include "daemon/base/cgroup_limits.h"
#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"
#include "engine/base/cleanup.h"
#include "engine/compute/processors.h"

#define ENGINE_COMM "headroom-engine" /* 15 characters: all of what the kernel keeps */

/* Zero where the file does not say, as of a process that has just gone. */
static uint64_t bytes_of(const struct field *f) {
        return f->found ? f->value : 0;
}

static void consider_process(const char *proc, const char *pid, struct machine *m) {
        char name[32], text[FILE_TEXT_MAX];
        struct field fields[] = {
                { .key = "RssFile", .is_kilobytes = true },
                { .key = "RssAnon", .is_kilobytes = true },
                { .key = "RssShmem", .is_kilobytes = true },
        };
        snprintf(name, sizeof(name), "/%.10s/comm", pid);
        if (m->engines_count == ACCOUNTS_MAX || proc_file_read_at(proc, name, text, sizeof(text)) < 0 ||
            strncmp(text, ENGINE_COMM, strlen(ENGINE_COMM)) != 0)
                return;
        snprintf(name, sizeof(name), "/%.10s/status", pid);
        if (proc_file_read_at(proc, name, text, sizeof(text)) < 0)
                return;
        fields_find(text, fields, 3);
        m->engines[m->engines_count++] = (struct machine_engine){
                .file_bytes = bytes_of(&fields[0]),
                .taken_bytes = bytes_of(&fields[1]) + bytes_of(&fields[2]),
        };
}

static void find_engines(const char *proc, struct machine *m) {
        auto_closedir DIR *directory = opendir(proc);
        for (struct dirent *entry; directory && (entry = readdir(directory));)
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        consider_process(proc, entry->d_name, m);
}

/* The limits of the control groups above us: SNAPSHOT becomes what they leave of it. */
static void lower_to_groups(const char *proc, const char *sys, struct memory_seen *seen, char limit_path[PLACE_MAX]) {
        struct cgroup_limits limits;
        cgroup_limits_open(proc, sys, &limits);
        struct cgroup_tightest tightest = cgroup_limits_lower(&limits, seen);
        if (tightest.smallest)
                memcpy(limit_path, tightest.smallest->place.directory, PLACE_MAX);
        cgroup_limits_close(&limits);
}

int machine_read(const char *proc, const char *sys, struct machine *ret) {
        struct machine m = { .limit_path = "" };
        struct memory_seen seen;
        int r = memory_read(proc, &seen);
        if (r < 0)
                return r;
        m.host_bytes = seen.total_bytes;
        lower_to_groups(proc, sys, &seen, m.limit_path);
        m.ram_bytes = seen.total_bytes;
        m.available_bytes = seen.available_bytes;
        find_engines(proc, &m);
        m.cores = processors_available(); /* as the engine counts where it is not told how many threads to start */
        *ret = m;
        return 0;
}

uint64_t machine_cache_bytes(const char *sys) {
        uint64_t largest = 0;
        for (unsigned index = 0; index < 8; index++) {
                char name[64], text[NUMBER_TEXT_MAX];
                snprintf(name, sizeof(name), "/devices/system/cpu/cpu0/cache/index%u/size", index);
                if (proc_file_read_at(sys, name, text, sizeof(text)) < 0)
                        break;
                uint64_t kib = strtoull(text, NULL, 10); /* the kernel always says "32768K" */
                largest = kib << 10 > largest ? kib << 10 : largest;
        }
        return largest;
}
