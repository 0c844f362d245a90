/* proc_file.c - open once, pread for ever. */
#include "daemon/base/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/base/sensor_bounds.h"

int proc_file_open(const char *directory, const char *name) {
        char path[PLACE_MAX];
        int length = snprintf(path, sizeof(path), "%s%s", directory, name);
        if (length < 0 || (size_t) length >= sizeof(path))
                return -ENAMETOOLONG;
        /* O_NONBLOCK: open() must not wait for a writer, should somebody have put a FIFO there. */
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

void proc_file_close(int fd) {
        if (fd >= 0)
                (void) close(fd);
}

static int read_at(int fd, char *text, size_t size, size_t offset) {
        ssize_t count;
        do
                count = pread(fd, text, size, (off_t) offset);
        while (count < 0 && errno == EINTR);
        return count < 0 ? -errno : (int) count;
}

int proc_file_read(int fd, char *text, size_t size) {
        if (fd < 0)
                return fd;
        size_t used = 0;
        while (used < size - 1) {
                int count = read_at(fd, text + used, size - 1 - used, used);
                if (count < 0)
                        return count;
                if (count == 0)
                        break;
                used += (size_t) count;
        }
        text[used] = '\0';
        return (int) used;
}

int proc_file_read_once(int fd, char *text, size_t size) {
        if (fd < 0)
                return fd;
        int count = read_at(fd, text, size - 1, 0);
        text[count < 0 ? 0 : count] = '\0';
        return count;
}

int proc_file_read_at(const char *directory, const char *name, char *text, size_t size) {
        int fd = proc_file_open(directory, name);
        int r = proc_file_read(fd, text, size);
        proc_file_close(fd);
        return r;
}

int proc_file_is_want(int error) {
        return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -ENOBUFS;
}
