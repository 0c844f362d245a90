/*
 * sensor_fixture.h - a directory that plays /proc and /sys: files are put into it, and it is gone after the test.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_SENSORS_SENSOR_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_SENSORS_SENSOR_FIXTURE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB(n) ((uint64_t) (n) << 20)

static char root[64];

static inline int make_root(void **state) {
        (void) state;
        (void) strcpy(root, "/tmp/headroom-sensor-XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static inline int remove_root(void **state) {
        (void) state;
        char command[128];
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", root);
        return system(command);
}

static inline char *whole_path(const char *path) {
        static char whole[512];
        (void) snprintf(whole, sizeof(whole), "%s/%.400s", root, path);
        return whole;
}

/* The directories above ROOT/PATH. */
static inline char *make_way(const char *path) {
        char *whole = whole_path(path);
        for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(whole, 0755);
                *slash = '/';
        }
        return whole;
}

/* Writes TEXT to ROOT/PATH, in place where it exists: a held descriptor sees it, as it would a change of the kernel's. */
static inline void put(const char *path, const char *text) {
        FILE *f = fopen(make_way(path), "w");
        if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
                fprintf(stderr, "cannot write %s\n", whole_path(path));
                abort();
        }
}

static inline void put_link(const char *path, const char *target) {
        if (symlink(target, make_way(path)) < 0)
                abort();
}

static inline void put_fifo(const char *path) {
        if (mkfifo(make_way(path), 0600) < 0)
                abort();
}

static inline void take_away(const char *path) {
        char command[640];
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", whole_path(path));
        if (system(command) != 0)
                abort();
}

static inline unsigned open_descriptors(void) {
        unsigned count = 0;
        DIR *directory = opendir("/proc/self/fd");
        while (directory && readdir(directory))
                count++;
        if (directory)
                (void) closedir(directory);
        return count;
}

#endif
