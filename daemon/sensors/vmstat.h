/* vmstat.h - pages that came back: from swap, and those that were dropped and are needed again. Since boot. */
#ifndef HEADROOM_DAEMON_SENSORS_VMSTAT_H
#define HEADROOM_DAEMON_SENSORS_VMSTAT_H

#include <stdint.h>

/*
 * Pages that zswap holds are counted beside those on the device: a load from zswap returns before pswpin is counted. Major faults
 * are not looked at: mapped weights fall off the cliff while they stay at ten a second.
 */
struct vmstat_seen {
        uint64_t swapins, swapouts;
        uint64_t refaults; /* of files and anonymous */
};

/* From the text of vmstat. 0; -EBADMSG when not even the swap counters or refaults are there. *ret only on success. */
int vmstat_parse(const char *text, struct vmstat_seen *ret);

#endif
