/*
 * tree.c - entering "supervisor" and taking the controllers down to the groups of the engines; and the way back.
 *
 * A group with controllers for those below it may hold no process, so we leave it first, all threads at once. A
 * failure halfway is undone: without a tree the daemon is where it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/cgroup/internal.h"
#include "engine/base/cleanup.h"

/* The first is what the tree is for; the others are taken where they are. */
static const char *const controllers[] = { "memory", "cpu", "io", "pids" };
#define CONTROLLERS_COUNT (sizeof(controllers) / sizeof(controllers[0]))

static int switch_controller(int fd, char sign, const char *name) {
        char word[32];
        (void) snprintf(word, sizeof(word), "%c%s", sign, name);
        return cgroup_file_write(fd, "cgroup.subtree_control", word);
}

/* Our own share before the engines': of the processor, of the disk, and of what systemd protects for all of us (MemoryMin=). */
static void prefer_supervisor(const struct cgroup_base *b) {
        char protected[64];
        auto_close int fd = openat(b->fd, CGROUP_SUPERVISOR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        (void) cgroup_file_write(fd, "cpu.weight", CGROUP_SUPERVISOR_WEIGHT);
        (void) cgroup_file_write(fd, "io.weight", CGROUP_SUPERVISOR_WEIGHT);
        /* Protection that no child claims is shared out by use, and the engines use more. */
        if (cgroup_file_read(b->fd, "memory.min", protected, sizeof(protected)) > 0)
                (void) cgroup_file_write(fd, "memory.min", protected);
}

static void leave(const struct cgroup_base *b) {
        for (size_t i = 0; i < CONTROLLERS_COUNT; i++)
                (void) switch_controller(b->fd, '-', controllers[i]);
        if (b->entered || cgroup_file_write(b->fd, "cgroup.procs", "0") < 0)
                return;
        (void) unlinkat(b->fd, CGROUP_SUPERVISOR, AT_REMOVEDIR);
}

static int enter(const struct cgroup_base *b, const char *needs, char *reterr, size_t reterr_size) {
        const char *doing = "mkdir " CGROUP_SUPERVISOR;
        int r = mkdirat(b->fd, CGROUP_SUPERVISOR, 0755) < 0 && errno != EEXIST ? -errno : 0;
        if (r == 0 && !b->entered) {
                doing = "entering " CGROUP_SUPERVISOR;
                r = cgroup_file_write(b->fd, CGROUP_SUPERVISOR "/cgroup.procs", "0");
        }
        for (size_t i = 0; r == 0 && i < CONTROLLERS_COUNT; i++) {
                int error = switch_controller(b->fd, '+', controllers[i]);
                if (error < 0 && needs && !strcmp(controllers[i], needs)) {
                        doing = "enabling its controller for what is below";
                        r = error;
                }
        }
        if (r == 0) {
                prefer_supervisor(b);
                return 0;
        }
        leave(b);
        return cgroup_base_refused(b, r, doing, reterr, reterr_size);
}

/* A group of our own making, a limit through libcgroup, and what the kernel says it is: libcgroup breaks in many ways. */
static int try_library(const struct cgroup_base *b, char *reterr, size_t reterr_size) {
        static const char limit[] = "1073741824";
        char text[64] = "", group[PLACE_MAX + 32];
        int r = cgroup_library_open(reterr, reterr_size);
        if (r < 0)
                return r;
        if (mkdirat(b->fd, CGROUP_PROBE, 0755) < 0 && errno != EEXIST) {
                r = -errno;
                (void) snprintf(reterr, reterr_size, "no group to try it on: %s", strerror(-r));
                return r;
        }
        (void) snprintf(group, sizeof(group), "%s/%s", b->place.directory + b->place.base, CGROUP_PROBE);
        r = cgroup_library_write(group, "memory", "memory.max", limit, reterr, reterr_size);
        if (r == 0) {
                (void) cgroup_file_read(b->fd, CGROUP_PROBE "/memory.max", text, sizeof(text));
                text[strcspn(text, "\n")] = '\0';
                if (strcmp(text, limit) != 0) {
                        r = -EIO;
                        (void) snprintf(reterr, reterr_size, "it wrote %s, the kernel has '%.40s'", limit, text);
                }
        }
        (void) unlinkat(b->fd, CGROUP_PROBE, AT_REMOVEDIR);
        return r;
}

static void choose_writer(struct cgroup_tree *t) {
        char why[96] = "";
        if (!t->has_memory) {
                (void) snprintf(t->words, sizeof(t->words), "delegated, without the memory controller");
                return;
        }
        t->by_libcgroup = try_library(&t->base, why, sizeof(why)) == 0;
        if (t->by_libcgroup)
                (void) snprintf(t->words, sizeof(t->words), "delegated, memory.max by libcgroup");
        else
                (void) snprintf(t->words, sizeof(t->words), "delegated, memory.max by its file (libcgroup: %s)", why);
}

int cgroup_tree_open_needing(const char *proc, const char *sys, const char *needs, struct cgroup_tree **ret, char *reterr,
                             size_t reterr_size) {
        struct cgroup_tree *t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        int r = cgroup_base_find(proc, sys, needs, &t->base, reterr, reterr_size);
        if (r < 0) {
                free(t);
                return r;
        }
        cgroup_engine_inherit(t);
        r = enter(&t->base, needs, reterr, reterr_size);
        if (r < 0) {
                cgroup_engine_forget_all(t);
                (void) close(t->base.fd);
                free(t);
                return r;
        }
        t->has_memory = needs != NULL;
        choose_writer(t);
        *ret = t;
        return 0;
}

int cgroup_tree_open(const char *proc, const char *sys, struct cgroup_tree **ret, char *reterr, size_t reterr_size) {
        return cgroup_tree_open_needing(proc, sys, controllers[0], ret, reterr, reterr_size);
}

void cgroup_tree_close(struct cgroup_tree *t) {
        if (!t)
                return;
        cgroup_engine_forget_all(t);
        leave(&t->base);
        (void) close(t->base.fd);
        free(t);
}

void cgroup_tree_sweep(struct cgroup_tree *t) {
        cgroup_engine_sweep(t);
}

const char *cgroup_tree_words(const struct cgroup_tree *t) {
        return t->words;
}
