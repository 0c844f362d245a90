/*
 * thermal.h - how fast the engines may work, so that no sensor comes too near to its critical temperature.
 *
 * A slow PI controller holds the least margin to critical over all control sensors at its target. It runs when there are
 * new readings, forgives 1.5 degrees to either side, goes down fast (10 % a second) and up slowly (1 %), and its
 * output is quantised to HEAT_LEVELS with hysteresis, so that a sustained load changes the level about once a minute at
 * most.
 *
 * Overrides, to the lowest level at once and for at least half a minute: a margin under 5 degrees, a throttle counter
 * that moves, and a control sensor that is lost: not seeing the temperature counts as hot. One that never gave a believable value is
 * none that could be lost, and one that does not move while the load does (stuck.h) is not obeyed.
 */
#ifndef HEADROOM_POLICY_HEAT_THERMAL_H
#define HEADROOM_POLICY_HEAT_THERMAL_H

#include "policy/state/limits.h"
#include "policy/state/past.h"

struct heat {
        uint32_t level;
        uint32_t duty_permille, threads_permille;
        bool hold_batch;
        enum reason because;         /* REASON_NONE at full speed */
        int32_t margin_millidegrees; /* least over control sensors that can be believed; INT32_MAX: none */
        int32_t millidegrees;        /* of that sensor */
        uint32_t sensor;             /* key of the one that the level, or else the margin, is owed to; 0: none */
        uint32_t stuck_count, stuck[SENSORS_MAX];
};

struct heat policy_thermal(struct thermal *t, const struct limits *limits, const struct snapshot *snapshot);

#endif
