/* file.c - the small texts of a control group, by descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cgroup/internal.h"
#include "engine/base/cleanup.h"
#include "daemon/base/proc_file.h"

int cgroup_file_put(int fd, const char *value) {
        ssize_t n;
        if (fd < 0)
                return fd;
        do
                n = write(fd, value, strlen(value));
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int cgroup_file_write(int group_fd, const char *name, const char *value) {
        auto_close int fd = openat(group_fd, name, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : cgroup_file_put(fd, value);
}

int cgroup_file_read(int group_fd, const char *name, char *text, size_t size) {
        auto_close int fd = openat(group_fd, name, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : proc_file_read(fd, text, size);
}
