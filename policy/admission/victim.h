/*
 * victim.h - the choice of models to unload when room is needed.
 *
 * Cheapest loss first: idle before busy, lowest priority, cheapest to load again per byte, least recently finished,
 * lowest id. A higher class (busy, priority) is not touched while the lower ones suffice; within that, the fewest
 * victims, and among equally many those whose most valuable member is worth least. No model leaves in vain.
 */
#ifndef HEADROOM_POLICY_ADMISSION_VICTIM_H
#define HEADROOM_POLICY_ADMISSION_VICTIM_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/account.h"
#include "policy/base/bounds.h"

/* Bytes that are missing, of memory and of room for weights. Both must be covered. */
struct shortage {
        uint64_t bytes;
        uint64_t weights_bytes;
};

struct victims {
        uint32_t count;
        const struct account *leave[ACCOUNTS_MAX];
};

static inline bool shortage_none(struct shortage s) {
        return s.bytes == 0 && s.weights_bytes == 0;
}

/*
 * The set to take of CANDIDATES (at most ACCOUNTS_MAX, reordered) so that SHORTAGE is covered. Empty when
 * nothing is missing, or when all of them together do not cover it: *ret_suffices tells which.
 */
struct victims policy_victims(const struct account *candidates[], uint32_t count, struct shortage shortage, bool *ret_suffices);

#endif
