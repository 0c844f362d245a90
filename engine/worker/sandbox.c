/*
 * sandbox.c - see sandbox.h.
 *
 * A denied call fails with EPERM instead of killing the process. Libraries try things they can do without (a locale, /proc, a
 * file of limits) and such an attempt must not end twenty running answers; an attacker who has taken the process over gains
 * nothing from an error code. The list below holds what the engine, the C library and pthreads need on Linux 5.4 to 6.x with
 * glibc; it names rules, not hopes: a call that takes a path or makes a descriptor to the outside is not on it.
 */
#include "engine/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h> /* a few instructions inline, nothing to link */
#else
#define RUNNING_ON_VALGRIND 0
#endif

#ifndef COUNTING_COVERAGE /* `make coverage` defines it: the compiler has no macro that tells */
#define COUNTING_COVERAGE 0
#endif

/* Tools that live inside the process they watch open files, trace and make code: with them it cannot be locked in. */
static const char *watching_tool(void) {
        if (SANITIZED)
                return "built with a sanitizer";
        if (COUNTING_COVERAGE)
                return "built to count coverage";
        if (RUNNING_ON_VALGRIND)
                return "running on valgrind";
        return NULL;
}

/* ---- Landlock, by system call: the C library has no wrappers, and build machines have older headers than kernels ---- */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* one number on all architectures */
#define SYS_landlock_restrict_self  446
#endif

#define LANDLOCK_VERSION_QUERY 1u

/* include/uapi/linux/landlock.h; members were added with ABI 4 and 6. */
struct landlock_rules {
        uint64_t files;
        uint64_t network;
        uint64_t scopes;
};

/* The rights that each ABI can deny: all of them are denied, since no rule grants anything. */
static struct landlock_rules landlock_rules_of(int abi) {
        uint64_t files = (UINT64_C(1) << 13) - 1; /* execute, read, write, list, remove, make ... */
        if (abi >= 2)
                files |= UINT64_C(1) << 13; /* move or link between directories */
        if (abi >= 3)
                files |= UINT64_C(1) << 14; /* truncate */
        if (abi >= 5)
                files |= UINT64_C(1) << 15; /* ioctl on devices */
        return (struct landlock_rules){
                .files = files,
                .network = abi >= 4 ? 3 : 0, /* bind and connect TCP */
                .scopes = abi >= 6 ? 3 : 0,  /* abstract unix sockets and signals outside */
        };
}

static int landlock_enter(int *ret_abi) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_QUERY);
        if (abi < 0)
                return -errno;
        struct landlock_rules rules = landlock_rules_of((int) abi);
        size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
        int fd = (int) syscall(SYS_landlock_create_ruleset, &rules, size, 0);
        if (fd < 0)
                return -errno;
        int r = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
        (void) close(fd);
        if (r == 0)
                *ret_abi = (int) abi;
        return r;
}

/* ---- seccomp ---- */

/* clang-format off */
/* Allowed whatever their arguments. */
static const int allowed[] = {
        /* memory */
        SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(mremap),
        SCMP_SYS(munlock), SCMP_SYS(munmap), SCMP_SYS(membarrier),
        /* threads; clone has a rule of its own */
        SCMP_SYS(exit), SCMP_SYS(futex), SCMP_SYS(getcpu), SCMP_SYS(gettid), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity),
        SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_yield),
        SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address),
        /* signals to ourselves */
        SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
        /* descriptors that are already open */
        SCMP_SYS(close), SCMP_SYS(fadvise64), SCMP_SYS(fallocate), SCMP_SYS(fdatasync), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(poll), SCMP_SYS(ppoll),
        SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(pselect6), SCMP_SYS(pwrite64), SCMP_SYS(read), SCMP_SYS(readahead), SCMP_SYS(readv),
        SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(select), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(shutdown),
        SCMP_SYS(write), SCMP_SYS(writev),
        /* waiting on them, and on time */
        SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(epoll_create1),
        SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait), SCMP_SYS(eventfd2),
        SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(time), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_gettime),
        SCMP_SYS(timerfd_settime),
        /* our own identity, and the end */
        SCMP_SYS(exit_group), SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpid), SCMP_SYS(getppid),
        SCMP_SYS(getrandom), SCMP_SYS(getrusage), SCMP_SYS(getuid), SCMP_SYS(sysinfo), SCMP_SYS(times), SCMP_SYS(uname),
};
/* clang-format on */

struct rule {
        int call;
        uint32_t action;
        unsigned arguments_count;
        struct scmp_arg_cmp arguments[2];
};

#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)
#define NAMESPACE_FLAGS \
        (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS)

/* Allowed with these arguments alone. A comparison in SCMP_A0..5 order: argument, comparison, mask or value, value. */
static const struct rule rules[] = {
        /* Memory is never executable: injected code stays data. */
        { SCMP_SYS(mmap), SCMP_ACT_ALLOW, 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
        { SCMP_SYS(mprotect), SCMP_ACT_ALLOW, 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
        /* Threads, not processes. The flags of clone3 lie in memory where a filter cannot see them: ENOSYS makes the C library use clone. */
        { SCMP_SYS(clone), SCMP_ACT_ALLOW, 1, { { 0, SCMP_CMP_MASKED_EQ, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS } } },
        { SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS), 0, { { 0 } } },
        /* fstat() as newer C libraries spell it. */
        { SCMP_SYS(newfstatat), SCMP_ACT_ALLOW, 1, { { 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH } } },
        { SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, { { 1, SCMP_CMP_EQ, F_GETFL, 0 } } },
        { SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, { { 1, SCMP_CMP_EQ, F_SETFL, 0 } } },
        { SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, { { 1, SCMP_CMP_EQ, F_GETFD, 0 } } },
        { SCMP_SYS(fcntl), SCMP_ACT_ALLOW, 1, { { 1, SCMP_CMP_EQ, F_SETFD, 0 } } },
        { SCMP_SYS(ioctl), SCMP_ACT_ALLOW, 1, { { 1, SCMP_CMP_EQ, TCGETS, 0 } } }, /* isatty() */
        { SCMP_SYS(prctl), SCMP_ACT_ALLOW, 1, { { 0, SCMP_CMP_EQ, PR_SET_NAME, 0 } } },
        { SCMP_SYS(prctl), SCMP_ACT_ALLOW, 1, { { 0, SCMP_CMP_EQ, PR_GET_NAME, 0 } } },
        /* getrlimit() of ourselves. */
        { SCMP_SYS(prlimit64), SCMP_ACT_ALLOW, 2, { { 0, SCMP_CMP_EQ, 0, 0 }, { 2, SCMP_CMP_EQ, 0, 0 } } },
};

static int filter_fill(scmp_filter_ctx filter) {
        int r = 0;
        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && r == 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && r == 0; i++)
                r = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, rules[i].arguments_count, rules[i].arguments);
        /* raise() and abort(): to a thread of this process and no other. */
        struct scmp_arg_cmp own = { .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t) getpid() };
        if (r == 0)
                r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
        return r;
}

static int seccomp_enter(void) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return -ENOMEM;
        int r = filter_fill(filter);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}

int sandbox_enter(struct sandbox_report *ret) {
        struct sandbox_report report = { 0 };

        tzset(); /* reads the time zone's file: chat templates tell the date */
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        const char *tool = watching_tool();
        if (tool) {
                (void) snprintf(report.degraded, sizeof(report.degraded), "%s: neither Landlock nor seccomp is in force", tool);
                *ret = report;
                return 0;
        }
        int landlock = landlock_enter(&report.landlock_abi);
        int calls = seccomp_enter();
        if (calls < 0 && calls != -EINVAL && calls != -ENOSYS) /* these two: a kernel without it */
                return calls;
        report.seccomp = calls == 0;
        if (landlock < 0 || calls < 0)
                (void) snprintf(report.degraded, sizeof(report.degraded), "%s%s%s not in force: %s",
                                landlock < 0 ? "Landlock" : "", landlock < 0 && calls < 0 ? " and " : "",
                                calls < 0 ? "seccomp" : "", strerror(landlock < 0 ? -landlock : -calls));
        *ret = report;
        return 0;
}
