/*
 * headroom.h - the memory that may still be used, and the distance to the cliff.
 *
 *     to the cliff = available - mapped weights - loads in flight
 *     headroom     = to the cliff - reserve
 *
 * MemAvailable counts mapped weights as free, yet every token reads them all: measured, decode fell 500-fold while it
 * still read 250 MB. Of a model that is loading, loading_bytes has what it will take, weights included, so they are not
 * counted twice. A model that is leaving holds its weights until it is gone: memory counts as free once it shows. Swap
 * adds nothing.
 */
#ifndef HEADROOM_POLICY_MEMORY_HEADROOM_H
#define HEADROOM_POLICY_MEMORY_HEADROOM_H

#include "policy/state/limits.h"
#include "policy/state/past.h"

struct headroom {
        int64_t bytes;          /* negative: the reserve is being eaten */
        int64_t cliff_bytes;    /* negative: over the edge */
        uint64_t weights_bytes; /* mapped, must stay resident */
};

struct headroom policy_headroom(const struct limits *limits, const struct snapshot *snapshot);

#endif
