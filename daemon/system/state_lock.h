/* state_lock.h - one daemon for a state directory: two would write over what the other has learned. */
#ifndef HEADROOM_DAEMON_SYSTEM_STATE_LOCK_H
#define HEADROOM_DAEMON_SYSTEM_STATE_LOCK_H

#include <sys/types.h>

/*
 * Locks STATE_DIR until the descriptor is closed, which the end of the process does. The descriptor; -EBUSY and the other
 * daemon's pid (0: unknown); or -errno where the directory cannot be written.
 */
int state_lock(const char *state_dir, pid_t *ret_holder);

/* The pid of the daemon that had the lock last, dead or alive; 0: unknown. */
pid_t state_lock_holder(const char *state_dir);

#endif
