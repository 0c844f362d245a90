/*
 * test_sandbox.c - what a locked-in process can still do, and what it cannot. Each case is a child of its own that
 * locks itself in; its exit status is the verdict.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
/* cmocka.h needs the ones above to be first */
#include <cmocka.h>

/* The source itself: its layers are tested one by one, too. */
#include "engine/worker/sandbox.c"

#include "engine/base/file_io.h"

static int pair[2]; /* an inherited socketpair, as the worker has */
static int files[2], file;

/* ---- what must work: true on success ---- */

static bool can_allocate(void) {
        for (size_t size = 16; size < (64u << 20); size *= 4) {
                char *bytes = malloc(size);
                if (!bytes)
                        return false;
                memset(bytes, 1, size);
                bytes = realloc(bytes, size * 2);
                free(bytes);
        }
        void *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return map != MAP_FAILED && !madvise(map, 1 << 20, MADV_DONTNEED) && !munmap(map, 1 << 20);
}

static void *add_one(void *count) {
        void *bytes = malloc(1000);
        free(bytes);
        __atomic_fetch_add((int *) count, 1, __ATOMIC_SEQ_CST);
        return NULL;
}

static bool can_start_threads(void) {
        pthread_t threads[8];
        int count = 0;
        for (int i = 0; i < 8; i++)
                if (pthread_create(&threads[i], NULL, add_one, &count))
                        return false;
        for (int i = 0; i < 8; i++)
                if (pthread_join(threads[i], NULL))
                        return false;
        return count == 8;
}

static bool can_talk(void) {
        char bytes[4] = "";
        return send(pair[0], "abc", 4, MSG_NOSIGNAL) == 4 && recv(pair[1], bytes, 4, 0) == 4 && !strcmp(bytes, "abc") &&
               write(pair[1], "abc", 4) == 4 && read(pair[0], bytes, 4) == 4;
}

union one_fd {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
};

/* As the daemon does it: an engine sends none. */
static bool send_file(void) {
        union one_fd control = { .head = {
                                         .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        struct iovec text = { (char[]){ "abc" }, 4 };
        struct msghdr message = {
                .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)
        };
        memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
        return sendmsg(files[0], &message, MSG_NOSIGNAL) == 4;
}

/* A descriptor has come over a socket, and is written, put on the disk, dropped from memory and read again. */
static bool can_use_a_file_that_comes(void) {
        char bytes[4] = "";
        union one_fd control = { 0 };
        struct iovec text = { bytes, sizeof(bytes) };
        struct msghdr message = {
                .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)
        };
        if (recvmsg(files[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 4 || !CMSG_FIRSTHDR(&message))
                return false;
        int fd;
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        return fd != file && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 && pwrite(fd, "xyz", 4, 5) == 4 &&
               fdatasync(fd) == 0 && posix_fadvise(fd, 0, 9, POSIX_FADV_DONTNEED) == 0 && pread(fd, bytes, 4, 5) == 4 &&
               !strcmp(bytes, "xyz") && file_status(fd, &(struct stat){ 0 }) == 0 && close(fd) == 0;
}

static bool can_wait(void) {
        struct pollfd p = { .fd = pair[0], .events = POLLOUT };
        struct timespec brief = { .tv_nsec = 1000 };
        return poll(&p, 1, 1000) == 1 && ppoll(&p, 1, &brief, NULL) == 1 && !nanosleep(&brief, NULL) &&
               !syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &brief) && !clock_gettime(CLOCK_THREAD_CPUTIME_ID, &brief);
}

static int compare_bytes(const void *a, const void *b) {
        return *(const char *) a - *(const char *) b;
}

static bool can_use_the_c_library(void) {
        char text[64], *big = calloc(1, 4 << 20);
        if (!big)
                return false;
        qsort(big, 4 << 20, 1, compare_bytes); /* asks how much memory there is */
        free(big);
        snprintf(text, sizeof(text), "%.17g", strtod("0.1", NULL));
        return sysconf(_SC_NPROCESSORS_ONLN) > 0 && isatty(pair[0]) == 0;
}

/* ---- what must fail: true when it succeeded or failed for another reason ---- */

static bool denied(long result) {
        return result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS);
}

static bool cannot_open(void) {
        return denied(open("/etc/passwd", O_RDONLY)) && denied(open("/dev/null", O_WRONLY)) &&
               denied(open("/proc/self/maps", O_RDONLY)) && denied(openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY)) &&
               fopen("/etc/hosts", "r") == NULL;
}

static bool cannot_change_files(void) {
        return denied(mkdir("/tmp/headroom-never", 0700)) && denied(unlink("/tmp/headroom-never")) &&
               denied(rename("/tmp/a", "/tmp/b")) && denied(chmod("/tmp", 0700)) && denied(symlink("a", "/tmp/headroom-never")) &&
               denied(truncate("/tmp/headroom-never", 0)) && denied(chdir("/"));
}

static bool cannot_reach_the_network(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
        int two[2];
        return denied(socket(AF_INET, SOCK_STREAM, 0)) && denied(socket(AF_UNIX, SOCK_STREAM, 0)) &&
               denied(socketpair(AF_UNIX, SOCK_STREAM, 0, two)) &&
               denied(connect(pair[0], (struct sockaddr *) &address, sizeof(address))) &&
               denied(bind(pair[0], (struct sockaddr *) &address, sizeof(address))) && denied(listen(pair[0], 1));
}

static bool cannot_start_programs(void) {
        char *arguments[] = { (char[]){ "true" }, NULL };
        return denied(fork()) && denied(execv("/bin/true", arguments)) &&
               denied(syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, NULL, 0)) &&
               denied(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) && denied(syscall(SYS_unshare, CLONE_NEWUSER)) &&
               system("true") != 0;
}

static bool cannot_touch_others(void) {
        return denied(kill(getppid(), 0)) && denied(kill(getpid(), 0)) && denied(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) &&
               denied(syscall(SYS_tgkill, getppid(), getppid(), 0)) &&
               denied(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static bool cannot_execute_data(void) {
        void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return map != MAP_FAILED && denied(mprotect(map, 4096, PROT_READ | PROT_EXEC)) &&
               mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static bool cannot_loosen_it(void) {
        return denied(syscall(SYS_seccomp, 0, 0, NULL)) && denied(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)) &&
               denied(prctl(PR_SET_SECCOMP, 0, 0, 0, 0)) && denied(setuid(0));
}

/* ---- running them ---- */

enum { LOCK_FAILED = 10, NOT_IN_FORCE, CHECK_FAILED };

static int status_in_child(bool (*check)(void), bool needs_filter) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct sandbox_report report;
                if (sandbox_enter(&report) < 0)
                        _exit(LOCK_FAILED);
                if (needs_filter && !report.seccomp)
                        _exit(NOT_IN_FORCE);
                _exit(check() ? 0 : CHECK_FAILED);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static void expect(bool (*check)(void), bool needs_filter) {
        int status = status_in_child(check, needs_filter);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_IN_FORCE) {
                print_message("SKIP: no seccomp here (the kernel lacks it, or a sanitizer is in use)\n");
                skip();
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define WORKS(check)                             \
        static void test_##check(void **state) { \
                (void) state;                    \
                expect(check, false);            \
        }
#define DENIED(check)                            \
        static void test_##check(void **state) { \
                (void) state;                    \
                expect(check, true);             \
        }
WORKS(can_allocate)
WORKS(can_start_threads)
WORKS(can_talk)
WORKS(can_wait)
WORKS(can_use_a_file_that_comes)
WORKS(can_use_the_c_library)
DENIED(cannot_open)
DENIED(cannot_change_files)
DENIED(cannot_reach_the_network)
DENIED(cannot_start_programs)
DENIED(cannot_touch_others)
DENIED(cannot_execute_data)
DENIED(cannot_loosen_it)

/* Landlock alone, as if there were no filter. */
static void test_landlock_denies_files(void **state) {
        (void) state;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                int abi = 0;
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(&abi) < 0)
                        _exit(NOT_IN_FORCE);
                _exit(cannot_open() ? 0 : CHECK_FAILED);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_IN_FORCE) {
                print_message("SKIP: this kernel has no Landlock\n");
                skip();
        }
        assert_int_equal(status, 0);
}

static bool aborts(void) {
        abort();
}

/* An assertion that fails must look like one, not like an error code. */
static void test_abort_is_a_signal(void **state) {
        (void) state;
        int status = status_in_child(aborts, false);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_report(void **state) {
        (void) state;
        int pipes[2];
        struct sandbox_report report;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(sandbox_enter(&report) == 0 && write(pipes[1], &report, sizeof(report)) == sizeof(report) ? 0 : 1);
        close(pipes[1]);
        assert_int_equal(read(pipes[0], &report, sizeof(report)), sizeof(report));
        close(pipes[0]);
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        print_message("landlock ABI %d, seccomp %s%s%s\n", report.landlock_abi, report.seccomp ? "yes" : "no",
                      report.degraded[0] ? ": " : "", report.degraded);
        assert_int_equal(report.degraded[0] != '\0', report.landlock_abi == 0 || !report.seccomp);
}

static int make_pair(void **state) {
        (void) state;
        FILE *f = tmpfile(); /* on a disk, where there is one below /tmp; it lives as long as we do */
        file = f ? fileno(f) : -1;
        return file < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, files) || !send_file() ||
               socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_report),
                cmocka_unit_test(test_can_allocate),
                cmocka_unit_test(test_can_start_threads),
                cmocka_unit_test(test_can_talk),
                cmocka_unit_test(test_can_wait),
                cmocka_unit_test(test_can_use_a_file_that_comes),
                cmocka_unit_test(test_can_use_the_c_library),
                cmocka_unit_test(test_cannot_open),
                cmocka_unit_test(test_cannot_change_files),
                cmocka_unit_test(test_cannot_reach_the_network),
                cmocka_unit_test(test_cannot_start_programs),
                cmocka_unit_test(test_cannot_touch_others),
                cmocka_unit_test(test_cannot_execute_data),
                cmocka_unit_test(test_cannot_loosen_it),
                cmocka_unit_test(test_landlock_denies_files),
                cmocka_unit_test(test_abort_is_a_signal),
        };
        return cmocka_run_group_tests(tests, make_pair, NULL);
}
