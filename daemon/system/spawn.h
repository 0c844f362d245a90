/*
 * spawn.h - fork + exec of one process, which is in its control group before it takes any memory of its own.
 *
 * uv_spawn cannot do that: here the child itself enters its group between fork and exec, when all it has are our pages.
 * Every signal is as at birth in it, it leads a session of its own, and of our descriptors it has exactly those named.
 *
 * Not by clone3(CLONE_INTO_CGROUP): systemd answers ENOSYS to clone3 where name spaces are restricted, as our unit does,
 * and so does Docker; and Linux 6.18 kills, before its first instruction, what is cloned into a group that was killed
 * before. What is left to gain is a fifth of a millisecond.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_SPAWN_H
#define HEADROOM_DAEMON_SYSTEM_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

struct spawn {
        const char *path;             /* searched in PATH when it has no slash */
        const char *const *arguments; /* NULL at the end */
        char *const *environment;     /* NULL at the end */
        const int *fds;               /* become 0, 1, 2, ...; -1: closed there. Stay the caller's */
        uint32_t fds_count;
        int cgroup_fd; /* directory of a control group; -1 or 0: ours */
};

struct spawned {
        pid_t pid;
        int pidfd; /* the caller's to close; readable when the process has ended */
};

/*
 * 0 when the program runs; -errno, also of what failed in the child (entering the group, exec), and nothing runs. The
 * caller is held until exec, which waits for the disk that PATH is on, no longer.
 */
int spawn_start(const struct spawn *s, struct spawned *ret);
/* 0 and the exit, once: the process is reaped with it, and what is left of its group is killed. -EAGAIN while it runs. -ECHILD: somebody else reaped it. */
int spawn_reap(const struct spawned *s, int64_t *ret_status, int *ret_signal);

#endif
