/* file_io.c - see file_io.h. */
#include "engine/base/file_io.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int file_status(int fd, struct stat *ret) {
        return syscall(SYS_fstat, fd, ret) < 0 ? -errno : 0;
}

int pread_all(int fd, void *bytes, size_t count, uint64_t offset) {
        for (uint8_t *p = bytes; count > 0;) {
                ssize_t n = pread(fd, p, count, (off_t) offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                p += n;
                count -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

int pwrite_all(int fd, const void *bytes, size_t count, uint64_t offset) {
        for (const uint8_t *p = bytes; count > 0;) {
                ssize_t n = pwrite(fd, p, count, (off_t) offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                p += n;
                count -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}
