/*
 * units.c - numbers for people.
 *
 * A unit is chosen after rounding, so that nothing is ever shown as "1024 MiB" or "60 s".
 */
#include "ctl/output/units.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct human human_bytes(uint64_t bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        struct human h;
        if (bytes < 1024) {
                snprintf(h.text, sizeof(h.text), "%u B", (unsigned) bytes);
                return h;
        }
        double value = (double) bytes;
        size_t unit = 0;
        while (value >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
                value /= 1024;
                unit++;
        }
        bool decimal = unit >= 3 || value < 99.95;
        snprintf(h.text, sizeof(h.text), "%.*f %s", decimal ? 1 : 0, value, units[unit]);
        return h;
}

struct human human_signed_bytes(int64_t bytes) {
        struct human h = human_bytes(bytes < 0 ? 0 - (uint64_t) bytes : (uint64_t) bytes);
        if (bytes < 0) {
                memmove(h.text + 1, h.text, sizeof(h.text) - 2);
                h.text[0] = '-';
        }
        return h;
}

struct human human_duration_ms(uint64_t ms) {
        struct human h;
        unsigned long long s = ms / 1000, m = s / 60, hours = m / 60, days = hours / 24;
        if (ms < 9950)
                snprintf(h.text, sizeof(h.text), "%.1f s", (double) ms / 1000);
        else if (s < 60)
                snprintf(h.text, sizeof(h.text), "%llu s", s);
        else if (m < 60)
                snprintf(h.text, sizeof(h.text), "%llum %llus", m, s % 60);
        else if (hours < 24)
                snprintf(h.text, sizeof(h.text), "%lluh %llum", hours, m % 60);
        else
                snprintf(h.text, sizeof(h.text), "%llud %lluh", days, hours % 24);
        return h;
}

struct human human_clock(uint64_t unix_ms) {
        struct human h;
        time_t seconds = (time_t) (unix_ms / 1000);
        struct tm local;
        if (!localtime_r(&seconds, &local) || strftime(h.text, sizeof(h.text), "%b %d %H:%M:%S", &local) == 0)
                snprintf(h.text, sizeof(h.text), "-");
        return h;
}

struct human human_count(uint64_t count) {
        static const char *const units[] = { "", " K", " M", " B", " T" };
        struct human h;
        double value = (double) count;
        size_t unit = 0;
        while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
                value /= 1000;
                unit++;
        }
        int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
        snprintf(h.text, sizeof(h.text), "%.*f%s", decimals, value, units[unit]);
        return h;
}

struct human human_rate(double rate) {
        struct human h;
        int decimals = rate >= 99.95 ? 0 : rate >= 9.995 ? 1 : 2;
        snprintf(h.text, sizeof(h.text), "%.*f", decimals, rate);
        return h;
}

/* The worth of one of the unit after a number; 0 when it is not a unit. */
static double unit_worth(const char *unit, uint64_t whole) {
        static const struct {
                const char *name;
                double worth;
        } units[] = {
                { "", 1 },         { "B", 1 },       { "K", 0x1p10 },   { "KB", 0x1p10 },  { "KiB", 0x1p10 },
                { "M", 0x1p20 },   { "MB", 0x1p20 }, { "MiB", 0x1p20 }, { "G", 0x1p30 },   { "GB", 0x1p30 },
                { "GiB", 0x1p30 }, { "T", 0x1p40 },  { "TB", 0x1p40 },  { "TiB", 0x1p40 },
        };
        if (!strcmp(unit, "%"))
                return (double) whole / 100;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (!strcasecmp(unit, units[i].name))
                        return units[i].worth;
        return 0;
}

int human_parse_bytes(const char *text, uint64_t whole, uint64_t *ret) {
        if (*text < '0' || *text > '9')
                return -EINVAL;
        size_t digits = strspn(text, "0123456789.");
        char number[32];
        if (digits >= sizeof(number))
                return -EINVAL;
        memcpy(number, text, digits);
        number[digits] = '\0';

        char *end;
        double value = strtod(number, &end);
        if (*end)
                return -EINVAL;
        const char *unit = text + digits;
        if (*unit == ' ')
                unit++;
        double worth = unit_worth(unit, whole), bytes = value * worth;
        if (worth <= 0 || !(bytes < 0x1p63) || (*unit == '%' && value > 100))
                return -EINVAL;
        *ret = (uint64_t) llround(bytes);
        return 0;
}

int human_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        if (*text < '0' || *text > '9')
                return -EINVAL;
        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno || *end || value < min || value > max)
                return -EINVAL;
        *ret = value;
        return 0;
}
