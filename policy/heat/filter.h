/*
 * filter.h - the filter that decides which readings of a temperature sensor to believe.
 *
 * A value is believed if it is possible (1 to 125 degrees) and could have been reached since the last one (25 degrees a
 * second); the median of the last five is what counts. Anything else is a miss. Two misses are borne with the last value;
 * at the third the sensor is lost. One that never gave a believable value is unknown, and cannot be lost. A sensor whose device
 * sleeps is cold, and wakes up without a memory. Each sensor is judged alone, by its key, so that a bad one never blocks another
 * and renumbering changes nothing.
 */
#ifndef HEADROOM_POLICY_HEAT_FILTER_H
#define HEADROOM_POLICY_HEAT_FILTER_H

#include "policy/state/past.h"

/* Takes what V says at NOW_MS. True: it brought a new value that is believed. */
bool policy_filter(struct sensor_past *s, const struct sensor_view *v, uint64_t now_ms);
/* Notes a miss for a sensor that is not in the snapshot at all. */
void policy_filter_absent(struct sensor_past *s, uint64_t now_ms);
/* The median; only where a value was ever believed (count > 0). */
int32_t policy_filter_millidegrees(const struct sensor_past *s);

#endif
