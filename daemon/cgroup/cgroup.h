/*
 * cgroup.h - control groups of our own: one for each engine, so that the kernel's net is under every single one.
 *
 * On cgroup v2 with a delegated subtree the daemon moves itself to "supervisor" and gives every engine a leaf with
 * memory.max, memory.swap.max = 0, memory.oom.group = 1 and never memory.high (a swapless engine under it hangs for
 * ever, unkilled). Limits are set through libcgroup where its self-test at start passes, else by the file itself; all
 * else, statistics too, goes by held descriptors, since libcgroup opens and allocates for every look. Without
 * delegation, or with the memory controller on v1, there is no tree: everything runs with accounting only, and says so
 * once.
 *
 * What the emergency path calls (kill, freeze, usage) writes to and reads from held descriptors only. None of them is
 * polled, so a group that is removed makes no loop spin. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_CGROUP_CGROUP_H
#define HEADROOM_DAEMON_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup_tree;
struct cgroup_engine;

/*
 * Looks for a delegated subtree that we are in, enters "supervisor" and enables the controllers. 0 and *ret; -ENOTSUP
 * and one sentence why there is none (which is no failure of the daemon); -ENOMEM. Leftovers of an earlier daemon are removed.
 */
int cgroup_tree_open(const char *proc, const char *sys, struct cgroup_tree **ret, char *reterr, size_t reterr_size);
void cgroup_tree_close(struct cgroup_tree *t); /* NULL is fine */
/* Removes what was still populated when it was freed. Cheap when there is nothing: for every tick. */
void cgroup_tree_sweep(struct cgroup_tree *t);
/* For status and the log: "delegated, memory.max by libcgroup", or what speaks against libcgroup. */
const char *cgroup_tree_words(const struct cgroup_tree *t);

/* A new empty leaf "w-INDEX.N". 0 and *ret, or -errno. */
int cgroup_engine_new(struct cgroup_tree *t, uint32_t index, struct cgroup_engine **ret);
/* Of its directory, for child_start. Stays the group's. */
int cgroup_engine_fd(const struct cgroup_engine *g);
/* memory.max. 0 or -errno. */
int cgroup_engine_limit(struct cgroup_engine *g, uint64_t bytes);
/* SIGKILL to every process in it, at once. 0 or -errno. */
int cgroup_engine_kill(struct cgroup_engine *g);
int cgroup_engine_freeze(struct cgroup_engine *g, bool frozen);

struct cgroup_usage {
        uint64_t current_bytes;
        uint64_t stall_us;                /* memory.pressure, some total */
        uint64_t refaults, swapins;       /* pages */
        uint64_t high_events, max_events; /* memory.events: met its limit, and the kernel found something to drop */
        uint64_t limit_ooms;              /* met its limit, and there was nothing to drop */
        uint64_t oom_kills;               /* processes killed, for its own limit or for want of memory above it */
};
/* Reads the group's usage; a figure that cannot be read stays 0. Allocates and opens nothing. */
void cgroup_engine_usage(struct cgroup_engine *g, struct cgroup_usage *ret);

/* Removes it; one that is still populated is killed, and removed by a later sweep, at the latest by cgroup_tree_close. */
void cgroup_engine_free(struct cgroup_engine *g);

#endif
