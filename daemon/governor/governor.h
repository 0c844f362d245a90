/*
 * governor.h - the one tick (tick.c): observe, decide, act, record.
 *
 * It looks at the sensors and the fleet, asks policy_decide, has the fleet carry the plan out, loads included, and keeps what
 * it saw and did: a ring of recent looks (the flight recorder, printed as a scenario that `headroomctl simulate` replays) and
 * a ring of events, each with its reason and its numbers. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_GOVERNOR_GOVERNOR_H
#define HEADROOM_DAEMON_GOVERNOR_GOVERNOR_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <uv.h>

#include "daemon/config/config.h"
#include "daemon/models/fleet.h"
#include "policy/policy.h"

struct governor;
struct recorder;

/* Config and fleet must outlive it. 0 or -errno. */
int governor_new(uv_loop_t *loop, const struct config *config, struct fleet *fleet, struct governor **ret);
void governor_close(struct governor *g, void (*on_closed)(void *user), void *user);

/* The last plan and what it was made from; borrowed until the loop turns. */
const struct plan *governor_plan(const struct governor *g);
const struct snapshot *governor_snapshot(const struct governor *g);
/* Milliseconds since the last look: /health and the watchdog look at it. */
uint64_t governor_tick_age_ms(const struct governor *g);

/* For the control socket; the caller's to delete or free; NULL without memory. */
cJSON *governor_status_json(struct governor *g);
cJSON *governor_events_json(struct governor *g, uint64_t after,
                            const char *model); /* newer than number AFTER; MODEL: NULL for all */
cJSON *governor_explain_json(struct governor *g, uint32_t model);
/* The flight recorder as it is now; the caller's. */
struct recorder *governor_record(const struct governor *g);

/* The configuration has changed: its limits count from the next look. A recording of others would not replay, so it begins anew. */
void governor_reconfigure(struct governor *g);

#endif
