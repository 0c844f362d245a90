/*
 * descriptors.h - how many descriptors this process may have, and who gets how many.
 *
 * A model whose engine finds none does not load, and an operator who finds none cannot say so. Where few are allowed it is the
 * clients who get fewer: the next one takes the place of one that is idle.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_DESCRIPTORS_H
#define HEADROOM_DAEMON_SYSTEM_DESCRIPTORS_H

#include <stdint.h>

/* Connections at once. */
struct descriptor_shares {
        uint32_t clients, operators;
};

uint64_t descriptors_needed(struct descriptor_shares wanted, uint32_t models);
/* Raises the process's limit to NEEDED, or as far as it may; what it is then. */
uint64_t descriptors_raise(uint64_t needed);
/* What is left of WANTED where so many are allowed; never nothing. */
struct descriptor_shares descriptors_share(uint64_t allowed, struct descriptor_shares wanted, uint32_t models);

#endif
