/*
 * sensor_keys.h - the operator's opinion of single thermometers, by their keys (thermometer.h): which are left out of the control of
 * heat, and which are obeyed even where they do not move with the load.
 */
#ifndef HEADROOM_DAEMON_BASE_SENSOR_KEYS_H
#define HEADROOM_DAEMON_BASE_SENSOR_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/bounds.h"

struct sensor_keys {
        uint32_t count;
        uint32_t keys[SENSORS_MAX];
};

static inline bool sensor_keys_have(const struct sensor_keys *k, uint32_t key) {
        for (uint32_t i = 0; i < k->count; i++)
                if (k->keys[i] == key)
                        return true;
        return false;
}

#endif
