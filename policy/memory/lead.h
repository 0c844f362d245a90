/*
 * lead.h - how long acts take until they show, and so how far ahead of the end they must begin.
 *
 * An act has to be heard (an engine reads its orders between two steps), to be done (at the pace of the machine: pages are
 * given back, KV is read and written again), and to be seen at the next look. Engines act side by side, so the slowest ear counts once;
 * they share the memory, so bytes add up.
 */
#ifndef HEADROOM_POLICY_MEMORY_LEAD_H
#define HEADROOM_POLICY_MEMORY_LEAD_H

#include "policy/state/plan.h"
#include "policy/state/snapshot.h"

struct lead {
        uint64_t
                at_once_ms; /* all that costs no answer (trim, evict, downshift to the floor), done without regard to running steps */
        uint64_t gently_ms; /* the same with KV converted between steps */
};

struct lead policy_lead(const struct snapshot *snapshot);

#endif
