/*
 * swap.h - swap devices, and the RAM that the compressed ones among them take.
 *
 * Swap comes and goes while we run (zram is often set up after boot), so the list is read at every look. The free
 * space of a zram device counts uncompressed pages; the RAM that it takes stands in its mm_stat.
 */
#ifndef HEADROOM_DAEMON_SENSORS_SWAP_H
#define HEADROOM_DAEMON_SENSORS_SWAP_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/sensor_bounds.h"

/* mm_stat of every zram device that there is, held open. */
struct zrams {
        uint32_t count;
        struct zram {
                uint32_t number; /* of zramN */
                int fd;
        } all[ZRAMS_MAX];
};

void zrams_open(const char *sys, struct zrams *ret);
void zrams_close(struct zrams *z);

struct swap_seen {
        uint32_t devices, zram_devices;
        uint64_t total_bytes, used_bytes; /* as the list says */
        uint64_t zram_bytes;              /* RAM taken by those zram devices that are swap */
        bool is_zram_unknown;             /* a zram device is not held, or cannot be read: it came after zrams_open */
};

/* From the text of /proc/swaps. 0; -EBADMSG when it is no such text. *ret only on success. */
int swap_parse(const char *text, const struct zrams *zrams, struct swap_seen *ret);

#endif
