/*
 * thermometer.h - one temperature of the kernel's: its file, its subject, and the key by which it is found again.
 *
 * hwmonN and thermal_zoneN are numbered as drivers come and go, so the key is made of what stays: the path of the device,
 * the name of its driver and the label of the sensor.
 */
#ifndef HEADROOM_DAEMON_THERMAL_THERMOMETER_H
#define HEADROOM_DAEMON_THERMAL_THERMOMETER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/sensor_bounds.h"
#include "policy/state/snapshot.h"

/* How much it says about the heat that our engines make. The highest that a box has is what heat is controlled by. */
enum thermometer_rank {
        THERMOMETER_OTHER,   /* a disk, a radio, a battery: shown */
        THERMOMETER_BOARD,   /* a chip beside the processor or on the memory: better than nothing */
        THERMOMETER_PART,    /* a core, or what a board calls "CPU" */
        THERMOMETER_PACKAGE, /* the processor as a whole */
};

/* Where it comes from: a row of temp_sources.c. */
enum thermometer_kind { THERMOMETER_HWMON, THERMOMETER_ZONE, THERMOMETER_KINDS };

struct thermometer {
        uint32_t key; /* never 0 */
        enum thermometer_rank rank;
        enum thermometer_kind kind;
        const char *input;         /* ends the path of the file that tells it: "_input"; a literal */
        bool is_zone_copy;         /* of hwmon, but made from a thermal zone */
        char chip[CHIP_NAME_MAX];  /* "coretemp"; a zone's type */
        char label[CHIP_NAME_MAX]; /* "Package id 0", "temp1"; "" for a zone */
        char directory[PLACE_MAX]; /* .../hwmon2 */
        char base[CHIP_NAME_MAX];  /* "/temp1"; "" for a zone */
        dev_t input_device;        /* of the file that tells the temperature: another one may be there under the same name */
        ino_t input_inode;
};

/* The sensors found by a scan: those of the highest ranks when not all fit. */
struct thermometers {
        uint32_t count, left_out;
        struct thermometer all[SENSORS_MAX];
};

/* Hashes the texts one after the other, NULL ends them. Never 0. */
uint32_t thermometer_key(const char *first, ...) __attribute__((sentinel));

/* Takes a copy; looks up the file. One whose key is there already gets another, made with its base. */
void thermometers_add(struct thermometers *list, const struct thermometer *t);

/* A text file of one line that no hardware is asked for, without the end of the line. False: none, empty or too long. */
bool thermometer_word(const char *directory, const char *name, char ret[CHIP_NAME_MAX]);

#endif
