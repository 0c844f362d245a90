/*
 * thermal_zone.h - the temperatures of /sys/class/thermal, of those few types that can be believed.
 *
 * Most zones are firmware's and constant, so there is an allow-list; and most are in hwmon as well, and are taken from there.
 */
#ifndef HEADROOM_DAEMON_THERMAL_THERMAL_ZONE_H
#define HEADROOM_DAEMON_THERMAL_THERMAL_ZONE_H

#include "daemon/thermal/thermometer.h"

/* Adds to what hwmon_find has found. Asks no hardware. Allocates. */
void thermal_zone_find(const char *sys, struct thermometers *list);

#endif
