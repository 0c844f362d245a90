/* temp_sources.c - see temp_sources.h. */
#include "daemon/thermal/temp_sources.h"

#include "daemon/thermal/hwmon.h"
#include "daemon/thermal/thermal_zone.h"

/* In this order: a zone looks at what hwmon has found. */
static const struct {
        const char *word;
        void (*find)(const char *sys, struct thermometers *list);
} sources[THERMOMETER_KINDS] = {
        [THERMOMETER_HWMON] = { "hwmon", hwmon_find },
        [THERMOMETER_ZONE] = { "zone", thermal_zone_find },
};

void temp_sources_find(const char *sys, struct thermometers *ret) {
        ret->count = ret->left_out = 0;
        for (unsigned kind = 0; kind < THERMOMETER_KINDS; kind++)
                sources[kind].find(sys, ret);
}

const char *temp_source_word(enum thermometer_kind kind) {
        return sources[kind].word;
}
