/* memory.c - /proc/meminfo, /proc/PID/smaps_rollup and oom_score_adj, each read or written in one go. */
#include "daemon/sensors/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"

int memory_read_text(const char *path, char text[MEMORY_TEXT_MAX]) {
        auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        size_t used = 0;
        while (used < MEMORY_TEXT_MAX - 1) {
                ssize_t count = read(fd, text + used, MEMORY_TEXT_MAX - 1 - used);
                if (count < 0 && errno == EINTR)
                        continue;
                if (count < 0)
                        return -errno;
                if (count == 0)
                        break;
                used += (size_t) count;
        }
        text[used] = '\0';
        return 0;
}

/* "Key:   123 kB" on a line of its own. */
static bool find_kilobytes(const char *text, const char *key, uint64_t *ret_bytes) {
        size_t length = strlen(key);
        for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
                if (strncmp(line, key, length) != 0 || line[length] != ':')
                        continue;
                char *end;
                errno = 0;
                unsigned long long kilobytes = strtoull(line + length + 1, &end, 10);
                if (errno != 0 || end == line + length + 1 || strncmp(end, " kB", 3) != 0 || kilobytes > UINT64_MAX >> 10)
                        return false;
                *ret_bytes = (uint64_t) kilobytes << 10;
                return true;
        }
        return false;
}

int memory_read(const char *proc, struct memory_seen *ret) {
        char path[PATH_MAX], text[MEMORY_TEXT_MAX];
        (void) snprintf(path, sizeof(path), "%s/meminfo", proc);
        int r = memory_read_text(path, text);
        if (r < 0)
                return r;
        struct memory_seen seen;
        if (!find_kilobytes(text, "MemTotal", &seen.total_bytes) ||
            !find_kilobytes(text, "MemAvailable", &seen.available_bytes) || seen.total_bytes == 0)
                return -EBADMSG;
        *ret = seen;
        return 0;
}

int memory_read_process(const char *proc, pid_t pid, struct process_memory *ret) {
        char path[PATH_MAX], text[MEMORY_TEXT_MAX];
        (void) snprintf(path, sizeof(path), "%s/%d/smaps_rollup", proc, (int) pid);
        int r = memory_read_text(path, text);
        if (r == -ENOENT)
                return -ESRCH;
        if (r < 0)
                return r;
        if (text[0] == '\0')
                return -ESRCH;
        struct process_memory m = { 0 };
        if (!find_kilobytes(text, "Pss", &m.pss_bytes) || !find_kilobytes(text, "SwapPss", &m.swap_bytes))
                return -EBADMSG;
        /* Since Linux 5.9; an older kernel does not tell files apart, which only makes the account more careful. */
        (void) find_kilobytes(text, "Pss_File", &m.file_bytes);
        (void) find_kilobytes(text, "Locked", &m.locked_bytes);
        *ret = m;
        return 0;
}

int memory_set_oom_score(const char *proc, pid_t pid, int score) {
        char path[PATH_MAX];
        (void) snprintf(path, sizeof(path), "%s/%d/oom_score_adj", proc, (int) pid);
        auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return dprintf(fd, "%d\n", score) < 0 ? -errno : 0;
}
