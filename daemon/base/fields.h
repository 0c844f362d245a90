/*
 * fields.h - numbers out of the kernel's small texts: "key value" lines, and files of one number.
 *
 * A line counts only when it is whole, so a text that was cut in the middle of a number never gives a smaller one.
 */
#ifndef HEADROOM_DAEMON_BASE_FIELDS_H
#define HEADROOM_DAEMON_BASE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
        const char *key;
        bool is_kilobytes; /* "Key:  123 kB"; else "key 123" */
        bool found;
        uint64_t value; /* kilobytes are bytes here */
};

/*
 * Sets found and value of each; the first line of a key counts. A value that is no number, has another unit or does not fit
 * counts as not found.
 */
void fields_find(const char *text, struct field *fields, size_t count);

/* The whole text is one number, with or without the end of the line. *ret only when true. */
bool fields_number(const char *text, uint64_t *ret);

/* The same with a sign, in the 32 bits of a temperature: larger values become the end of the range. */
bool fields_millidegrees(const char *text, int32_t *ret);

#endif
