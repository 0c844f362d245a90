/*
 * peers.h - other headroomds on this machine. Budgets are not shared between them, so each at least says that the others are there.
 *
 * A daemon has a file headroomd.UID.PID in a directory that everybody may write to, and holds a lock on it as long as it lives; a
 * file without a lock is what a crash left behind. Of a file we believe only that somebody claims a budget: nothing is decided by it.
 */
#ifndef HEADROOM_DAEMON_BASE_PEERS_H
#define HEADROOM_DAEMON_BASE_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/bounds.h"

#define PEERS_DIRECTORY "/dev/shm" /* there and open to all users on every machine, and so it is within our unit's sandbox */

struct peer {
        pid_t pid;
        uid_t uid;
        uint64_t budget_bytes;
};

struct peers {
        uint32_t count;
        struct peer all[PEERS_MAX];
};

/* A descriptor that is to stay open as long as we are to be seen, or -errno. */
int peers_join(const char *directory, uint64_t budget_bytes);
/* Another budget, since the configuration was read again; nothing where we are not to be seen. */
void peers_tell(const char *directory, uint64_t budget_bytes);
/* At the end. After a crash, the next daemon of the same user that looks removes the file. */
void peers_leave(const char *directory);
/* All but process SELF. Files of memory, at most PEERS_NAMES_MAX names: some tens of microseconds. */
void peers_look(const char *directory, pid_t self, struct peers *ret);

/* Do the budgets of all, with OWN, promise more than RAM? */
bool peers_exceed(const struct peers *p, uint64_t own_bytes, uint64_t ram_bytes);
/* "another headroomd (pid 4711, user 1000) has a budget of 8192 MiB; budgets are not shared: ...", with what to do. */
void peers_sentence(const struct peers *p, uint32_t index, uint64_t own_bytes, uint64_t ram_bytes, char *ret, size_t size);

#endif
