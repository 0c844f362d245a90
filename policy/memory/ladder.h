/*
 * ladder.h - the rung that is allowed now, the reason, and the bytes to free.
 *
 * Mild rungs (up to a smaller context) answer to a forecast, to a reserve that is being eaten, or to a stall. The violent
 * ones (suspend, end) answer only to the cliff: a forecast to it under 3 s, a stall with thrash, a livelock, or nearly
 * nothing left with a stall or a decline. A reserve that another program simply holds is defended with all mild actions, and
 * then its loss is borne. Where what may be done mildly takes longer than a rung's usual lead, it is begun as much earlier.
 *
 * A rung is entered at once and left slowly, so that what was just let go of is not asked for again by the next breath.
 */
#ifndef HEADROOM_POLICY_MEMORY_LADDER_H
#define HEADROOM_POLICY_MEMORY_LADDER_H

#include "policy/memory/forecast.h"
#include "policy/memory/pressure.h"
#include "policy/memory/choose_actions.h"
#include "policy/memory/lead.h"

struct demand {
        enum rung rung;   /* to stand on at least; RUNG_CALM: there is no demand */
        struct need need; /* need.limit RUNG_CALM: nothing to free */
        bool falls;       /* the situation gets worse */
        bool stall;
};

/* RETURNING_BYTES: on their way back already. */
struct demand policy_demand(struct ladder *l, const struct limits *limits, const struct snapshot *snapshot,
                            const struct headroom *headroom, const struct forecast *forecast, const struct pressure *pressure,
                            uint64_t returning_bytes);

/* Enters RUNG if it is higher than where it stands, or leaves when there was no demand for long enough. */
void policy_climb(struct ladder *l, const struct limits *limits, const struct snapshot *snapshot, const struct headroom *headroom,
                  const struct forecast *forecast, const struct demand *demand, enum rung rung);

/* Room to spare: what has to be free before anything is given back, on top of what that costs. */
uint64_t policy_room_to_spare(const struct limits *limits, const struct snapshot *snapshot);

#endif
