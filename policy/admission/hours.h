/* hours.h - the hours of the day in which requests of the batch class begin. What runs when they end goes on. */
#ifndef HEADROOM_POLICY_ADMISSION_HOURS_H
#define HEADROOM_POLICY_ADMISSION_HOURS_H

#include <stdint.h>

#include "policy/state/limits.h"

/* Until they begin; 0: it is one of them, or all are. MINUTE: of the day where the box stands; MINUTES_OF_DAY: not known. */
uint64_t policy_hours_open_in_ms(const struct limits *limits, uint32_t minute);

#endif
