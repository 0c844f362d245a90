/*
 * cgroup_limit.c - memory.max of our group and of each one above it.
 *
 * What a group has left is its limit, less what it holds, plus what the kernel would drop first: pages of files and
 * reclaimable slab. That is how MemAvailable is meant too, so the mapped weights of loaded models count as available in
 * both, and who decides subtracts them.
 */
#include "daemon/sensors/cgroup_limit.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/saturate.h"

/* Deeper trees exist only by mistake. */
#define LEVELS_MAX 32

/* Our place in the tree, "/user.slice/..." : the line of /proc/self/cgroup that begins with "0::". */
static bool own_group(const char *proc, char group[PATH_MAX]) {
        char path[PATH_MAX], text[MEMORY_TEXT_MAX];
        (void) snprintf(path, sizeof(path), "%s/self/cgroup", proc);
        if (memory_read_text(path, text) < 0)
                return false;
        for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
                if (strncmp(line, "0::/", 4) != 0)
                        continue;
                (void) snprintf(group, PATH_MAX, "%.*s", (int) strcspn(line + 3, "\n"), line + 3);
                return true;
        }
        return false;
}

static bool read_group_file(const char *sys, const char *group, const char *name, char text[MEMORY_TEXT_MAX]) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof(path), "%s/fs/cgroup%s/%s", sys, group, name);
        return length > 0 && (size_t) length < sizeof(path) && memory_read_text(path, text) == 0;
}

static bool parse_bytes(const char *text, uint64_t *ret) {
        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno != 0 || end == text || (*end != '\n' && *end != '\0'))
                return false;
        *ret = value;
        return true;
}

/* "key value" on a line of memory.stat; 0 when it is not there. */
static uint64_t stat_of(const char *text, const char *key) {
        size_t length = strlen(key);
        for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
                if (strncmp(line, key, length) == 0 && line[length] == ' ')
                        return strtoull(line + length + 1, NULL, 10);
        }
        return 0;
}

static void apply_group(const char *sys, const char *group, struct memory_seen *seen) {
        char text[MEMORY_TEXT_MAX];
        uint64_t limit, current;
        /* The root has no such file, and most groups say "max". */
        if (!read_group_file(sys, group, "memory.max", text) || !parse_bytes(text, &limit))
                return;
        if (!read_group_file(sys, group, "memory.current", text) || !parse_bytes(text, &current))
                return;
        uint64_t droppable = 0;
        if (read_group_file(sys, group, "memory.stat", text))
                droppable = plus(plus(stat_of(text, "inactive_file"), stat_of(text, "active_file")),
                                 stat_of(text, "slab_reclaimable"));
        uint64_t held = minus(current, droppable);
        seen->total_bytes = smaller(seen->total_bytes, limit);
        seen->available_bytes = smaller(seen->available_bytes, minus(limit, held));
}

void cgroup_limit_apply(const char *proc, const char *sys, struct memory_seen *seen) {
        char group[PATH_MAX];
        if (!own_group(proc, group))
                return;
        for (int level = 0; level < LEVELS_MAX; level++) {
                bool is_root = strcmp(group, "/") == 0;
                apply_group(sys, is_root ? "" : group, seen);
                char *slash = strrchr(group, '/');
                if (is_root || !slash)
                        return;
                /* "/a/b" -> "/a" -> "/" */
                slash[slash == group] = '\0';
        }
}
