/*
 * spawn.c - fork, what happens in the child until exec, and what the child says when it does not get there.
 *
 * Between fork and exec a child of a threaded process may only make system calls, so everything it needs lies ready
 * before. It reports by a pipe that exec closes: nothing read from it means that the program runs.
 */
#include "daemon/system/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/cleanup.h"

#define EXIT_NOT_STARTED 127 /* the shell's number for it; nobody sees it, the report comes first */

/* --- in the child --- */

static _Noreturn void fail(int report) {
        int error = errno;
        (void) !write(report, &error, sizeof(error));
        _exit(EXIT_NOT_STARTED);
}

/* A handler of ours makes no sense in another program, nor does what we ignore. Numbers that glibc keeps are refused: fine. */
static void reset_signals(void) {
        struct sigaction standard = { .sa_handler = SIG_DFL };
        sigset_t none;
        for (int s = 1; s < NSIG; s++)
                (void) sigaction(s, &standard, NULL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

static void enter(int cgroup_fd, int report) {
        int procs = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (procs < 0 || write(procs, "0", 1) != 1)
                fail(report);
        (void) close(procs);
}

/* First out of the way of the numbers that are wanted, then to them: no order of theirs can overwrite one still needed. */
static void place_fds(const struct spawn *s, int *moved, int report) {
        for (uint32_t i = 0; i < s->fds_count; i++) {
                moved[i] = s->fds[i] < 0 ? -1 : fcntl(s->fds[i], F_DUPFD_CLOEXEC, (int) s->fds_count);
                if (s->fds[i] >= 0 && moved[i] < 0)
                        fail(report);
        }
        for (uint32_t i = 0; i < s->fds_count; i++) {
                if (moved[i] < 0)
                        (void) close((int) i);
                else if (dup2(moved[i], (int) i) < 0)
                        fail(report);
        }
        /*
         * Our own descriptors are closed by exec anyhow; this is for those left open by the program that started us. Linux 5.11.
         */
        (void) close_range(s->fds_count, ~0u, CLOSE_RANGE_CLOEXEC);
}

static _Noreturn void run_child(const struct spawn *s, int *moved, int report) {
        (void) setsid();
        int at = fcntl(report, F_DUPFD_CLOEXEC, (int) s->fds_count);
        if (at < 0)
                fail(report);
        if (s->cgroup_fd > 0)
                enter(s->cgroup_fd, at);
        place_fds(s, moved, at);
        reset_signals();
        (void) execvpe(s->path, (char *const *) s->arguments, s->environment);
        fail(at);
}

/* --- in the parent --- */

static void reap(pid_t pid) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

/* 0: the other end is closed and said nothing. */
static int read_report(int fd) {
        int error;
        ssize_t n;
        do
                n = read(fd, &error, sizeof(error));
        while (n < 0 && errno == EINTR);
        return n == (ssize_t) sizeof(error) ? -error : n < 0 ? -errno : 0;
}

/* SIGCHLD may be ignored, as inherited from the program that started us; then an exit could not be waited for. */
static void want_exits(void) {
        struct sigaction current;
        if (sigaction(SIGCHLD, NULL, &current) == 0 && current.sa_handler == SIG_IGN)
                (void) signal(SIGCHLD, SIG_DFL);
}

static int start(const struct spawn *s, int *moved, int report[2], struct spawned *ret) {
        auto_close int read_end = report[0];
        auto_close int write_end = report[1];
        auto_close int pidfd = -1;
        sigset_t all, before;
        want_exits();
        (void) sigfillset(&all);
        /* No handler of ours may run in the child. */
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        pid_t pid = _Fork(); /* no handlers of threads: the child only makes system calls */
        int r = pid < 0 ? -errno : 0;
        if (pid == 0)
                run_child(s, moved, write_end);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                return r;
        (void) close(take_fd(&write_end));
        pidfd = pidfd_open(pid, 0);
        r = pidfd < 0 ? -errno : read_report(read_end);
        if (r < 0) {
                (void) kill(pid, SIGKILL);
                reap(pid);
                return r;
        }
        *ret = (struct spawned){ pid, take_fd(&pidfd) };
        return 0;
}

int spawn_start(const struct spawn *s, struct spawned *ret) {
        int report[2];
        int *moved = calloc(s->fds_count > 0 ? s->fds_count : 1, sizeof(*moved));
        if (!moved)
                return -ENOMEM;
        int r = pipe2(report, O_CLOEXEC) < 0 ? -errno : start(s, moved, report, ret);
        free(moved);
        return r;
}

int spawn_reap(const struct spawned *s, int64_t *ret_status, int *ret_signal) {
        siginfo_t info = { 0 };
        if (waitid(P_PIDFD, (id_t) s->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
                return -errno;
        if (info.si_pid == 0)
                return -EAGAIN;
        (void) kill(-s->pid,
                    SIGKILL); /* what it started and left behind; as long as it is not reaped its number is nobody else's */
        if (waitid(P_PIDFD, (id_t) s->pidfd, &info, WEXITED | WNOHANG) < 0)
                return -errno;
        bool by_itself = info.si_code == CLD_EXITED;
        *ret_status = by_itself ? info.si_status : 0;
        *ret_signal = by_itself ? 0 : info.si_status;
        return 0;
}
