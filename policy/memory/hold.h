/*
 * hold.h - what may not begin while memory is short: loads, growth of what is loaded, requests of the batch class.
 *
 * Everything is held from RUNG_HOLD on. Heat holds the batch class too (heat/thermal.c); daemon/requests/gate.c obeys.
 */
#ifndef HEADROOM_POLICY_MEMORY_HOLD_H
#define HEADROOM_POLICY_MEMORY_HOLD_H

#include "policy/memory/forecast.h"
#include "policy/state/past.h"

/* Sets the holds of PLAN, whose rung stands; a jump of memory raises it to RUNG_HOLD until the next look knows more. */
void policy_hold(const struct snapshot *snapshot, const struct headroom *headroom, const struct forecast *forecast,
                 const struct ladder *ladder, struct plan *plan);

#endif
