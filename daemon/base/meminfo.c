/* meminfo.c - /proc/meminfo, /proc/PID/smaps_rollup and oom_score_adj, each read or written in one go. */
#include "daemon/base/meminfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/cleanup.h"
#include "daemon/base/fields.h"
#include "daemon/base/proc_file.h"

int memory_parse(const char *text, struct memory_seen *ret) {
        struct field fields[] = {
                { .key = "MemTotal", .is_kilobytes = true },
                { .key = "MemAvailable", .is_kilobytes = true },
                { .key = "SwapTotal", .is_kilobytes = true },
                { .key = "SwapFree", .is_kilobytes = true },
        };
        fields_find(text, fields, 4);
        if (!fields[0].found || !fields[1].found || fields[0].value == 0)
                return -EBADMSG;
        *ret = (struct memory_seen){ .total_bytes = fields[0].value, .available_bytes = fields[1].value };
        /* A kernel without swap has neither line. */
        if (fields[2].found && fields[3].found) {
                ret->swap_total_bytes = fields[2].value;
                ret->swap_free_bytes = fields[3].value;
        }
        return 0;
}

int memory_read(const char *proc, struct memory_seen *ret) {
        char text[FILE_TEXT_MAX];
        int r = proc_file_read_at(proc, "/meminfo", text, sizeof(text));
        return r < 0 ? r : memory_parse(text, ret);
}

int memory_read_process(const char *proc, pid_t pid, struct process_memory *ret) {
        char name[32], text[FILE_TEXT_MAX];
        (void) snprintf(name, sizeof(name), "/%d/smaps_rollup", (int) pid);
        int r = proc_file_read_at(proc, name, text, sizeof(text));
        if (r == -ENOENT)
                return -ESRCH;
        if (r < 0)
                return r;
        if (text[0] == '\0')
                return -ESRCH;
        struct field fields[] = {
                { .key = "Pss", .is_kilobytes = true },
                { .key = "SwapPss", .is_kilobytes = true },
                { .key = "Pss_File", .is_kilobytes = true },
                { .key = "Locked", .is_kilobytes = true },
        };
        fields_find(text, fields, 4);
        if (!fields[0].found || !fields[1].found)
                return -EBADMSG;
        /* Pss_File since Linux 5.9; an older kernel does not tell files apart, which only makes the account more careful. */
        *ret = (struct process_memory){ .pss_bytes = fields[0].value,
                                        .swap_bytes = fields[1].value,
                                        .file_bytes = fields[2].found ? fields[2].value : 0,
                                        .locked_bytes = fields[3].found ? fields[3].value : 0 };
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
