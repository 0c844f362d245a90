/*
 * machine.c - how much memory this machine has for us.
 *
 * MemAvailable counts the pages of mapped model files as free, although an engine that runs needs them all. So the
 * engines are looked for too, by their process name: no daemon is asked.
 */
#include "ctl/fit/machine.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"
#include "ctl/base/cgroup_limit.h"
#include "ctl/base/small_file.h"

#define ENGINE_COMM "headroom-engine" /* 15 characters: all of what the kernel keeps */

static void consider_process(const char *root, const char *pid, struct machine *m) {
        char *text;
        if (m->engines_count == ACCOUNTS_MAX || small_file_read(&text, "%s/proc/%s/comm", root, pid) < 0)
                return;
        bool is_engine = !strncmp(text, ENGINE_COMM, strlen(ENGINE_COMM));
        free(text);
        if (!is_engine || small_file_read(&text, "%s/proc/%s/status", root, pid) < 0)
                return;
        uint64_t file_kib = 0, anonymous_kib = 0, shared_kib = 0;
        (void) small_file_number(text, "RssFile", &file_kib);
        (void) small_file_number(text, "RssAnon", &anonymous_kib);
        (void) small_file_number(text, "RssShmem", &shared_kib);
        free(text);
        m->engines[m->engines_count++] = (struct machine_engine){
                .file_bytes = file_kib << 10,
                .taken_bytes = (anonymous_kib + shared_kib) << 10,
        };
}

static void find_engines(const char *root, struct machine *m) {
        char path[512];
        snprintf(path, sizeof(path), "%s/proc", root);
        DIR *proc = opendir(path);
        if (!proc)
                return;
        for (struct dirent *entry; (entry = readdir(proc));)
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        consider_process(root, entry->d_name, m);
        (void) closedir(proc);
}

/* As the engine counts, when it is not told how many threads to start. */
static uint32_t count_processors(void) {
        cpu_set_t *allowed = CPU_ALLOC(PROCESSORS_MAX);
        size_t size = CPU_ALLOC_SIZE(PROCESSORS_MAX);
        assert(allowed);
        int count = sched_getaffinity(0, size, allowed) == 0 ? CPU_COUNT_S(size, allowed) : 1;
        CPU_FREE(allowed);
        return count > 0 ? (uint32_t) count : 1;
}

int machine_read(const char *root, struct machine *ret) {
        struct machine m = { .limit_path = "" };
        uint64_t total_kib = 0, available_kib = 0;
        char *text;
        int rc = small_file_read(&text, "%s/proc/meminfo", root);
        if (rc < 0)
                return rc;
        bool known = small_file_number(text, "MemTotal", &total_kib) == 0 &&
                     small_file_number(text, "MemAvailable", &available_kib) == 0;
        free(text);
        if (!known || total_kib == 0)
                return -EBADMSG;
        m.host_bytes = m.ram_bytes = total_kib << 10;
        m.available_bytes = available_kib << 10;

        struct cgroup_limit limit = cgroup_limit_read(root);
        if (limit.limit_bytes < m.ram_bytes) {
                m.ram_bytes = limit.limit_bytes;
                memcpy(m.limit_path, limit.path, sizeof(m.limit_path));
        }
        if (limit.available_bytes < m.available_bytes)
                m.available_bytes = limit.available_bytes;
        find_engines(root, &m);
        m.processors = count_processors();
        *ret = m;
        return 0;
}

uint64_t machine_cache_bytes(const char *root) {
        uint64_t largest = 0;
        for (unsigned index = 0; index < 8; index++) {
                char *text;
                if (small_file_read(&text, "%s/sys/devices/system/cpu/cpu0/cache/index%u/size", root, index) < 0)
                        break;
                uint64_t kib = strtoull(text, NULL, 10); /* the kernel always says "32768K" */
                free(text);
                largest = kib << 10 > largest ? kib << 10 : largest;
        }
        return largest;
}
