/* hwmon.c - hwmonN/{name,device,tempN_input,tempN_label}; the numbers of temperatures have holes. */
#include "daemon/thermal/hwmon.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cleanup.h"

static bool matches(const char *const *patterns, size_t count, const char *text) {
        for (size_t i = 0; i < count; i++)
                if (fnmatch(patterns[i], text, 0) == 0)
                        return true;
        return false;
}
#define MATCHES(PATTERNS, TEXT) matches(PATTERNS, sizeof(PATTERNS) / sizeof(PATTERNS[0]), TEXT)

/* "cpu_thermal", "soc_thermal", "cpu0_thermal": zones of ARM boards, shown as hwmon too; "via_cputemp". */
static const char *const processor_chips[] = { "*cpu*", "soc*thermal*" };
static const char *const amd_chips[] = { "k10temp", "zenpower", "k8temp" };
static const char *const package_labels[] = { "Package id *", "Physical id *", "Tdie*", "Tccd*" };
static const char *const part_labels[] = { "*CPU*", "*PECI*", "Core *", "Tctl*" };
/* Thermometers of boards and of memory modules, by the names of their drivers in Linux. */
static const char *const board_chips[] = { "lm[0-9]*", "tmp[0-9]*", "jc42",  "spd5118", "adt7*", "adm1*",  "ds[0-9]*",
                                           "max6*",    "mcp98*",    "at30*", "stts*",   "pct*",  "stlm75", "g751",
                                           "tcn75",    "nct*",      "it8*",  "w83*",    "f71*",  "sch56*", "emc*" };

enum thermometer_rank hwmon_rank(const char *chip, const char *label) {
        bool is_amd = MATCHES(amd_chips, chip);
        if (is_amd || strcmp(chip, "coretemp") == 0)
                return MATCHES(package_labels, label) || (is_amd && *label == '\0') ? THERMOMETER_PACKAGE : THERMOMETER_PART;
        if (MATCHES(processor_chips, chip))
                return THERMOMETER_PACKAGE;
        if (MATCHES(part_labels, label))
                return THERMOMETER_PART;
        return MATCHES(board_chips, chip) ? THERMOMETER_BOARD : THERMOMETER_OTHER;
}

/* "tempN_input" -> N; 0: it is something else. */
static unsigned temperature_number(const char *name) {
        if (strncmp(name, "temp", 4) != 0 || name[4] < '1' || name[4] > '9')
                return 0;
        char *end;
        unsigned long number = strtoul(name + 4, &end, 10);
        return strcmp(end, "_input") == 0 && number <= TEMPERATURES_MAX ? (unsigned) number : 0;
}

/* The path of the device below SYS; without one, that of the class directory without its number. */
static bool device_path(const char *sys, const char *directory, char ret[PATH_MAX]) {
        char path[PLACE_MAX], sys_whole[PATH_MAX];
        int length = snprintf(path, sizeof(path), "%s/device", directory);
        if (length < 0 || (size_t) length >= sizeof(path) || !realpath(sys, sys_whole))
                return false;
        bool has_device = realpath(path, ret) != NULL;
        if (!has_device && !realpath(directory, ret))
                return false;
        char *slash = strrchr(ret, '/');
        if (!has_device && slash)
                *slash = '\0';
        size_t prefix = strlen(sys_whole);
        if (strncmp(ret, sys_whole, prefix) == 0)
                memmove(ret, ret + prefix, strlen(ret + prefix) + 1);
        return true;
}

static void add_temperature(struct thermometers *list, const struct thermometer *device, const char *path, unsigned number) {
        struct thermometer t = *device;
        char name[CHIP_NAME_MAX];
        (void) snprintf(t.base, sizeof(t.base), "/temp%u", number);
        (void) snprintf(name, sizeof(name), "/temp%u_label", number);
        bool has_label = thermometer_word(t.directory, name, t.label);
        t.rank = hwmon_rank(t.chip, has_label ? t.label : "");
        if (!has_label)
                (void) strcpy(t.label, t.base + 1);
        t.key = thermometer_key("hwmon", path, t.chip, t.label, NULL);
        thermometers_add(list, &t);
}

/* No processor is without a whole: where a driver tells none (old ones, Tctl alone), its parts stand for it. */
static void raise_parts(struct thermometers *list, const struct thermometer *device) {
        bool is_driver = strcmp(device->chip, "coretemp") == 0 || MATCHES(amd_chips, device->chip);
        for (uint32_t i = 0; i < list->count && is_driver; i++) {
                const struct thermometer *t = &list->all[i];
                if (t->rank == THERMOMETER_PACKAGE && strcmp(t->directory, device->directory) == 0)
                        is_driver = false;
        }
        for (uint32_t i = 0; i < list->count && is_driver; i++) {
                if (strcmp(list->all[i].directory, device->directory) == 0)
                        list->all[i].rank = THERMOMETER_PACKAGE;
        }
}

static void add_device(const char *sys, const char *name, struct thermometers *list) {
        struct thermometer device = { .kind = THERMOMETER_HWMON, .input = "_input" };
        char path[PATH_MAX];
        int length = snprintf(device.directory, sizeof(device.directory), "%s/class/hwmon/%s", sys, name);
        if (length < 0 || (size_t) length >= sizeof(device.directory) || !device_path(sys, device.directory, path))
                return;
        /* Every device has a name; one without is told apart by its path alone. */
        if (!thermometer_word(device.directory, "/name", device.chip))
                (void) strcpy(device.chip, "unnamed");
        device.is_zone_copy = strstr(path, "/thermal_zone") != NULL;
        bool has[TEMPERATURES_MAX + 1] = { false };
        auto_closedir DIR *directory = opendir(device.directory);
        for (struct dirent *entry; directory && (entry = readdir(directory));)
                has[temperature_number(entry->d_name)] = true;
        /* In their order, so that two of one label get the same keys every time. */
        for (unsigned number = 1; number <= TEMPERATURES_MAX; number++)
                if (has[number])
                        add_temperature(list, &device, path, number);
        raise_parts(list, &device);
}

void hwmon_find(const char *sys, struct thermometers *list) {
        char path[PLACE_MAX];
        int length = snprintf(path, sizeof(path), "%s/class/hwmon", sys);
        auto_closedir DIR *directory = length > 0 && (size_t) length < sizeof(path) ? opendir(path) : NULL;
        for (struct dirent *entry; directory && (entry = readdir(directory));)
                if (strncmp(entry->d_name, "hwmon", 5) == 0)
                        add_device(sys, entry->d_name, list);
}
