/* thermal_zone.c - thermal_zoneN/type. The key counts zones of one type, in the order of their numbers. */
#include "daemon/thermal/thermal_zone.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cleanup.h"

/* Intel's package, ARM's and Intel's firmware's names for the processor. Never acpitz: 16.8, 27.8 degrees for ever. */
static const char *const believed[] = { "x86_pkg_temp", "cpu*", "soc*thermal*", "TCPU*", "B0D4" };

static bool is_believed(const char *type) {
        for (size_t i = 0; i < sizeof(believed) / sizeof(believed[0]); i++)
                if (fnmatch(believed[i], type, 0) == 0)
                        return true;
        return false;
}

/* hwmon shows a zone under its type, with '-' as '_'. */
static bool is_same_name(const char *chip, const char *type) {
        for (; *chip && *type; chip++, type++)
                if (*chip != (*type == '-' ? '_' : *type))
                        return false;
        return *chip == *type;
}

static bool is_in_hwmon(const struct thermometers *list, const char *type) {
        for (uint32_t i = 0; i < list->count; i++)
                if (list->all[i].is_zone_copy && is_same_name(list->all[i].chip, type))
                        return true;
        return false;
}

static bool has_package(const struct thermometers *list) {
        for (uint32_t i = 0; i < list->count; i++)
                if (list->all[i].kind != THERMOMETER_ZONE && list->all[i].rank == THERMOMETER_PACKAGE)
                        return true;
        return false;
}

static void add_zone(const char *sys, unsigned number, struct thermometers *list) {
        struct thermometer t = { .kind = THERMOMETER_ZONE, .input = "/temp" };
        int length = snprintf(t.directory, sizeof(t.directory), "%s/class/thermal/thermal_zone%u", sys, number);
        if (length < 0 || (size_t) length >= sizeof(t.directory) || !thermometer_word(t.directory, "/type", t.chip) ||
            !is_believed(t.chip) || is_in_hwmon(list, t.chip))
                return;
        unsigned same = 0;
        for (uint32_t i = 0; i < list->count; i++)
                same += list->all[i].kind == THERMOMETER_ZONE && strcmp(list->all[i].chip, t.chip) == 0;
        char text[16];
        (void) snprintf(text, sizeof(text), "%u", same);
        t.key = thermometer_key("zone", t.chip, text, NULL);
        /* A zone only repeats the processor's temperature where a driver reports that itself. */
        t.rank = has_package(list) ? THERMOMETER_OTHER : THERMOMETER_PACKAGE;
        thermometers_add(list, &t);
}

static int by_number(const void *a, const void *b) {
        unsigned left = *(const unsigned *) a, right = *(const unsigned *) b;
        return (left > right) - (left < right);
}

void thermal_zone_find(const char *sys, struct thermometers *list) {
        unsigned numbers[ZONES_MAX];
        size_t count = 0;
        char path[PLACE_MAX];
        int length = snprintf(path, sizeof(path), "%s/class/thermal", sys);
        auto_closedir DIR *directory = length > 0 && (size_t) length < sizeof(path) ? opendir(path) : NULL;
        for (struct dirent *entry; directory && count < ZONES_MAX && (entry = readdir(directory));) {
                if (strncmp(entry->d_name, "thermal_zone", 12) == 0)
                        numbers[count++] = (unsigned) strtoul(entry->d_name + 12, NULL, 10);
        }
        qsort(numbers, count, sizeof(numbers[0]), by_number);
        for (size_t i = 0; i < count; i++)
                add_zone(sys, numbers[i], list);
}
