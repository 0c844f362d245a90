/* psi.c - "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345". */
#include "daemon/sensors/psi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/cgroup_place.h"
#include "daemon/base/proc_file.h"

bool pressure_parse(const char *text, uint64_t *ret) {
        if (strncmp(text, "some ", 5) != 0)
                return false;
        const char *total = strstr(text, " total=");
        const char *end_of_line = strchr(text, '\n');
        if (!total || !end_of_line || total > end_of_line || total[7] < '0' || total[7] > '9')
                return false;
        char *end;
        errno = 0;
        unsigned long long value = strtoull(total + 7, &end, 10);
        if (errno != 0 || *end != '\n')
                return false;
        *ret = value;
        return true;
}

/* Only the real root has no cgroup.events; that of a container has. */
static bool is_root(const char *directory) {
        char path[PLACE_MAX];
        int length = snprintf(path, sizeof(path), "%s/cgroup.events", directory);
        return length < 0 || (size_t) length >= sizeof(path) || access(path, F_OK) < 0;
}

bool pressure_own_path(const char *proc, const char *sys, char ret[PLACE_MAX], const char **ret_why) {
        struct cgroup_place p;
        if (!cgroup_place_find(proc, sys, CGROUP_VERSION_2, &p)) {
                *ret_why = "no control groups v2";
                return false;
        }
        cgroup_place_of_all(&p);
        if (is_root(p.directory)) {
                *ret_why = "our control group is the root: the same as the box's";
                return false;
        }
        int length = snprintf(ret, PLACE_MAX, "%s/memory.pressure", p.directory);
        if (length < 0 || length >= PLACE_MAX) {
                *ret_why = "its path is too long";
                return false;
        }
        return true;
}

int pressure_read(int fd, struct counter *total) {
        char text[NUMBER_TEXT_MAX];
        uint64_t now_us;
        int r = proc_file_read_once(fd, text, sizeof(text));
        if (r < 0)
                return r;
        if (!pressure_parse(text, &now_us))
                return -EBADMSG;
        counter_take(total, now_us);
        return 0;
}
