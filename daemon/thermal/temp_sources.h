/*
 * temp_sources.h - where temperatures come from. Another source is a file that finds its thermometers, and a row here; how one is read
 * is in temp_reader.c.
 */
#ifndef HEADROOM_DAEMON_THERMAL_TEMP_SOURCES_H
#define HEADROOM_DAEMON_THERMAL_TEMP_SOURCES_H

#include "daemon/thermal/thermometer.h"

/* All that there are. Reads names and labels only, nothing that asks a device. Allocates. */
void temp_sources_find(const char *sys, struct thermometers *ret);
/* "hwmon", "zone". */
const char *temp_source_word(enum thermometer_kind kind);

#endif
