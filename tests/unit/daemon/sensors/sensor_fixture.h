/* sensor_fixture.h - a directory that plays /proc and /sys: what is put there besides files, and taken away. */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_SENSORS_SENSOR_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_SENSORS_SENSOR_FIXTURE_H

#include <dirent.h>
#include <stdint.h>

#include "tests/unit/scratch.h"

#define MIB(n) ((uint64_t) (n) << 20)

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
