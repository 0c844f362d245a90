/*
 * cgroup_limit.c - the memory limits of the control groups above this process.
 *
 * /proc/self/cgroup says where we are in each hierarchy, /proc/self/mountinfo where that hierarchy is mounted and
 * which part of it. In a container the mounted part may be our own group (its path is then a prefix of ours) or one
 * that our path does not even lie under; the mount point itself is the best that can be seen then.
 */
#include "ctl/base/cgroup_limit.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/bounds.h"
#include "ctl/base/small_file.h"

/* The names of the same things in the two versions. */
struct cgroup_version {
        const char *limit, *current, *cache_active, *cache_inactive;
};

static const struct cgroup_version version_1 = { "memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file",
                                                 "total_inactive_file" };
static const struct cgroup_version version_2 = { "memory.max", "memory.current", "active_file", "inactive_file" };

struct place {
        char mount_root[512], mount_point[512]; /* "" when the hierarchy is not mounted */
        char group[512];                        /* our path in the hierarchy */
};

/* LIST is comma-separated. */
static bool list_has(const char *list, const char *word) {
        size_t length = strlen(word);
        for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',')
                if (strcspn(s, ",") == length && !strncmp(s, word, length))
                        return true;
        return false;
}

/* Finds our group in a line "ID:CONTROLLERS:PATH": that of the memory controller, or of v2 when V2. */
static void take_group_line(char *line, bool v2, struct place *p) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
                return;
        *path++ = '\0';
        controllers++;
        if (v2 ? *controllers == '\0' : list_has(controllers, "memory"))
                snprintf(p->group, sizeof(p->group), "%s", path);
}

/* "36 35 98:0 /root /point options [tags] - type source super-options" */
static void take_mount_line(char *line, bool v2, struct place *p) {
        char root[512], point[512], type[32], super[512];
        char *tail = strstr(line, " - ");
        if (!tail || sscanf(line, "%*s %*s %*s %511s %511s", root, point) != 2 ||
            sscanf(tail, " - %31s %*s %511s", type, super) != 2)
                return;
        if (*p->mount_point || strcmp(type, v2 ? "cgroup2" : "cgroup") != 0 || (!v2 && !list_has(super, "memory")))
                return;
        snprintf(p->mount_root, sizeof(p->mount_root), "%s", root);
        snprintf(p->mount_point, sizeof(p->mount_point), "%s", point);
}

static void each_line(char *text, void (*take)(char *line, bool v2, struct place *p), bool v2, struct place *p) {
        char *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                take(line, v2, p);
}

/* Our group relative to the mount point: "" or "/a/b". */
static const char *group_below_mount(const struct place *p) {
        size_t length = strlen(p->mount_root);
        if (!strcmp(p->mount_root, "/"))
                return !strcmp(p->group, "/") ? "" : p->group;
        if (!strncmp(p->group, p->mount_root, length) && (p->group[length] == '/' || p->group[length] == '\0'))
                return p->group + length;
        return "";
}

/* The number that a file of one line holds; UINT64_MAX for "max" or when it cannot be read. */
static uint64_t read_bytes(const char *root, const char *directory, const char *name) {
        char *text;
        if (small_file_read(&text, "%s%s/%s", root, directory, name) < 0)
                return UINT64_MAX;
        uint64_t value = *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : UINT64_MAX;
        free(text);
        return value;
}

static uint64_t read_cache(const char *root, const char *directory, const struct cgroup_version *v) {
        char *text;
        uint64_t active = 0, inactive = 0;
        if (small_file_read(&text, "%s%s/memory.stat", root, directory) < 0)
                return 0;
        (void) small_file_number(text, v->cache_active, &active);
        (void) small_file_number(text, v->cache_inactive, &inactive);
        free(text);
        return active + inactive;
}

static void consider(const char *root, const char *directory, const struct cgroup_version *v, struct cgroup_limit *ret) {
        uint64_t limit = read_bytes(root, directory, v->limit);
        if (limit >= UINT64_MAX / 4) /* v1 says "no limit" by a number near 2^63 */
                return;
        uint64_t current = read_bytes(root, directory, v->current), cache = read_cache(root, directory, v);
        uint64_t used = current == UINT64_MAX ? 0 : current > cache ? current - cache : 0;
        uint64_t available = limit > used ? limit - used : 0;
        if (available < ret->available_bytes)
                ret->available_bytes = available;
        if (limit < ret->limit_bytes) {
                ret->limit_bytes = limit;
                snprintf(ret->path, sizeof(ret->path), "%.*s", (int) sizeof(ret->path) - 1, directory);
        }
}

/* The group itself and each one above it, up to the mount point. */
static void climb(const char *root, const struct place *p, const struct cgroup_version *v, struct cgroup_limit *ret) {
        char directory[1024];
        size_t base = strlen(p->mount_point);
        snprintf(directory, sizeof(directory), "%s%s", p->mount_point, group_below_mount(p));
        for (unsigned depth = 0; depth < CGROUP_DEPTH_MAX; depth++) {
                consider(root, directory, v, ret);
                char *slash = strrchr(directory, '/');
                if (!slash || (size_t) (slash - directory) < base)
                        return;
                *slash = '\0';
        }
}

static void read_hierarchy(const char *root, bool v2, struct cgroup_limit *ret) {
        struct place p = { .group = "" };
        char *text;
        if (small_file_read(&text, "%s/proc/self/cgroup", root) < 0)
                return;
        each_line(text, take_group_line, v2, &p);
        free(text);
        if (!*p.group || small_file_read(&text, "%s/proc/self/mountinfo", root) < 0)
                return;
        each_line(text, take_mount_line, v2, &p);
        free(text);
        if (*p.mount_point)
                climb(root, &p, v2 ? &version_2 : &version_1, ret);
}

struct cgroup_limit cgroup_limit_read(const char *root) {
        struct cgroup_limit least = { .limit_bytes = UINT64_MAX, .available_bytes = UINT64_MAX };
        read_hierarchy(root, true, &least);
        read_hierarchy(root, false, &least);
        return least;
}
