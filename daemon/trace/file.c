/* file.c - see file.h. A trace holds prompts, so other users must not lead it elsewhere by a link, or look into its folder. */
#include "daemon/trace/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "engine/base/cleanup.h"

/* The folder is ours alone: 0, or -errno. */
static int close_to_others(int folder) {
        struct stat st;

        if (fstat(folder, &st))
                return -errno;
        if (st.st_uid != geteuid())
                return -EPERM;
        return (st.st_mode & 077) && fchmod(folder, 0700) ? -errno : 0;
}

int trace_file_make(const char *state_dir, const char *name) {
        auto_close int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (state < 0 || (mkdirat(state, TRACE_FOLDER, 0700) && errno != EEXIST))
                return -errno;
        auto_close int folder = openat(state, TRACE_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = folder < 0 ? -errno : close_to_others(folder);
        if (r < 0)
                return r;
        int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}

int trace_file_write(int fd, const char *bytes, size_t count) {
        while (count > 0) {
                ssize_t n = write(fd, bytes, count);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                bytes += n;
                count -= (size_t) n;
        }
        return 0;
}
