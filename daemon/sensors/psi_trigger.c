/* psi_trigger.c - opening what is watched. A file that is none of the kernel's is never written to. */
#include "daemon/sensors/psi_trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/base/cleanup.h"

/* 150 ms of stall: 7 to 15 % of the time, which a box that does well never shows. */
static const struct trigger {
        const char *text, *words;
} triggers[] = {
        { "some 150000 1000000", "trigger some 150 ms of 1 s" },
        { "some 150000 2000000", "trigger some 150 ms of 2 s" },
};

/* --- parsing --- */

static int sextet(char c) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c ? strchr(alphabet, c) : NULL;
        return at ? (int) (at - alphabet) : -1;
}

/* RFC 4648, with its padding. False: it is none, or too long. */
static bool decode(const char *text, unsigned char bytes[WATCH_WRITE_MAX], size_t *ret_count) {
        size_t length = strlen(text), count = 0;
        size_t padding = length >= 2 && text[length - 1] == '=' ? 1u + (text[length - 2] == '=') : 0;
        if (length % 4 != 0 || length / 4 * 3 > WATCH_WRITE_MAX)
                return false;
        for (size_t i = 0; i < length; i += 4) {
                unsigned bits = 0;
                size_t missing = i + 4 == length ? padding : 0;
                for (size_t j = 0; j < 4; j++) {
                        int value = j < 4 - missing ? sextet(text[i + j]) : 0;
                        if (value < 0)
                                return false;
                        bits = bits << 6 | (unsigned) value;
                }
                for (size_t j = 0; j < 3 - missing; j++)
                        bytes[count++] = (unsigned char) (bits >> (16 - 8 * j));
        }
        *ret_count = count;
        return true;
}

struct pressure_watch pressure_watch_parse(const char *watch, const char *write) {
        struct pressure_watch w = { 0 };
        if (!watch || !*watch)
                return w;
        if (strcmp(watch, "/dev/null") == 0) {
                w.is_off = true;
                return w;
        }
        if (*watch != '/' || strlen(watch) >= sizeof(w.path))
                w.problem = "MEMORY_PRESSURE_WATCH is no absolute path";
        else if (write && !decode(write, w.bytes, &w.bytes_count))
                w.problem = "MEMORY_PRESSURE_WRITE is not base64";
        else
                (void) strcpy(w.path, watch);
        w.is_set = !w.problem;
        return w;
}

/* --- opening --- */

static bool is_kernels(int fd) {
        struct statfs system;
        return fstatfs(fd, &system) == 0 && (system.f_type == PROC_SUPER_MAGIC || system.f_type == CGROUP2_SUPER_MAGIC);
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strcpy(address.sun_path, path);
        auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

static int write_all(int fd, const void *bytes, size_t count) {
        if (count == 0)
                return 0;
        ssize_t written = write(fd, bytes, count);
        return written < 0 ? -errno : (size_t) written < count ? -EIO : 0;
}

int pressure_watch_open(const struct pressure_watch *w, bool *ret_is_stream) {
        struct stat file;
        if (stat(w->path, &file) < 0)
                return -errno;
        bool is_file = S_ISREG(file.st_mode);
        if (!is_file && !S_ISFIFO(file.st_mode) && !S_ISSOCK(file.st_mode))
                return -ENOTTY;
        /* A FIFO is opened for writing too: it then never ends when its last writer leaves. */
        auto_close int fd = S_ISSOCK(file.st_mode) ? connect_to(w->path) : open(w->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return S_ISSOCK(file.st_mode) ? fd : -errno;
        if (is_file && !is_kernels(fd))
                return -ENOTTY;
        /* Into a FIFO as well, as the protocol has it; should we read it ourselves, that is one look too many. */
        int r = write_all(fd, w->bytes, w->bytes_count);
        if (r < 0)
                return r;
        *ret_is_stream = !is_file;
        return take_fd(&fd);
}

int pressure_trigger_open(const char *path, const char **ret_words) {
        auto_close int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (!is_kernels(fd))
                return -ENOTTY;
        int r = -EINVAL;
        for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]) && r < 0; i++) {
                /* With its end: the kernel takes the last byte for it. */
                r = write_all(fd, triggers[i].text, strlen(triggers[i].text) + 1);
                *ret_words = triggers[i].words;
        }
        return r < 0 ? r : take_fd(&fd);
}
