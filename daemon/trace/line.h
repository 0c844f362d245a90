/*
 * line.h - one line of JSON into memory that is there already.
 *
 * A line that does not fit is full: further parts are left out, and the writer asks once, at the end. Texts and arrays that are
 * longer than a bound are cut, and an object in their place tells how long they were: {"cut": what is there, "bytes": N} or
 * "items". Bytes that are no UTF-8 become question marks.
 */
#ifndef HEADROOM_DAEMON_TRACE_LINE_H
#define HEADROOM_DAEMON_TRACE_LINE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct line {
        char *bytes; /* not terminated */
        size_t size, used;
        bool is_full;
};

void line_puts(struct line *l, const char *text);
void line_printf(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3))); /* at most 256 bytes */
/* With its quotes; NULL becomes null. */
void line_text(struct line *l, const char *text);
void line_value(struct line *l, const cJSON *value);

#endif
