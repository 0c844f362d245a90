/*
 * sandbox.c - see sandbox.h.
 *
 * A denied call fails with EPERM instead of killing the process. Libraries try things they can do without (a locale, /proc, a
 * file of limits) and such an attempt must not end twenty running answers; an attacker who has taken the process over gains
 * nothing from an error code. The list below holds what the engine, the C library and pthreads need on Linux 5.4 to 6.x with
 * glibc; it names rules, not hopes: a call that takes a path or makes a descriptor to the outside is not on it, and what names
 * a process is compared. tests/unit/engine/worker/test_sandbox_foreign.c tries each of them with what is not ours.
 */
#include "engine/worker/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

/* ---- capabilities, by system call: no library for three of them ---- */

#define SECURE_BITS (SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_CAP_AMBIENT_RAISE)
#define SECURE_LOCKS \
        (SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* Rights that only the superuser's process has to begin with; another's may not ask for them to go, and need not. */
static void bounds_drop(void) {
        for (unsigned long c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
                if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
                        return;
        /* Its number gives nothing back either, and none of this is loosened again. */
        (void) prctl(PR_SET_SECUREBITS, SECURE_BITS | SECURE_LOCKS, 0, 0, 0);
}

static bool holds_capabilities(void) {
        struct __user_cap_header_struct own = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3];
        uint32_t any = 0;

        if (syscall(SYS_capget, &own, held) < 0)
                return true;
        for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
                any |= held[i].effective | held[i].permitted | held[i].inheritable;
        return any != 0;
}

/* Being root is the number of an account, then, and no power. A unit may forbid capset() to who holds nothing to give up. */
static int capabilities_drop(void) {
        struct __user_cap_header_struct own = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* Linux 4.3; capset() below empties it, too */
        bounds_drop();
        return holds_capabilities() && syscall(SYS_capset, &own, none) < 0 ? -errno : 0;
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

struct rule {
        int call;
        unsigned arguments_count;
        struct scmp_arg_cmp arguments[2]; /* SCMP_A0..5: argument, comparison, mask or value, value */
};

#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)
#define NAMESPACE_FLAGS \
        (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS)

/* clang-format off */
#define ANY(call) { SCMP_SYS(call), 0, { { 0 } } }
#define FUTEX(does) \
        { SCMP_SYS(futex), 1, { { 1, SCMP_CMP_MASKED_EQ, ~(scmp_datum_t) (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), does } } }
/* A clock by its number. Negative ones name a process or a descriptor: they would tell what another process computes. */
#define CLOCK(call, at) { SCMP_SYS(call), 1, { { at, SCMP_CMP_LE, CLOCK_TAI, 0 } } }
/* Ourselves by the number 0: any other number may be another process. */
#define OWN(call) { SCMP_SYS(call), 1, { { 0, SCMP_CMP_EQ, 0, 0 } } }

/*
 * What is allowed. A call is here because something needs it; where an argument names a process, a path or an address, it is
 * compared. A pointer cannot be followed, so a call that takes a path by one is not here, not even fstat() as newer C libraries
 * spell it (newfstatat): file_status() makes the older call.
 */
static const struct rule allowed[] = {
        /* Memory: never executable, so injected code stays data. */
        ANY(brk), ANY(madvise), ANY(mremap), ANY(munmap),
        { SCMP_SYS(mmap), 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
        { SCMP_SYS(mprotect), 1, { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
        /* Threads, not processes. Futexes that inherit priority name a thread, by a number in memory: those are not here. */
        { SCMP_SYS(clone), 1, { { 0, SCMP_CMP_MASKED_EQ, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS } } },
        FUTEX(FUTEX_WAIT), FUTEX(FUTEX_WAKE), FUTEX(FUTEX_REQUEUE), FUTEX(FUTEX_CMP_REQUEUE), FUTEX(FUTEX_WAKE_OP),
        FUTEX(FUTEX_WAIT_BITSET), FUTEX(FUTEX_WAKE_BITSET),
        ANY(exit), ANY(gettid), ANY(rseq), ANY(sched_yield), ANY(set_robust_list), OWN(sched_getaffinity),
        /* Signals of our own. */
        ANY(restart_syscall), ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(sigaltstack),
        /* Descriptors that are open already. */
        ANY(close), ANY(fadvise64), ANY(fallocate), ANY(fdatasync), ANY(fstat), ANY(lseek), ANY(poll), ANY(ppoll), ANY(pread64),
        ANY(pwrite64), ANY(read), ANY(recvmsg), ANY(write), ANY(writev),
        { SCMP_SYS(recvfrom), 1, { { 4, SCMP_CMP_EQ, 0, 0 } } }, /* recv() */
        { SCMP_SYS(sendto), 1, { { 4, SCMP_CMP_EQ, 0, 0 } } },   /* send(): to the peer, to no address */
        /* Time. */
        CLOCK(clock_getres, 0), CLOCK(clock_gettime, 0), CLOCK(clock_nanosleep, 0), ANY(gettimeofday), ANY(nanosleep), ANY(time),
        /* What the C library asks of its own process, and the end. */
        ANY(exit_group), ANY(getpid), ANY(getrandom), ANY(sysinfo),
        { SCMP_SYS(prlimit64), 2, { { 0, SCMP_CMP_EQ, 0, 0 }, { 2, SCMP_CMP_EQ, 0, 0 } } }, /* getrlimit() */
};
/* clang-format on */

static int filter_fill(scmp_filter_ctx filter) {
        int r = 0;
        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && r == 0; i++)
                r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed[i].call, allowed[i].arguments_count,
                                           allowed[i].arguments);
        /* The flags of clone3 lie in memory, where a filter cannot see them: ENOSYS makes the C library use clone. */
        if (r == 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
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
        int r = capabilities_drop();
        if (r < 0)
                return r;
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
