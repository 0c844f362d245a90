/*
 * pressure.h - stall, thrash and livelock from counters that only rise.
 *
 * Pressure (PSI) alone says nothing: measured, it reads zero until the cliff is reached without swap, rings for others' sins
 * and stays high after recovery. A stall is time lost to memory AND pages that come back (refaults, swap-ins) in the
 * same window: an engine's own group first, then that of all engines, then the host, and the host only where headroom is
 * gone too. Rates are taken over windows of at least PRESSURE_WINDOW_MS, however often we look. A counter that falls
 * belongs to a group that was made anew: its window starts again and says nothing.
 */
#ifndef HEADROOM_POLICY_MEMORY_PRESSURE_H
#define HEADROOM_POLICY_MEMORY_PRESSURE_H

#include "policy/memory/headroom.h"
#include "policy/state/past.h"

struct pressure {
        bool stall;
        bool thrash;      /* a model is far below its own speed, or reads its weights again and again */
        bool livelock;    /* a model stands still under a memory.high */
        bool hopeless;    /* ... and has for half a minute */
        uint32_t model;   /* index in snapshot->models of the one that thrashes or stands still; UINT32_MAX: none */
        bool own_only;    /* the stall is inside one engine's group; the box has room: only that engine (stalled) helps */
        uint32_t stalled; /* index of the model whose own group stalls; UINT32_MAX: none */
        uint32_t stall_permille;
        uint64_t refaults_per_s, swapins_per_s;
};

/* Takes one look. PASTS: of each model of SNAPSHOT, in its order. */
struct pressure policy_pressure(struct pressure_past *p, const struct snapshot *snapshot, const struct headroom *headroom,
                                struct model_past *const pasts[]);

#endif
