/*
 * terminal.h - output that is safe for a terminal.
 *
 * Model names, paths and the last words of an engine come from outside: printed as they are they could move the
 * cursor, change colours or reverse the reading direction. Everything that is not a plain printable character is
 * shown as \xNN or \uNNNN instead.
 */
#ifndef HEADROOM_CTL_OUTPUT_TERMINAL_H
#define HEADROOM_CTL_OUTPUT_TERMINAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum tint { TINT_NONE, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_DIM, TINT_COUNT };

/* Call once: widths of characters are those of UTF-8 whatever the environment says. */
void terminal_init(void);

/* TEXT made printable, on one line; malloc'ed. */
char *terminal_escape(const char *text);

/* The formatted text, made printable; malloc'ed. */
char *terminal_format(const char *format, va_list args);

/* Columns that printable UTF-8 TEXT takes. */
size_t terminal_columns(const char *text);

/* Printable TEXT cut to COLUMNS by taking from its middle ("qwen3-…-Q4_K_M"); malloc'ed. */
char *terminal_shorten(const char *text, size_t columns);

/* Columns of the terminal behind OUT; 0 when it is none (a pipe or a file is never cut). */
size_t terminal_width(FILE *out);

/* A terminal that understands colours, and NO_COLOR is not set. */
bool terminal_has_colours(FILE *out);

/* The sequences that switch TINT on and everything off; "" when COLOURS is false or TINT is none. */
const char *terminal_tint(bool colours, enum tint tint);
const char *terminal_plain(bool colours, enum tint tint);

/* One line "headroomctl: ..." on stderr, escaped. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
