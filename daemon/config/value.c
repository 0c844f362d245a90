/* value.c - text to sizes, times, shares, flags and addresses. Pure: no report, no state. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/net_address.h"
#include "daemon/base/text_distance.h"
#include "daemon/config/loader.h"

/* A non-negative decimal number without sign, exponent, hexadecimal or "inf": *ret_rest is what follows it. */
static bool read_number(const char *text, double *ret, const char **ret_rest) {
        char digits[40];
        size_t length = strspn(text, "0123456789.");

        if (!length || length >= sizeof digits || !isdigit((unsigned char) *text))
                return false;
        memcpy(digits, text, length);
        digits[length] = 0;
        char *end;
        double number = strtod(digits, &end);
        if (*end || !isfinite(number))
                return false;
        *ret = number;
        *ret_rest = text + length + strspn(text + length, " \t");
        return true;
}

static bool size_unit(const char *unit, double *ret) {
        static const char letters[] = "KMGT";
        const char *at = *unit ? strchr(letters, toupper((unsigned char) *unit)) : NULL;

        if (!*unit || !strcmp(unit, "B")) {
                *ret = 1;
                return true;
        }
        if (!at || (unit[1] && strcmp(unit + 1, "iB") != 0 && strcmp(unit + 1, "ib") != 0))
                return false;
        *ret = pow(1024, (double) (at - letters + 1));
        return true;
}

const char *value_size(const char *text, uint64_t *ret) {
        double number, unit;
        const char *rest;

        if (!read_number(text, &number, &rest) || !size_unit(rest, &unit))
                return "is no size; write bytes, or a number with K, M, G or T, such as 12GiB";
        if (number * unit >= 0x1p62)
                return "is more bytes than any machine has";
        *ret = (uint64_t) (number * unit);
        return NULL;
}

const char *value_size_or_share(const char *text, uint64_t whole, uint64_t *ret) {
        double number;
        const char *rest;

        if (!read_number(text, &number, &rest) || strcmp(rest, "%") != 0)
                return value_size(text, ret);
        if (number > 100)
                return "is more than 100%";
        *ret = (uint64_t) ((double) whole * number / 100);
        return NULL;
}

const char *value_fraction(const char *text, double *ret) {
        double number;
        const char *rest;

        if (!read_number(text, &number, &rest) || (*rest && strcmp(rest, "%") != 0))
                return "is no share; write a number from 0 to 1, or a percentage such as 60%";
        if (*rest)
                number /= 100;
        if (number > 1)
                return "is more than the whole; write a number from 0 to 1, or a percentage such as 60%";
        *ret = number;
        return NULL;
}

const char *value_degrees(const char *text, uint32_t *ret_millidegrees) {
        double number;
        const char *rest;

        if (!read_number(text, &number, &rest) || (*rest && strcmp(rest, "C") != 0))
                return "is no temperature; write degrees Celsius such as 15 or 87.5";
        if (number > 200)
                return "is too much; the most is 200 degrees";
        *ret_millidegrees = (uint32_t) (number * 1000);
        return NULL;
}

const char *value_duration(const char *text, uint64_t *ret_ms) {
        static const struct {
                const char *unit;
                double ms;
        } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
        double number;
        const char *rest;

        if (!read_number(text, &number, &rest))
                return "is no time; write a number with ms, s, m or h, such as 5m";
        if (number > 1e9)
                return "is longer than anyone lives";
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                if (!strcmp(rest, units[i].unit)) {
                        *ret_ms = (uint64_t) (number * units[i].ms);
                        return NULL;
                }
        if (!*rest && number == 0) {
                *ret_ms = 0;
                return NULL;
        }
        return *rest ? "has an unknown unit; write a number with ms, s, m or h, such as 5m"
                     : "has no unit; write ms, s, m or h behind it, such as 5m";
}

const char *value_integer(const char *text, int64_t *ret) {
        char *end;

        errno = 0;
        long long number = strtoll(text, &end, 10);
        if (end == text || *end || isspace((unsigned char) *text))
                return "is no whole number";
        if (errno)
                return "is a number far too large";
        *ret = number;
        return NULL;
}

const char *value_flag(const char *text, bool *ret) {
        static const char *const words[2][4] = { { "no", "false", "off", "0" }, { "yes", "true", "on", "1" } };

        for (size_t i = 0; i < 8; i++)
                if (!strcasecmp(text, words[i / 4][i % 4])) {
                        *ret = i / 4;
                        return NULL;
                }
        return "is neither yes nor no";
}

static bool read_port(const char *text, uint16_t *ret) {
        int64_t port;

        if (value_integer(text, &port) || port < 0 || port > UINT16_MAX)
                return false;
        *ret = (uint16_t) port;
        return true;
}

/* "127.0.0.1:80", "[::1]:80", "localhost:80", or a bare port; a bare address keeps the port that *ret_port holds. */
const char *value_address(const char *text, char ret_address[64], uint16_t *ret_port) {
        char address[64] = "127.0.0.1";
        uint16_t port = *ret_port;
        bool is_port = *text && !text[strspn(text, "0123456789")];
        const char *start = *text == '[' ? text + 1 : text;
        size_t length = is_port ? 0 : strcspn(start, *text == '[' ? "]" : ":");
        const char *rest = start + length;

        if (*text == '[')
                rest += *rest == ']' ? 1 : 0;
        if (length >= sizeof address || (*text == '[' && rest[-1] != ']') || (!is_port && *rest && *rest != ':'))
                return "is no address; write one such as " CONFIG_ADDRESS_PORT;
        if (!is_port) {
                memcpy(address, start, length);
                address[length] = 0;
        }
        const char *port_text = is_port ? text : *rest ? rest + 1 : NULL;
        if (port_text && !read_port(port_text, &port))
                return "has no valid port; write one from 0 to 65535, such as " CONFIG_ADDRESS_PORT;
        if (!strcmp(address, "localhost"))
                strcpy(address, "127.0.0.1");
        struct in6_addr any;
        if (!net_address_read(address, strlen(address), &any))
                return "is no numeric address; write one such as " CONFIG_ADDRESS_PORT;
        strcpy(ret_address, address);
        *ret_port = port;
        return NULL;
}

const char *value_nearest(const char *word, const char *const *words) {
        const char *nearest = NULL;
        unsigned best = text_slip(word) + 1;

        for (; *words; words++) {
                unsigned distance = text_distance(word, *words, best);
                if (distance < best) {
                        best = distance;
                        nearest = *words;
                }
        }
        return nearest;
}

/* "7:05" or "07:05", up to what is no digit. */
static bool read_minute(const char **at, uint32_t *ret) {
        unsigned hour, minute;
        int used = 0;

        if (!isdigit((unsigned char) **at) || sscanf(*at, "%2u:%2u%n", &hour, &minute, &used) != 2 ||
            !isdigit((unsigned char) (*at)[used - 2]) || hour > 23 || minute > 59)
                return false;
        *at += used;
        *ret = hour * 60 + minute;
        return true;
}

const char *value_hours(const char *text, uint32_t *ret_from, uint32_t *ret_until) {
        uint32_t from, until;

        *ret_from = *ret_until = 0;
        if (!strcmp(text, "always"))
                return NULL;
        if (!read_minute(&text, &from) || *text++ != '-' || !read_minute(&text, &until) || *text)
                return "is no part of a day; write two times of day, such as 22:00-07:00, or always";
        if (from == until)
                return "is no part of a day, since it ends when it begins; write always for the whole day";
        *ret_from = from;
        *ret_until = until;
        return NULL;
}
