/*
 * mlock.c - mlockall and oom_score_adj.
 *
 * MCL_ONFAULT matters: without it MCL_FUTURE brings in every page of every mapping to come, and each thread of libuv's pool
 * alone maps a stack of 8 MiB. So where the kernel lacks it (before 4.4) only what is there now is locked. And MCL_FUTURE
 * under a limit would make a later mmap, and with it malloc, fail: a finite RLIMIT_MEMLOCK forbids it.
 */
#include "daemon/system/mlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/base/proc_file.h"
#include "engine/base/cleanup.h"

static bool has_capability(unsigned capability) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
        if (syscall(SYS_capget, &header, data) != 0)
                return false;
        return data[capability / 32].effective >> capability % 32 & 1;
}

static bool has_unlimited_locks(void) {
        struct rlimit limit;
        if (has_capability(CAP_IPC_LOCK))
                return true;
        if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
                return false;
        limit.rlim_cur = limit.rlim_max;
        return limit.rlim_cur == RLIM_INFINITY && setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

/* Ours, and what an emergency calls: the loop and the C library. Others (systemd, compression) may be read again from disk. */
static bool is_vital(const char *path, const char *self) {
        static const char *const libraries[] = { "/libuv.so", "/libc.so", "/libcjson.so", "/ld-linux" };
        for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
                if (strstr(path, libraries[i]))
                        return true;
        return !strcmp(path, self);
}

/* Locked on fault means: once touched. Code that only an emergency runs would be read from a disk that is busy then. */
static void bring_in_code(void) {
        char line[PATH_MAX + 128], path[PATH_MAX], access[8], self[PATH_MAX] = "";
        unsigned long long start, end;
        FILE *maps = fopen("/proc/self/maps", "re");
        if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
                self[0] = '\0';
        while (maps && fgets(line, sizeof(line), maps)) {
                path[0] = '\0';
                if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %4095[^\n]", &start, &end, access, path) < 3 || access[0] != 'r' ||
                    access[1] == 'w' || !is_vital(path, self))
                        continue;
                (void) madvise((void *) (uintptr_t) start, (size_t) (end - start), MADV_POPULATE_READ); /* Linux 5.14 */
        }
        if (maps)
                (void) fclose(maps);
}

bool mlock_all(char *reterr, unsigned reterr_size) {
        if (!has_unlimited_locks()) {
                (void) snprintf(reterr, reterr_size, "RLIMIT_MEMLOCK is too small and CAP_IPC_LOCK is missing");
                return false;
        }
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) {
                bring_in_code();
                return true;
        }
        int error = errno;
        if (error == EINVAL && mlockall(MCL_CURRENT) == 0) {
                (void) snprintf(reterr, reterr_size, "this kernel has no MCL_ONFAULT, so only what is there now is locked");
                return false;
        }
        (void) snprintf(reterr, reterr_size, "mlockall: %s", strerror(error));
        return false;
}

bool mlock_oom_protect(void) {
        auto_close int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
        char text[16] = "";
        if (proc_file_read_once(fd, text, sizeof(text)) <= 0)
                return false;
        if (strtol(text, NULL, 10) <= OWN_OOM_SCORE)
                return true;
        int length = snprintf(text, sizeof(text), "%d\n", OWN_OOM_SCORE);
        return pwrite(fd, text, (size_t) length, 0) == length;
}
