/* terminal.c - output that is safe for a terminal. */
#include "ctl/output/terminal.h"

#include <assert.h>
#include <locale.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "ctl/base/bounds.h"
#include "ctl/output/utf8.h"

void terminal_init(void) {
        (void) setlocale(LC_CTYPE, "C.UTF-8");
}

/* Controls, and the marks that reverse, hide or break a line. */
static bool is_plain(uint32_t point) {
        if (point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad)
                return false;
        if ((point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f))
                return false;
        return point != 0x61c && point != 0xfeff && (point & 0xfffe) != 0xfffe && point < 0xe0000;
}

char *terminal_escape(const char *text) {
        char *escaped = malloc(strlen(text) * 4 + 1); /* the worst: one byte becomes \xNN */
        assert(escaped);
        char *out = escaped;
        while (*text) {
                uint32_t point;
                size_t length = utf8_decode(text, &point);
                if (length > 0 && is_plain(point)) {
                        memcpy(out, text, length);
                        out += length;
                } else if (length > 2) {
                        out += sprintf(out, point > 0xffff ? "\\U%06x" : "\\u%04x", point);
                } else {
                        length = length ? length : 1;
                        for (size_t i = 0; i < length; i++)
                                out += sprintf(out, "\\x%02x", (unsigned char) text[i]);
                }
                text += length;
        }
        *out = '\0';
        return escaped;
}

static size_t columns_of(uint32_t point) {
        int width = wcwidth((wchar_t) point);
        return width < 0 ? 1 : (size_t) width;
}

size_t terminal_columns(const char *text) {
        size_t columns = 0;
        while (*text) {
                uint32_t point;
                size_t length = utf8_decode(text, &point);
                columns += length ? columns_of(point) : 1;
                text += length ? length : 1;
        }
        return columns;
}

/* Bytes of TEXT that fill up to COLUMNS. */
static size_t bytes_within(const char *text, size_t columns) {
        size_t bytes = 0;
        while (text[bytes]) {
                uint32_t point = 0;
                size_t length = utf8_decode(text + bytes, &point);
                size_t width = length ? columns_of(point) : 1;
                if (width > columns)
                        break;
                columns -= width;
                bytes += length ? length : 1;
        }
        return bytes;
}

char *terminal_shorten(const char *text, size_t columns) {
        size_t all = terminal_columns(text);
        if (all <= columns || columns == 0) {
                char *copy = strdup(text);
                assert(copy);
                return copy;
        }
        size_t head = bytes_within(text, columns / 2);
        size_t skipped = bytes_within(text, all - (columns - 1 - columns / 2));
        char *shortened;
        int rc = asprintf(&shortened, "%.*s…%s", (int) head, text, text + skipped);
        assert(rc >= 0);
        return shortened;
}

size_t terminal_width(FILE *out) {
        if (!isatty(fileno(out)))
                return 0;
        struct winsize size;
        if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                return size.ws_col < TERMINAL_COLUMNS_MIN ? 0 : size.ws_col;
        return 80;
}

bool terminal_has_colours(FILE *out) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        if (no_color && *no_color)
                return false;
        return isatty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
}

char *terminal_format(const char *format, va_list args) {
        char *text;
        int rc = vasprintf(&text, format, args);
        assert(rc >= 0);
        char *escaped = terminal_escape(text);
        free(text);
        return escaped;
}

const char *terminal_tint(bool colours, enum tint tint) {
        static const char *const sequences[TINT_COUNT] = {
                [TINT_NONE] = "",        [TINT_GOOD] = "\033[32m", [TINT_WARN] = "\033[33m",
                [TINT_BAD] = "\033[31m", [TINT_DIM] = "\033[2m",
        };
        return colours ? sequences[tint] : "";
}

const char *terminal_plain(bool colours, enum tint tint) {
        return colours && tint != TINT_NONE ? "\033[0m" : "";
}

void complain(const char *format, ...) {
        va_list args;
        va_start(args, format);
        char *text = terminal_format(format, args);
        va_end(args);
        fprintf(stderr, "headroomctl: %s\n", text);
        free(text);
}
