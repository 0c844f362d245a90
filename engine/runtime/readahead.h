/*
 * readahead.h - the weights brought into memory in the order in which a pass uses them, beside whatever the engine does.
 *
 * Nobody waits for it: a pass that comes to a page before it is there reads that page itself. What is read was counted when the
 * model was admitted, and it is read once, after the start: pages that the kernel takes back later were needed elsewhere.
 */
#ifndef HEADROOM_ENGINE_RUNTIME_READAHEAD_H
#define HEADROOM_ENGINE_RUNTIME_READAHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/gguf.h"

struct readahead;

/* What tells of pressure on memory, to be opened before a process locks itself in; -1: this kernel does not tell. */
int readahead_open_pressure(void);

/*
 * G must outlive it. Once the pressure file (-1: none) tells that the machine has stalled for
 * READAHEAD_STALL_US_MAX since the start, no more is read. 0 and *ret, or -errno.
 */
int readahead_start(const struct gguf *g, int pressure_fd, struct readahead **ret);
/* Comes back when a read that is under way is done, at most READAHEAD_WINDOW_BYTES. NULL is fine. */
void readahead_stop(struct readahead *r);

/* --- what it is made of, for tests --- */

struct readahead_range {
        const uint8_t *bytes;
        uint64_t count;
};
/* Layer after layer, then the output, then what is left, each by address; neighbours are one. malloc'ed; NULL: no memory. */
struct readahead_range *readahead_ranges(const struct gguf *g, size_t *ret_count);
/* Microseconds in which somebody waited for memory, since the machine started; 0: nobody tells. */
uint64_t readahead_stalled_us(int pressure_fd);
/* With the stalls that are not counted. */
int readahead_start_since(const struct gguf *g, int pressure_fd, uint64_t stalled_us, struct readahead **ret);
/* It has ended: all is there, or it gave up. */
bool readahead_is_over(const struct readahead *r);

#endif
