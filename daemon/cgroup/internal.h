/*
 * internal.h - shared by the files of cgroup.h: the group that we divide, and the tree in it.
 *
 *      ours (as systemd delegated it)       no process of its own, controllers enabled for what is below
 *      |- supervisor                        the daemon, all its threads
 *      `- w-INDEX.N                         one engine
 */
#ifndef HEADROOM_DAEMON_CGROUP_INTERNAL_H
#define HEADROOM_DAEMON_CGROUP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/cgroup/cgroup.h"
#include "daemon/base/cgroup_place.h"

/* --- base.c: may we divide the group that we are in? --- */

struct cgroup_base {
        struct cgroup_place place;
        int fd;
        bool entered; /* we are in "supervisor" already: DelegateSubgroup= */
};

/*
 * NEEDS is the controller that it must have ("memory"; NULL in a test where this machine has none to give). 0 and *ret,
 * whose fd is the caller's; -ENOTSUP and a sentence. Writes nothing.
 */
int cgroup_base_find(const char *proc, const char *sys, const char *needs, struct cgroup_base *ret, char *reterr,
                     size_t reterr_size);
/* The same sentence for an error that only writing could find. -ENOTSUP. */
int cgroup_base_refused(const struct cgroup_base *b, int error, const char *doing, char *reterr, size_t reterr_size);

/* --- tree.c --- */

struct cgroup_tree {
        struct cgroup_base base;
        bool has_memory;
        bool by_libcgroup; /* the self-test passed */
        char words[160];
        uint64_t groups_made;
        struct cgroup_engine *doomed; /* given up, but something in them still lives */
        uint32_t doomed_count;
};

int cgroup_tree_open_needing(const char *proc, const char *sys, const char *needs, struct cgroup_tree **ret, char *reterr,
                             size_t reterr_size);

/* --- engine.c --- */

/* Tries again to remove what could not be removed. */
void cgroup_engine_sweep(struct cgroup_tree *t);
/* Takes over the groups that an earlier daemon left: kills their processes, removes them or marks them as doomed. */
void cgroup_engine_inherit(struct cgroup_tree *t);
/* How a group is killed where there is no cgroup.kill: PROCS_FD is its cgroup.procs. 0 or -errno. */
int cgroup_engine_kill_each(int procs_fd);
/* Waits a bounded time for what is doomed, then forgets it. */
void cgroup_engine_forget_all(struct cgroup_tree *t);

/* --- file.c --- */

/* VALUE to the file NAME of the group. 0 or -errno. */
int cgroup_file_write(int group_fd, const char *name, const char *value);
/* To a held descriptor. */
int cgroup_file_put(int fd, const char *value);
/* Whole and terminated, cut at SIZE. The length or -errno. */
int cgroup_file_read(int group_fd, const char *name, char *text, size_t size);

/* --- library.c: libcgroup, for values of existing groups and nothing else --- */

/* 0, or -errno and why not: libcgroup's own words. */
int cgroup_library_open(char *reterr, size_t reterr_size);
/* GROUP is below the mount point. 0, or -errno and why not. */
int cgroup_library_write(const char *group, const char *controller, const char *name, const char *value, char *reterr,
                         size_t reterr_size);

#endif
