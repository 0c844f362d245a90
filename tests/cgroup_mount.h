/* cgroup_mount.h - for tests: where this machine's cgroup v2 hierarchy is, and an empty group in it to play with. */
#ifndef HEADROOM_TESTS_CGROUP_MOUNT_H
#define HEADROOM_TESTS_CGROUP_MOUNT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first mount of type cgroup2, "" where there is none. */
static inline void cgroup_mount_find(char *out, size_t size) {
        char line[4096], type[64], point[512];
        FILE *f = fopen("/proc/self/mounts", "r");
        out[0] = '\0';
        while (f && out[0] == '\0' && fgets(line, sizeof(line), f)) {
                if (sscanf(line, "%*s %511s %63s", point, type) == 2 && !strcmp(type, "cgroup2"))
                        (void) snprintf(out, size, "%s", point);
        }
        if (f)
                (void) fclose(f);
}

/*
 * An empty group for this test, to which we may move processes of ours: root's below the mount point, where the
 * controllers are; anybody else's below our own group. False: not on this machine.
 */
static inline bool cgroup_mount_make(char *out, size_t size) {
        char mount[512], line[2048], own[1024] = "";
        cgroup_mount_find(mount, sizeof(mount));
        FILE *f = geteuid() == 0 ? NULL : fopen("/proc/self/cgroup", "r");
        while (f && fgets(line, sizeof(line), f)) {
                if (!strncmp(line, "0::/", 4))
                        (void) snprintf(own, sizeof(own), "%.*s", (int) strcspn(line + 4, "\n"), line + 4);
        }
        if (f)
                (void) fclose(f);
        int n = snprintf(out, size, "%s/%s%sheadroom-test-%d", mount, own, own[0] ? "/" : "", getpid());
        return mount[0] != '\0' && n > 0 && (size_t) n < size && mkdir(out, 0755) == 0;
}

#endif
