/*
 * psi_trigger.h - a source of alarms about memory pressure: a trigger of the kernel's, or the file that the service
 * manager named.
 *
 * The protocol is systemd's (MEMORY_PRESSURE_WATCH, MEMORY_PRESSURE_WRITE; systemd.io/PRESSURE): a path to a PSI file,
 * a FIFO or a stream socket, and bytes in base64 to be written first; "/dev/null" asks us to watch nothing. Any process
 * can write to a FIFO or a socket, so tests use those.
 */
#ifndef HEADROOM_DAEMON_SENSORS_PSI_TRIGGER_H
#define HEADROOM_DAEMON_SENSORS_PSI_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/sensor_bounds.h"

struct pressure_watch {
        bool is_set;
        bool is_off;         /* by "/dev/null": no triggers of our own either */
        const char *problem; /* one sentence: it was set and is not used; NULL */
        char path[PLACE_MAX];
        size_t bytes_count;
        unsigned char bytes[WATCH_WRITE_MAX];
};

/* From the values of the two variables; NULL for one that is not set. */
struct pressure_watch pressure_watch_parse(const char *watch, const char *write);

/* A descriptor that becomes readable (IS_STREAM) or urgent (PSI) under pressure, or -errno; -ENOTTY: a file, but none of the kernel's. */
int pressure_watch_open(const struct pressure_watch *w, bool *ret_is_stream);

/*
 * A trigger on the PSI file at PATH, with the shortest window that we may have: any with CAP_SYS_RESOURCE, a multiple of 2 s
 * without it, none before Linux 6.4. A descriptor and words for people, or -errno. May take a while: the kernel starts a thread.
 */
int pressure_trigger_open(const char *path, const char **ret_words);

#endif
