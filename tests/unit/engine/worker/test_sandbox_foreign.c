/*
 * test_sandbox_foreign.c - a locked-in process reaches for what is not its own: every call that the filter allows, with a
 * process, a descriptor, a path and an address of others in each argument, and some that need more care. What each got is printed;
 * whoever it was tried on must be as before. A call that is not allowed is refused by its number.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka.h needs the ones above to be first */
#include <cmocka.h>

/* The source itself: its table is what is tried. */
#include "engine/worker/sandbox.c"

#define CALLS_END 512 /* numbers of system calls end below it */
#define ALLOWED   (sizeof(allowed) / sizeof(allowed[0]))

/* Those of others: a process, a number that is no descriptor here, a file, a socket that listens, and its address. */
static struct {
        pid_t process;
        int fd;
        char path[64];
        int socket;
        struct sockaddr_un address;
} other;

static int own_socket[2];

/* What a try got, in memory that it shares with us. */
static struct got {
        long result;
        int error;
        bool returned;
} * got;

/* ---- what the others are like ---- */

struct state {
        cpu_set_t cpus;
        int policy, nice;
        struct rlimit files;
        struct stat file;
        bool alive;
};

static struct state look(void) {
        struct state s = { .policy = sched_getscheduler(other.process), .nice = getpriority(PRIO_PROCESS, (id_t) other.process) };
        assert_int_equal(sched_getaffinity(other.process, sizeof(s.cpus), &s.cpus), 0);
        assert_int_equal(prlimit(other.process, RLIMIT_NOFILE, NULL, &s.files), 0);
        assert_int_equal(stat(other.path, &s.file), 0);
        s.alive = waitpid(other.process, NULL, WNOHANG) == 0;
        return s;
}

static void expect_unchanged(const struct state *before) {
        char bytes[16];
        struct state now = look();
        assert_true(now.alive);
        assert_memory_equal(&now, before, sizeof(now));
        assert_int_equal(recv(other.socket, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
}

/* ---- one try ---- */

struct arguments {
        long a[6];
};

static void try(int call, const struct arguments *with) {
        struct sandbox_report report;
        if (sandbox_enter(&report) < 0 || !report.seccomp)
                _exit(1);
        const long *a = with->a;
        got->result = syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]);
        got->error = errno;
        got->returned = true;
        _exit(0);
}

/* Says in TEXT what came of it. */
static void try_apart(int call, const struct arguments *with, char text[static 32]) {
        *got = (struct got){ 0 };
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void) alarm(1); /* a call that waits has got nothing; the alarm ends it */
                try(call, with);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (got->returned)
                (void) snprintf(text, 32, "%s", got->result >= 0 ? "done" : strerrorname_np(got->error));
        else
                (void) snprintf(text, 32, "%s", WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "waits" : "ends itself");
}

/* ---- every allowed call ---- */

/* These are done whatever they are given, and why nothing of others is in it. Any other that is done has got something. */
static const struct {
        int call;
        const char *because;
} harmless[] = {
        { SCMP_SYS(brk), "where our own memory ends" },
        { SCMP_SYS(gettid), "our own number" },
        { SCMP_SYS(getpid), "our own number" },
        { SCMP_SYS(sched_yield), "one turn less for us" },
        { SCMP_SYS(time), "what time it is" },
        { SCMP_SYS(gettimeofday), "what time it is" },
        { SCMP_SYS(sysinfo), "what the machine has, and nobody's name" },
};

static const char *why_harmless(int call) {
        for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
                if (harmless[i].call == call)
                        return harmless[i].because;
        return NULL;
}

static void expect_nothing_gained(int call, const char *result) {
        if (strcmp(result, "done") || why_harmless(call))
                return;
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
        fail_msg("%s was done with what is not ours", name);
}

static void try_everywhere(int call) {
        const long of_others[] = { other.process, other.fd, (long) other.path, (long) &other.address };
        char results[4][32];
        for (size_t i = 0; i < 4; i++) {
                struct arguments all;
                for (size_t k = 0; k < 6; k++)
                        all.a[k] = of_others[i];
                try_apart(call, &all, results[i]);
                expect_nothing_gained(call, results[i]);
        }
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
        const char *because = why_harmless(call);
        print_message("  %-18s process %-12s descriptor %-12s path %-12s address %-12s%s%s\n", name, results[0], results[1],
                      results[2], results[3], because ? "  " : "", because ? because : "");
        free(name);
}

static void skip_without_a_filter(void) {
        struct arguments none = { 0 };
        char result[32];
        try_apart(SCMP_SYS(getpid), &none, result);
        if (!strcmp(result, "done"))
                return;
        print_message("SKIP: no seccomp here (the kernel lacks it, or a sanitizer is in use)\n");
        skip();
}

static void test_every_allowed_call(void **state) {
        (void) state;
        skip_without_a_filter();
        struct state before = look();
        for (size_t i = 0; i < ALLOWED; i++)
                if (allowed[i].call >= 0 && (i == 0 || allowed[i].call != allowed[i - 1].call))
                        try_everywhere(allowed[i].call);
        try_everywhere(SCMP_SYS(tgkill));
        expect_unchanged(&before);
}

/* ---- those that need their other arguments to be right ---- */

static char room[256] __attribute__((aligned(16)));
static cpu_set_t one_cpu;
static uint32_t word;
static struct timespec brief = { .tv_nsec = 1 };

/* An address in a message lies in memory, where the filter cannot see it: sendmsg is not allowed at all. */
static struct iovec text = { room, 1 };
static struct msghdr message = {
        .msg_name = &other.address, .msg_namelen = sizeof(other.address), .msg_iov = &text, .msg_iovlen = 1
};

#define CPU_CLOCK_OF(process) ((~(long) (process) << 3) | 2) /* clock_getcpuclockid() */

static void expect_denied(const char *what, int call, struct arguments with) {
        char result[32];
        try_apart(call, &with, result);
        print_message("  %-56s %s\n", what, result);
        assert_string_equal(result, "EPERM");
}

static void test_calls_that_name_others(void **state) {
        (void) state;
        skip_without_a_filter();
        struct state before = look();
        long pid = other.process, to = (long) &other.address, length = sizeof(other.address);
        expect_denied("the processors of another, set", SCMP_SYS(sched_setaffinity),
                      (struct arguments){ { pid, sizeof(one_cpu), (long) &one_cpu } });
        expect_denied("the processors of another, read", SCMP_SYS(sched_getaffinity),
                      (struct arguments){ { pid, sizeof(one_cpu), (long) &one_cpu } });
        expect_denied("the scheduling of another", SCMP_SYS(sched_getscheduler), (struct arguments){ { pid } });
        expect_denied("the parameters of another", SCMP_SYS(sched_getparam), (struct arguments){ { pid, (long) room } });
        expect_denied("the limits of another, read", SCMP_SYS(prlimit64),
                      (struct arguments){ { pid, RLIMIT_NOFILE, 0, (long) room } });
        expect_denied("the limits of another, set", SCMP_SYS(prlimit64),
                      (struct arguments){ { pid, RLIMIT_NOFILE, (long) room, 0 } });
        expect_denied("what another has computed", SCMP_SYS(clock_gettime),
                      (struct arguments){ { CPU_CLOCK_OF(pid), (long) room } });
        expect_denied("whether another exists, by its clock", SCMP_SYS(clock_getres),
                      (struct arguments){ { CPU_CLOCK_OF(pid), (long) room } });
        expect_denied("sleep until another has computed", SCMP_SYS(clock_nanosleep),
                      (struct arguments){ { CPU_CLOCK_OF(pid), 0, (long) &brief } });
        word = (uint32_t) pid; /* its holder, it says */
        expect_denied("priority for another", SCMP_SYS(futex),
                      (struct arguments){ { (long) &word, FUTEX_LOCK_PI, 0, (long) &brief } });
        expect_denied("whether another exists, by a lock", SCMP_SYS(futex),
                      (struct arguments){ { (long) &word, FUTEX_TRYLOCK_PI } });
        expect_denied("a signal to another", SCMP_SYS(tgkill), (struct arguments){ { pid, pid, SIGTERM } });
        expect_denied("what a path is", SCMP_SYS(newfstatat),
                      (struct arguments){ { AT_FDCWD, (long) other.path, (long) room, 0 } });
        expect_denied("what a path is, without need of one", SCMP_SYS(newfstatat),
                      (struct arguments){ { AT_FDCWD, (long) other.path, (long) room, AT_EMPTY_PATH } });
        expect_denied("what a path is, by statx", SCMP_SYS(statx),
                      (struct arguments){ { AT_FDCWD, (long) other.path, 0, 0x7ff, (long) room } });
        expect_denied("bytes to an address", SCMP_SYS(sendto),
                      (struct arguments){ { own_socket[0], (long) room, 1, 0, to, length } });
        expect_denied("a message to an address", SCMP_SYS(sendmsg), (struct arguments){ { own_socket[0], (long) &message, 0 } });
        expect_denied("a child instead of a thread", SCMP_SYS(clone), (struct arguments){ { SIGCHLD } });
        expect_denied("a thread with a namespace of its own", SCMP_SYS(clone),
                      (struct arguments){ { THREAD_FLAGS | CLONE_NEWUSER } });
        expect_unchanged(&before);
}

/* ---- every other call ---- */

/* These go round any filter, since the kernel itself puts them where a probe is: without a probe they are SIGILL. */
#define UPROBES_FIRST 335
#define UPROBES_LAST  336

static bool refused(int call) {
        bool is_probe = seccomp_arch_native() == SCMP_ARCH_X86_64 && call >= UPROBES_FIRST && call <= UPROBES_LAST;
        return is_probe || (syscall(call, 0, 0, 0, 0, 0, 0) == -1 && errno == (call == SYS_clone3 ? ENOSYS : EPERM));
}

static void try_all_numbers(void) {
        struct sandbox_report report;
        bool may[CALLS_END] = { false };
        for (size_t i = 0; i < ALLOWED; i++)
                if (allowed[i].call >= 0) /* the architecture has it */
                        may[allowed[i].call] = true;
        may[SYS_tgkill] = true;
        if (sandbox_enter(&report) < 0)
                _exit(1);
        for (int call = 0; call < CALLS_END; call++) {
                got->result = call;
                if (!may[call] && !refused(call))
                        _exit(2);
        }
        _exit(0);
}

static void test_every_other_call(void **state) {
        (void) state;
        skip_without_a_filter();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                try_all_numbers();
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status)
                fail_msg("system call %ld is not refused", got->result);
}

/* ---- root's power ---- */

/* The value of NAME in /proc/self/status, read through a descriptor from before. */
static unsigned long long status_of(int fd, const char *name) {
        static char status[8192];
        ssize_t n = pread(fd, status, sizeof(status) - 1, 0);
        status[n > 0 ? n : 0] = '\0';
        const char *line = strstr(status, name);
        return line ? strtoull(line + strlen(name), NULL, 16) : ~0ull;
}

static void test_no_capability_is_kept(void **state) {
        (void) state;
        skip_without_a_filter();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct sandbox_report report;
                int fd = open("/proc/self/status", O_RDONLY);
                bool bounded = geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) == 1;
                if (fd < 0 || sandbox_enter(&report) < 0)
                        _exit(1);
                bool none = !status_of(fd, "CapInh:") && !status_of(fd, "CapPrm:") && !status_of(fd, "CapEff:") &&
                            !status_of(fd, "CapAmb:") && (!bounded || !status_of(fd, "CapBnd:"));
                _exit(none && status_of(fd, "NoNewPrivs:") == 1 ? 0 : 2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

/* As under the daemon's unit: an account without rights, and capset() forbidden. */
static int forbid_capset(void) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r = filter ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(capset), 0) : -ENOMEM;

        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}

static void test_nothing_to_give_up(void **state) {
        (void) state;
        skip_without_a_filter();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct sandbox_report report;
                if ((geteuid() == 0 && setuid(65534) < 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || forbid_capset() < 0)
                        _exit(1);
                _exit(sandbox_enter(&report) == 0 ? 0 : 2);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

/* ---- the others ---- */

static pid_t start_other(void) {
        pid_t child = fork();
        if (child == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void) pause();
        }
        return child;
}

static int make_file(void) {
        (void) snprintf(other.path, sizeof(other.path), "/tmp/headroom-foreign-XXXXXX");
        int fd = mkstemp(other.path);
        return fd < 0 || close(fd) < 0 ? -1 : 0;
}

/* Abstract, so that nothing is left behind. */
static int make_listener(void) {
        other.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        other.address.sun_family = AF_UNIX;
        (void) snprintf(other.address.sun_path + 1, sizeof(other.address.sun_path) - 1, "headroom-foreign-%d", (int) getpid());
        return other.socket < 0 || bind(other.socket, (struct sockaddr *) &other.address, sizeof(other.address)) < 0 ? -1 : 0;
}

static int make_others(void **state) {
        (void) state;
        got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CPU_SET(0, &one_cpu);
        other.process = start_other();
        other.fd = 1000; /* a number that nothing here has */
        return got == MAP_FAILED || other.process < 0 || make_file() < 0 || make_listener() < 0 ||
               socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, own_socket) < 0;
}

static int end_others(void **state) {
        (void) state;
        (void) kill(other.process, SIGKILL);
        (void) waitpid(other.process, NULL, 0);
        return unlink(other.path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_allowed_call),
                cmocka_unit_test(test_calls_that_name_others),
                cmocka_unit_test(test_every_other_call),
                cmocka_unit_test(test_no_capability_is_kept),
                cmocka_unit_test(test_nothing_to_give_up),
        };
        return cmocka_run_group_tests(tests, make_others, end_others);
}
