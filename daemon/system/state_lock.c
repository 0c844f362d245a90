/* state_lock.c - see state_lock.h. The lock is the kernel's, so that none is left behind; the pid in the file is for people. */
#include "daemon/system/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "engine/base/cleanup.h"
#include "engine/base/file_io.h"

static pid_t holder_of(int fd) {
        char text[24] = "";
        ssize_t count = pread(fd, text, sizeof text - 1, 0);

        return count > 0 ? (pid_t) strtol(text, NULL, 10) : 0;
}

static int sign(int fd) {
        char text[24];
        int length = snprintf(text, sizeof text, "%d\n", (int) getpid());

        return ftruncate(fd, 0) ? -errno : pwrite_all(fd, text, (size_t) length, 0);
}

int state_lock(const char *state_dir, pid_t *ret_holder) {
        auto_free char *path = NULL;

        *ret_holder = 0;
        if (asprintf(&path, "%s/lock", state_dir) < 0)
                return -ENOMEM;
        auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB)) {
                int error = errno;
                *ret_holder = error == EWOULDBLOCK ? holder_of(fd) : 0;
                return error == EWOULDBLOCK ? -EBUSY : -error;
        }
        (void) sign(fd); /* on a full disk the lock holds all the same */
        return take_fd(&fd);
}

pid_t state_lock_holder(const char *state_dir) {
        auto_free char *path = NULL;

        if (asprintf(&path, "%s/lock", state_dir) < 0)
                return 0;
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        return fd < 0 ? 0 : holder_of(fd);
}
