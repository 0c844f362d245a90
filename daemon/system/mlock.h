/*
 * mlock.h - the daemon stays in memory when memory is gone: it is what has to act then.
 *
 * Measured while compressed swap filled: a sampler that was locked missed nothing, one that was not went blind for 3 to 4
 * seconds, the whole emergency, in every second run.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_MLOCK_H
#define HEADROOM_DAEMON_SYSTEM_MLOCK_H

#include <stdbool.h>

/*
 * Locks what is mapped now and will be; pages come in when they are touched, so it costs what is used. False when it may
 * not, and one sentence why. Call it when what an emergency needs has been gone through once.
 */
bool mlock_all(char *reterr, unsigned reterr_size);
/* Makes the kernel take others first. False when we may not; a lower score than that is left as it is. */
bool mlock_oom_protect(void);

#endif
