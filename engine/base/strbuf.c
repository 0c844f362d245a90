/* strbuf.c - a growing buffer; capacity doubles, so adding n bytes costs O(n). */
#include "engine/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"

#define CAPACITY_FIRST 256u

void text_done(struct text *t) {
        if (!t->is_lent)
                free(t->bytes);
        t->bytes = NULL;
        t->used = t->capacity = 0;
        t->failed = t->is_full = false;
}

void text_clear(struct text *t) {
        t->used = 0;
        t->failed = t->is_full = false;
        if (t->bytes)
                t->bytes[0] = 0;
}

/* Room for COUNT more bytes and the NUL. */
static bool reserve(struct text *t, size_t count) {
        size_t max = t->max ? t->max : TEXT_MAX_DEFAULT;

        if (t->failed)
                return false;
        if (count > max - t->used)
                return !(t->failed = t->is_full = true);
        size_t needed = t->used + count + 1;
        if (needed <= t->capacity)
                return true;
        if (t->is_lent)
                return !(t->failed = true);
        size_t capacity = t->capacity ? t->capacity : CAPACITY_FIRST;
        while (capacity < needed)
                capacity *= 2;
        if (capacity > max + 1)
                capacity = max + 1;
        char *bytes = realloc(t->bytes, capacity);
        if (!bytes)
                return !(t->failed = true);
        t->bytes = bytes;
        t->capacity = capacity;
        return true;
}

bool text_add(struct text *t, const void *bytes, size_t count) {
        if (!reserve(t, count))
                return false;
        if (count)
                memcpy(t->bytes + t->used, bytes, count);
        t->used += count;
        t->bytes[t->used] = 0;
        return true;
}

bool text_puts(struct text *t, const char *string) {
        return text_add(t, string, strlen(string));
}

void text_drop(struct text *t, size_t count) {
        if (count == 0)
                return;
        t->used -= count;
        memmove(t->bytes, t->bytes + count, t->used + 1);
}

bool text_printf(struct text *t, const char *format, ...) {
        va_list args, again;

        va_start(args, format);
        va_copy(again, args);
        int length = vsnprintf(NULL, 0, format, args);
        bool done = length >= 0 && reserve(t, (size_t) length);
        if (done) {
                (void) vsnprintf(t->bytes + t->used, (size_t) length + 1, format, again);
                t->used += (size_t) length;
        }
        va_end(again);
        va_end(args);
        return done;
}

static const char *escape_of(unsigned char c) {
        static const char *const named[] = {
                ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"
        };

        return c < sizeof named / sizeof *named ? named[c] : NULL;
}

bool text_json(struct text *t, const char *string) {
        if (!string)
                return text_puts(t, "null");
        text_add(t, "\"", 1);
        const char *plain = string; /* start of what needs no escape */
        for (const char *c = string; *c; c++) {
                unsigned char byte = (unsigned char) *c;
                bool is_nul = c[0] == JSON_NUL[0] && c[1] == JSON_NUL[1];
                const char *escape = is_nul ? "\\u0000" : escape_of(byte);
                if (!escape && byte >= 0x20 && byte != 0x7f)
                        continue;
                text_add(t, plain, (size_t) (c - plain));
                if (escape)
                        text_puts(t, escape);
                else
                        text_printf(t, "\\u%04x", byte);
                c += is_nul;
                plain = c + 1;
        }
        text_puts(t, plain);
        return text_add(t, "\"", 1);
}

const char *text_string(const struct text *t) {
        return t->bytes ? t->bytes : "";
}

size_t text_character_length(const char *text, size_t count) {
        const unsigned char *bytes = (const unsigned char *) text;
        unsigned char first = bytes[0];
        size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;

        if (!length || length > count)
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((bytes[i] & 0xc0) != 0x80)
                        return 0;
        if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) || (first == 0xf0 && bytes[1] < 0x90) ||
            (first == 0xf4 && bytes[1] > 0x8f))
                return 0;
        return length;
}

/* How many of the first bytes are ASCII, looked at eight at a time: bodies of many megabytes pass through here. */
static size_t ascii_length(const char *bytes, size_t count) {
        size_t at = 0;
        for (uint64_t word; at + sizeof word <= count; at += sizeof word) {
                memcpy(&word, bytes + at, sizeof word);
                if (word & 0x8080808080808080)
                        break;
        }
        return at;
}

bool text_is_utf8(const char *bytes, size_t count) {
        for (size_t at = ascii_length(bytes, count); at < count; at += ascii_length(bytes + at, count - at)) {
                size_t length = text_character_length(bytes + at, count - at);
                if (!length)
                        return false;
                at += length;
        }
        return true;
}

void text_repair(char *text) {
        for (size_t at = 0, count = strlen(text); at < count;) {
                size_t length = text_character_length(text + at, count - at);
                if (!length)
                        text[at] = '?';
                at += length ? length : 1;
        }
}
