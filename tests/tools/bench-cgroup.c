/*
 * bench-cgroup.c - what control groups cost the daemon: a look, a start, an end. For root on a box with cgroup v2; lines "figure ...".
 *
 * Median of many. A look is what the governor does at every tick for every engine; through libcgroup the same numbers are
 * read for comparison, memory.stat alone. The end is counted from the order to the process being gone, with memory in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cgroup/internal.h"
#include "daemon/system/spawn.h"
#include "tests/cgroup_mount.h"

#define LOOKS 200
#define LIVES 11
#define EATEN (128u << 20)

static char group[512];

static double now_us(void) {
        struct timespec t;
        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e6 + (double) t.tv_nsec * 1e-3;
}

static int by_size(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
        qsort(values, count, sizeof(*values), by_size);
        return values[count / 2];
}

/* The kernel's view of an engine: a process with memory that it has written to, waiting. */
static int eat(void) {
        char *memory = mmap(NULL, EATEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
                return 1;
        for (size_t at = 0; at < EATEN; at += 4096)
                memory[at] = 1;
        (void) !write(STDOUT_FILENO, "x", 1);
        (void) pause();
        return 0;
}

static int start_eater(const struct cgroup_engine *g, struct spawned *ret) {
        const char *const arguments[] = { "bench-cgroup", "eat", NULL };
        int ends[2];
        char byte;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        struct spawn s = {
                .path = "/proc/self/exe",
                .arguments = arguments,
                .environment = environ,
                .fds = (const int[]){ -1, ends[1], STDERR_FILENO },
                .fds_count = 3,
                .cgroup_fd = cgroup_engine_fd(g),
        };
        int r = spawn_start(&s, ret);
        (void) close(ends[1]);
        if (r == 0 && read(ends[0], &byte, 1) != 1)
                r = -EIO;
        (void) close(ends[0]);
        return r;
}

static void time_looks(struct cgroup_engine *g, const char *name) {
        double looks[LOOKS], theirs[LOOKS];
        struct cgroup_usage usage;
        for (int i = 0; i < LOOKS; i++) {
                double began = now_us();
                cgroup_engine_usage(g, &usage);
                looks[i] = now_us() - began;
        }
        printf("figure cgroup look: %.0f us for memory.current, .pressure, .stat and .events by held descriptors\n",
               median(looks, LOOKS));
        for (int i = 0; i < LOOKS; i++) {
                struct cgroup_stat stat;
                void *handle = NULL;
                double began = now_us();
                int r = cgroup_read_stats_begin("memory", name, &handle, &stat);
                while (r == 0)
                        r = cgroup_read_stats_next(&handle, &stat);
                (void) cgroup_read_stats_end(&handle);
                theirs[i] = now_us() - began;
                if (r != ECGEOF) {
                        printf("figure cgroup look: none through libcgroup: %s\n", cgroup_strerror(r));
                        return;
                }
        }
        printf("figure cgroup look: %.0f us for memory.stat alone through libcgroup\n", median(theirs, LOOKS));
}

static int time_ends(struct cgroup_engine *g) {
        double ends[LIVES];
        for (int i = 0; i < LIVES; i++) {
                struct spawned p;
                int64_t status;
                int signal_number;
                int r = start_eater(g, &p);
                if (r < 0)
                        return r;
                struct pollfd watched = { .fd = p.pidfd, .events = POLLIN };
                double began = now_us();
                r = cgroup_engine_kill(g);
                if (r < 0 || poll(&watched, 1, 20000) != 1)
                        return r < 0 ? r : -ETIME;
                ends[i] = now_us() - began;
                (void) spawn_reap(&p, &status, &signal_number);
                (void) close(p.pidfd);
        }
        printf("figure cgroup end: %.1f ms from the order to the process gone, with %u MiB written\n", median(ends, LIVES) / 1e3,
               EATEN >> 20);
        return 0;
}

static int time_starts(struct cgroup_engine *g) {
        double starts[2][LIVES];
        for (int i = 0; i < 2 * LIVES; i++) {
                struct spawned p;
                int64_t status;
                int signal_number, r;
                struct spawn s = {
                        .path = "/bin/true",
                        .arguments = (const char *const[]){ "true", NULL },
                        .environment = environ,
                        .fds = (const int[]){ -1, STDOUT_FILENO, STDERR_FILENO },
                        .fds_count = 3,
                        .cgroup_fd = i % 2 ? cgroup_engine_fd(g) : -1,
                };
                double began = now_us();
                r = spawn_start(&s, &p);
                starts[i % 2][i / 2] = now_us() - began;
                if (r < 0)
                        return r;
                struct pollfd watched = { .fd = p.pidfd, .events = POLLIN };
                (void) poll(&watched, 1, 20000);
                (void) spawn_reap(&p, &status, &signal_number);
                (void) close(p.pidfd);
        }
        printf("figure cgroup start: %.0f us until exec, %.0f us in a group of its own\n", median(starts[0], LIVES),
               median(starts[1], LIVES));
        return 0;
}

static int time_groups(struct cgroup_tree *tree) {
        double made[LIVES], limits[LIVES];
        for (int i = 0; i < LIVES; i++) {
                struct cgroup_engine *g;
                double began = now_us();
                int r = cgroup_engine_new(tree, 1, &g);
                if (r < 0)
                        return r;
                made[i] = now_us() - began;
                began = now_us();
                (void) cgroup_engine_limit(g, EATEN);
                limits[i] = now_us() - began;
                cgroup_engine_free(g);
        }
        printf("figure cgroup group: %.0f us to make one, %.0f us to set its limit (%s)\n", median(made, LIVES),
               median(limits, LIVES), cgroup_tree_words(tree));
        return 0;
}

static int measure(void) {
        char controllers[256] = "", sentence[400] = "", name[600], mount[512];
        struct cgroup_tree *tree;
        struct cgroup_engine *g;
        if (cgroup_file_write(AT_FDCWD, strcat(strcpy(name, group), "/cgroup.procs"), "0") < 0)
                return -errno;
        (void) cgroup_file_read(AT_FDCWD, strcat(strcpy(name, group), "/cgroup.controllers"), controllers, sizeof(controllers));
        int r = cgroup_tree_open_needing("/proc", "/sys", strstr(controllers, "memory") ? "memory" : NULL, &tree, sentence,
                                         sizeof(sentence));
        if (r < 0) {
                fprintf(stderr, "bench-cgroup: %s\n", sentence);
                return r;
        }
        r = cgroup_engine_new(tree, 0, &g);
        if (r == 0) {
                cgroup_mount_find(mount, sizeof(mount));
                (void) snprintf(name, sizeof(name), "%s/w-0.1", group + strlen(mount));
                time_looks(g, name);
                r = time_ends(g);
                if (r == 0)
                        r = time_starts(g);
                cgroup_engine_free(g);
        }
        if (r == 0)
                r = time_groups(tree);
        cgroup_tree_close(tree);
        return r;
}

int main(int argc, char **argv) {
        if (argc > 1 && !strcmp(argv[1], "eat"))
                return eat();
        if (!cgroup_mount_make(group, sizeof(group))) {
                puts("SKIP no cgroup v2 hierarchy in which we may make a group");
                return 77;
        }
        (void) setxattr(group, "user.delegate", "1", 1, 0);
        pid_t pid = fork();
        if (pid == 0) {
                int r = measure();
                if (r < 0)
                        fprintf(stderr, "bench-cgroup: %s\n", strerror(-r));
                (void) fflush(NULL);
                _exit(r < 0);
        }
        int status = 1;
        (void) waitpid(pid, &status, 0);
        (void) rmdir(group);
        return status != 0;
}
