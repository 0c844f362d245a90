/*
 * hwmon.h - the temperatures of /sys/class/hwmon.
 *
 * Which of them are the processor's is known by the names of drivers and labels (Documentation/hwmon of Linux:
 * coretemp, k10temp). AMD's Tctl carries an offset on some models, so it stands back where the die itself is reported.
 */
#ifndef HEADROOM_DAEMON_THERMAL_HWMON_H
#define HEADROOM_DAEMON_THERMAL_HWMON_H

#include "daemon/thermal/thermometer.h"

/* Adds what is there. Reads names and labels only, nothing that asks the device. Allocates. */
void hwmon_find(const char *sys, struct thermometers *list);

/* The rank of a temperature with that driver and label. LABEL is "" where there is none. */
enum thermometer_rank hwmon_rank(const char *chip, const char *label);

#endif
