/*
 * base.c - is the control group that we are in ours to divide, and if not, what is missing?
 *
 * Our own group counts, not the mounts: a machine can mount cgroup v2 and keep the memory controller on v1, or switch
 * it off, and a group with the controller may still belong to another program. systemd marks the groups that it hands
 * over by an attribute; root and the owner of a session could write elsewhere too, and would fight with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/cgroup/internal.h"
#include "engine/base/cleanup.h"

#define RUN_DELEGATED "run headroomd under its unit headroomd.service, or under another one with Delegate=yes"

static int refuse(char *reterr, size_t reterr_size, const char *sentence) {
        (void) snprintf(reterr, reterr_size, "%s", sentence);
        return -ENOTSUP;
}

/* Below the mount point, "/" for the topmost that we see. */
static const char *name_of(const struct cgroup_base *b) {
        const char *name = b->place.directory + b->place.base;
        return *name ? name : "/";
}

int cgroup_base_refused(const struct cgroup_base *b, int error, const char *doing, char *reterr, size_t reterr_size) {
        if (error == -EROFS)
                (void) snprintf(reterr, reterr_size,
                                "control groups are mounted read-only here; under systemd this is ProtectControlGroups=yes, in a "
                                "container give it a writable /sys/fs/cgroup");
        else if (error == -EACCES || error == -EPERM)
                (void) snprintf(reterr, reterr_size, "the control group %s is not delegated to this user; " RUN_DELEGATED,
                                name_of(b));
        else
                (void) snprintf(reterr, reterr_size, "the control group %s cannot be divided: %s: %s", name_of(b), doing,
                                strerror(-error));
        return -ENOTSUP;
}

static bool has_word(const char *text, const char *word) {
        size_t length = strlen(word);
        for (const char *at = text; *at; at += strspn(at, " \n")) {
                size_t item = strcspn(at, " \n");
                if (item == length && !strncmp(at, word, length))
                        return true;
                at += item;
        }
        return false;
}

static bool has_controller(const char *directory, const char *controller) {
        char path[PLACE_MAX + 32], text[CGROUP_TEXT_MAX] = "";
        (void) snprintf(path, sizeof(path), "%s/cgroup.controllers", directory);
        return cgroup_file_read(AT_FDCWD, path, text, sizeof(text)) >= 0 && has_word(text, controller);
}

/*
 * The controller is missing: because of the kernel, or of the program that made our group? The topmost group that we see knows.
 */
static int refuse_controller(const struct cgroup_base *b, const char *controller, char *reterr, size_t reterr_size) {
        char top[PLACE_MAX];
        (void) snprintf(top, sizeof(top), "%.*s", (int) b->place.base, b->place.directory);
        if (b->place.directory[b->place.base] != '\0' && has_controller(top, controller))
                (void) snprintf(reterr, reterr_size, "the %s controller is not enabled for the control group %s; " RUN_DELEGATED,
                                controller, name_of(b));
        else
                (void) snprintf(reterr, reterr_size,
                                "cgroup v2 has no %s controller here; look for cgroup_disable=%s on the kernel's command line, "
                                "or, in a container, for what its host hands on",
                                controller, controller);
        return -ENOTSUP;
}

/* Processes of the group SUB of B ("." is B itself) that are not us. A group that is not there has none. */
static uint32_t count_others(const struct cgroup_base *b, const char *sub) {
        char path[64], text[CGROUP_TEXT_MAX];
        uint32_t count = 0;
        (void) snprintf(path, sizeof(path), "%s/cgroup.procs", sub);
        if (cgroup_file_read(b->fd, path, text, sizeof(text)) < 0)
                return 0;
        for (char *at = text, *end; *at; at = *end ? end + 1 : end) {
                long pid = strtol(at, &end, 10);
                if (end == at)
                        break;
                count += pid != getpid();
        }
        return count;
}

/* The kernel's own root cannot be divided by a service, and has no limits. Only it has no cgroup.events. */
static bool is_kernels_root(const struct cgroup_base *b) {
        return faccessat(b->fd, "cgroup.events", F_OK, 0) < 0;
}

static bool is_marked(int fd, const char *attribute) {
        char value[8];
        return fgetxattr(fd, attribute, value, sizeof(value)) == 1 && value[0] == '1';
}

/*
 * Under systemd an attribute says whether the group was handed over. To an ordinary user systemd before 252 could not say so;
 * there the group's owner tells, but for a session, whose groups all belong to the user.
 */
static bool is_delegated(const struct cgroup_base *b) {
        if (access("/run/systemd/system", F_OK) < 0 || is_marked(b->fd, "user.delegate") || is_marked(b->fd, "trusted.delegate"))
                return true;
        return geteuid() != 0 && !strstr(name_of(b), "/user.slice/");
}

static int check(const struct cgroup_base *b, const char *needs, char *reterr, size_t reterr_size) {
        struct statfs fs;
        char sentence[PLACE_MAX + 200];
        uint32_t others = count_others(b, ".") + count_others(b, CGROUP_SUPERVISOR);
        if (needs && !has_controller(b->place.directory, needs))
                return refuse_controller(b, needs, reterr, reterr_size);
        if (is_kernels_root(b))
                return refuse(reterr, reterr_size,
                              "headroomd runs in the root control group, which has no limits; " RUN_DELEGATED);
        if (others > 0) {
                (void) snprintf(
                        sentence, sizeof(sentence),
                        "%u other process%s in the control group %s, which must be headroomd's alone to be divided; " RUN_DELEGATED,
                        others, others == 1 ? " is" : "es are", name_of(b));
                return refuse(reterr, reterr_size, sentence);
        }
        if (fstatfs(b->fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC) {
                (void) snprintf(sentence, sizeof(sentence), "%s is no cgroup v2 file system", b->place.directory);
                return refuse(reterr, reterr_size, sentence);
        }
        if (!is_delegated(b))
                return cgroup_base_refused(b, -EACCES, "delegation", reterr, reterr_size);
        return 0;
}

int cgroup_base_find(const char *proc, const char *sys, const char *needs, struct cgroup_base *ret, char *reterr,
                     size_t reterr_size) {
        struct cgroup_place v1, found;
        struct cgroup_base b = { .fd = -1 };
        if (needs && cgroup_place_find(proc, sys, CGROUP_VERSION_1, &v1))
                return refuse(
                        reterr, reterr_size,
                        "the memory controller is on cgroup v1; boot with systemd.unified_cgroup_hierarchy=1 to have it on v2");
        if (!cgroup_place_find(proc, sys, CGROUP_VERSION_2, &b.place))
                return refuse(reterr, reterr_size, "there are no control groups v2 here: no such hierarchy is mounted");
        found = b.place;
        cgroup_place_of_all(&b.place);
        b.entered = strcmp(found.directory, b.place.directory) != 0;
        auto_close int fd = b.fd = open(b.place.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return cgroup_base_refused(&b, -errno, "open", reterr, reterr_size);
        int r = check(&b, needs, reterr, reterr_size);
        if (r < 0)
                return r;
        *ret = b;
        (void) take_fd(&fd);
        return 0;
}
