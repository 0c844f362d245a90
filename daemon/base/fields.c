/* fields.c - one pass over the lines, all keys at once: vmstat alone has two hundred lines, at every look. */
#include "daemon/base/fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* AT is behind the key. */
static bool take_value(const char *at, struct field *f) {
        if (f->is_kilobytes && *at++ != ':')
                return false;
        at += strspn(at, " \t"); /* /proc/PID/status has tabs */
        if (*at < '0' || *at > '9')
                return false;
        char *end;
        errno = 0;
        unsigned long long value = strtoull(at, &end, 10);
        if (errno != 0 || strncmp(end, f->is_kilobytes ? " kB\n" : "\n", f->is_kilobytes ? 4 : 1) != 0)
                return false;
        if (f->is_kilobytes && value > UINT64_MAX >> 10)
                return false;
        f->value = f->is_kilobytes ? (uint64_t) value << 10 : value;
        return true;
}

void fields_find(const char *text, struct field *fields, size_t count) {
        size_t wanted = count;
        for (size_t i = 0; i < count; i++)
                fields[i].found = false;
        for (const char *line = text; line && *line && wanted > 0; line = strchr(line, '\n'), line += line != NULL) {
                size_t length = strcspn(line, ": \n");
                for (size_t i = 0; i < count; i++) {
                        struct field *f = &fields[i];
                        if (f->found || line[0] != f->key[0] || strlen(f->key) != length || memcmp(line, f->key, length) != 0)
                                continue;
                        f->found = take_value(line + length, f);
                        wanted -= f->found;
                        break;
                }
        }
}

bool fields_number(const char *text, uint64_t *ret) {
        if (*text < '0' || *text > '9')
                return false;
        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno != 0 || (*end != '\n' && *end != '\0'))
                return false;
        *ret = value;
        return true;
}

bool fields_millidegrees(const char *text, int32_t *ret) {
        const char *digits = text + (*text == '-');
        if (*digits < '0' || *digits > '9')
                return false;
        char *end;
        long long value = strtoll(text, &end, 10); /* too large a number becomes the largest: out of range below too */
        if (*end != '\n' && *end != '\0')
                return false;
        *ret = value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t) value;
        return true;
}
