/* cgroup_place.c - /proc/self/cgroup ("ID:CONTROLLERS:PATH") and /proc/self/mountinfo, line by line. */
#include "daemon/base/cgroup_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/cleanup.h"

static FILE *open_self(const char *proc, const char *name) {
        char path[PLACE_MAX];
        int length = snprintf(path, sizeof(path), "%s/self/%s", proc, name);
        return length > 0 && (size_t) length < sizeof(path) ? fopen(path, "re") : NULL;
}

/* LIST is comma-separated and ends with a character of ENDS. */
static bool list_has(const char *list, const char *word, const char *ends) {
        size_t length = strlen(word);
        while (*list && !strchr(ends, *list)) {
                size_t item = strcspn(list, ",\n: ");
                if (item == length && strncmp(list, word, length) == 0)
                        return true;
                list += item;
                list += *list == ',';
        }
        return false;
}

static bool copy_field(const char *from, char to[PLACE_MAX]) {
        size_t length = strcspn(from, " \n");
        if (length >= PLACE_MAX)
                return false;
        memcpy(to, from, length);
        to[length] = '\0';
        return true;
}

static bool own_group(const char *proc, enum cgroup_version version, char group[PLACE_MAX]) {
        auto_fclose FILE *file = open_self(proc, "cgroup");
        auto_free char *line = NULL;
        size_t size = 0;
        while (file && getline(&line, &size, file) > 0) {
                char *controllers = strchr(line, ':');
                char *path = controllers ? strchr(controllers + 1, ':') : NULL;
                if (!path || path[1] != '/')
                        continue;
                bool is_it = version == CGROUP_VERSION_2 ? path == controllers + 1 : list_has(controllers + 1, "memory", ":");
                size_t length = strcspn(path + 1, "\n");
                if (!is_it || length >= PLACE_MAX)
                        continue;
                memcpy(group, path + 1, length);
                group[length] = '\0';
                return true;
        }
        return false;
}

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text) {
        char *to = text;
        for (const char *from = text; *from; to++) {
                bool is_escape = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
                                 from[3] >= '0' && from[3] <= '7';
                int digits = is_escape ? (from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0') : 0;
                *to = is_escape ? (char) digits : *from;
                from += is_escape ? 4 : 1;
        }
        *to = '\0';
}

/* "36 35 98:0 ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER-OPTIONS" */
static bool parse_mount(const char *line, enum cgroup_version version, char root[PLACE_MAX], char point[PLACE_MAX]) {
        const char *tail = strstr(line, " - "), *at = line;
        if (!tail)
                return false;
        const char *type = tail + 3, *source = strchr(type, ' '), *super = source ? strchr(source + 1, ' ') : NULL;
        if (strncmp(type, version == CGROUP_VERSION_2 ? "cgroup2 " : "cgroup ", version == CGROUP_VERSION_2 ? 8 : 7) != 0)
                return false;
        if (version == CGROUP_VERSION_1 && (!super || !list_has(super + 1, "memory", "\n")))
                return false;
        for (int i = 0; i < 3; i++) {
                at = strchr(at, ' ');
                if (!at++)
                        return false;
        }
        const char *second = strchr(at, ' ');
        if (!second || second >= tail || !copy_field(at, root) || !copy_field(second + 1, point))
                return false;
        unescape(root);
        unescape(point);
        return root[0] == '/' && point[0] == '/';
}

/* GROUP as seen below the mounted ROOT: "" or "/a/b"; NULL when it does not lie there. */
static const char *below(const char *group, const char *root) {
        size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(group, root, length) != 0 || (group[length] != '/' && group[length] != '\0'))
                return NULL;
        const char *rest = group + length;
        /* Outside our name space the path climbs: nothing below the mount point has that name. */
        return strncmp(rest, "/..", 3) == 0 ? NULL : strcmp(rest, "/") == 0 ? "" : rest;
}

/* True when GROUP itself was found there, else the mount point stands in for it. */
static bool place_at(const char *point, const char *sys, const char *rest, struct cgroup_place *ret) {
        bool is_sys = strncmp(point, "/sys/", 5) == 0;
        int base = snprintf(ret->directory, PLACE_MAX, "%s%s", is_sys ? sys : "", is_sys ? point + 4 : point);
        if (base < 0 || base >= PLACE_MAX) {
                ret->directory[0] = '\0';
                return false;
        }
        ret->base = (size_t) base;
        if (!rest || strlen(rest) >= PLACE_MAX - ret->base)
                return false;
        (void) strcpy(ret->directory + base, rest);
        if (access(ret->directory, F_OK) == 0)
                return true;
        ret->directory[base] = '\0';
        return false;
}

bool cgroup_place_find(const char *proc, const char *sys, enum cgroup_version version, struct cgroup_place *ret) {
        char group[PLACE_MAX], root[PLACE_MAX], point[PLACE_MAX];
        if (!own_group(proc, version, group))
                return false;
        *ret = (struct cgroup_place){ 0 };
        auto_fclose FILE *file = open_self(proc, "mountinfo");
        if (!file) {
                /* The usual mount points. */
                (void) place_at(version == CGROUP_VERSION_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory", sys, below(group, "/"),
                                ret);
                return ret->directory[0] != '\0';
        }
        auto_free char *line = NULL;
        size_t size = 0;
        while (getline(&line, &size, file) > 0) {
                struct cgroup_place p;
                if (!parse_mount(line, version, root, point))
                        continue;
                bool is_exact = place_at(point, sys, below(group, root), &p);
                if (is_exact || ret->directory[0] == '\0')
                        *ret = p;
                if (is_exact)
                        break;
        }
        return ret->directory[0] != '\0';
}

bool cgroup_place_is_top(const struct cgroup_place *p) {
        return p->directory[p->base] == '\0';
}

bool cgroup_place_up(struct cgroup_place *p) {
        char *slash = strrchr(p->directory, '/');
        if (!slash || (size_t) (slash - p->directory) < p->base)
                return false;
        *slash = '\0';
        return true;
}

void cgroup_place_of_all(struct cgroup_place *p) {
        static const char leaf[] = "/supervisor";
        size_t length = strlen(p->directory), leaf_length = sizeof(leaf) - 1;
        if (length >= p->base + leaf_length && strcmp(p->directory + length - leaf_length, leaf) == 0)
                p->directory[length - leaf_length] = '\0';
}
