/* tainted.c - see tainted.h. */
#include "engine/jinja_value/tainted.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/unicode/unicode.h"

struct tainted tainted_of(const char *string) {
        return (struct tainted){ .bytes = string, .length = strlen(string) };
}

bool tainted_equals(struct tainted a, struct tainted b) {
        return a.length == b.length && (a.length == 0 || !memcmp(a.bytes, b.bytes, a.length));
}

bool tainted_is(struct tainted a, const char *string) {
        return tainted_equals(a, tainted_of(string));
}

/* UTF-8 sorts by bytes as by code points. */
int tainted_compare(struct tainted a, struct tainted b) {
        size_t shorter = a.length < b.length ? a.length : b.length;
        int order = shorter ? memcmp(a.bytes, b.bytes, shorter) : 0;
        return order ? order : (a.length > b.length) - (a.length < b.length);
}

struct tainted tainted_slice(struct tainted m, size_t from, size_t to) {
        m.bytes += from;
        m.length = to - from;
        if (m.marks)
                m.marks += from;
        return m;
}

size_t tainted_find(struct jinja_job *job, struct tainted m, struct tainted needle, size_t from) {
        if (from > m.length)
                return SIZE_MAX;
        if (needle.length == 0)
                return from;
        const char *found = memmem(m.bytes + from, m.length - from, needle.bytes, needle.length);
        size_t at = found ? (size_t) (found - m.bytes) : m.length;
        jinja_spend_bytes(job, at - from);
        return found ? at : SIZE_MAX;
}

size_t tainted_find_last(struct jinja_job *job, struct tainted m, struct tainted needle) {
        size_t last = SIZE_MAX;
        for (size_t at = 0; (at = tainted_find(job, m, needle, at)) != SIZE_MAX; at++) {
                jinja_spend(job, 1);
                last = at;
        }
        return last;
}

bool tainted_starts(struct tainted m, struct tainted prefix) {
        return prefix.length <= m.length && (!prefix.length || !memcmp(m.bytes, prefix.bytes, prefix.length));
}

bool tainted_ends(struct tainted m, struct tainted suffix) {
        return suffix.length <= m.length &&
               (!suffix.length || !memcmp(m.bytes + m.length - suffix.length, suffix.bytes, suffix.length));
}

size_t tainted_step(struct tainted m, size_t at) {
        return unicode_char_at(m.bytes + at, m.length - at).length;
}

uint32_t tainted_char(struct tainted m, size_t at, size_t *ret_step) {
        struct unicode_char c = unicode_char_at(m.bytes + at, m.length - at);
        *ret_step = c.length;
        return c.codepoint;
}

size_t tainted_characters(struct jinja_job *job, struct tainted m) {
        size_t count = 0;
        jinja_spend_chars(job, m.length);
        for (size_t at = 0; at < m.length; at += tainted_step(m, at))
                count++;
        return count;
}

bool tainted_is_space(struct tainted m, size_t at, size_t *ret_step) {
        struct unicode_char c = unicode_char_at(m.bytes + at, m.length - at);
        *ret_step = c.length;
        return c.kind == UNICODE_SPACE || (c.codepoint >= 0x1c && c.codepoint <= 0x1f);
}

static bool ends_line(uint32_t codepoint) {
        return (codepoint >= '\n' && codepoint <= '\r') || (codepoint >= 0x1c && codepoint <= 0x1e) || codepoint == 0x85 ||
               codepoint == 0x2028 || codepoint == 0x2029;
}

size_t tainted_line_end(struct jinja_job *job, struct tainted m, size_t from, size_t *ret_next) {
        size_t end = from, step = 0;
        uint32_t codepoint = 0;
        for (; end < m.length && !ends_line(codepoint = tainted_char(m, end, &step)); end += step)
                ;
        *ret_next = end < m.length ? end + step : end;
        if (end < m.length && codepoint == '\r' && *ret_next < m.length && m.bytes[*ret_next] == '\n')
                ++*ret_next;
        jinja_spend_chars(job, *ret_next - from);
        return end;
}

/* Whether the character at AT is one of CHARACTERS, or white space where these are not given. */
static bool strips(struct jinja_job *job, struct tainted m, size_t at, struct tainted characters, size_t *ret_step) {
        bool space = tainted_is_space(m, at, ret_step);
        if (!characters.bytes)
                return space;
        jinja_spend(job, 1);
        return tainted_find(job, characters, tainted_slice(m, at, at + *ret_step), 0) != SIZE_MAX;
}

/* The beginning of the character that ends at END. */
static size_t step_back(struct tainted m, size_t end) {
        for (size_t back = end < 4 ? end : 4; back > 1; back--)
                if (unicode_char_at(m.bytes + end - back, back).length == back)
                        return end - back;
        return end - 1;
}

struct tainted tainted_strip(struct jinja_job *job, struct tainted m, struct tainted characters, unsigned sides) {
        size_t from = 0, to = m.length, step;
        while ((sides & STRIP_LEFT) && from < to && strips(job, m, from, characters, &step))
                from += step;
        while ((sides & STRIP_RIGHT) && from < to) {
                size_t at = step_back(m, to);
                if (!strips(job, m, at, characters, &step))
                        break;
                to = at;
        }
        jinja_spend_chars(job, m.length - (to - from));
        return tainted_slice(m, from, to);
}

/* ---- making ---- */

static void make_room(struct builder *b, size_t count) {
        if (count <= b->capacity - b->used)
                return;
        size_t capacity = b->used + count < 32 ? 64 : 2 * (b->used + count);
        char *bytes = jinja_take(b->job, capacity, 1);
        if (b->used)
                memcpy(bytes, b->bytes, b->used);
        b->bytes = bytes;
        if (b->marks) {
                uint8_t *marks = jinja_take(b->job, capacity, 1);
                memcpy(marks, b->marks, b->used);
                b->marks = marks;
        }
        b->capacity = capacity;
}

void builder_add(struct builder *b, struct tainted m) {
        if (m.length == 0)
                return;
        jinja_spend_bytes(b->job, m.length);
        make_room(b, m.length);
        if (b->used == 0 && !m.marks && !b->marks)
                b->outside = m.outside;
        if (!b->marks && (m.marks || m.outside != b->outside)) {
                b->marks = jinja_take(b->job, b->capacity, 1);
                memset(b->marks, b->outside, b->used);
        }
        memcpy(b->bytes + b->used, m.bytes, m.length);
        if (b->marks && m.marks)
                memcpy(b->marks + b->used, m.marks, m.length);
        else if (b->marks)
                memset(b->marks + b->used, m.outside, m.length);
        b->used += m.length;
}

void builder_puts(struct builder *b, const char *string) {
        builder_add(b, tainted_of(string));
}

void builder_printf(struct builder *b, const char *format, ...) {
        char text[512];
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        builder_puts(b, text);
}

void builder_repeat(struct builder *b, struct tainted m, size_t times) {
        if (m.length && times > JINJA_RUN_BYTES_MAX / m.length)
                jinja_fail(b->job, "a text would be repeated %zu times", times);
        jinja_spend(b->job, times);
        for (size_t i = 0; i < times && m.length; i++)
                builder_add(b, m);
}

void builder_char(struct builder *b, uint32_t codepoint, bool outside) {
        char utf8[4];
        size_t n = codepoint < 0x80 ? 1 : codepoint < 0x800 ? 2 : codepoint < 0x10000 ? 3 : 4;
        static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
        for (size_t i = n; i-- > 1; codepoint >>= 6)
                utf8[i] = (char) (0x80 | (codepoint & 0x3f));
        utf8[0] = (char) (lead[n] | codepoint);
        builder_add(b, (struct tainted){ .bytes = utf8, .length = n, .outside = outside });
}

struct tainted builder_text(const struct builder *b) {
        return (struct tainted){ b->bytes ? b->bytes : "", b->used, b->marks, b->outside };
}
