/* unicode.c - see unicode.h. */
#include "engine/tokenizer/unicode.h"

#include "engine/printable.h"

static enum unicode_kind kind_of_ascii(uint32_t c) {
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                return UNICODE_LETTER;
        if (c >= '0' && c <= '9')
                return UNICODE_NUMBER;
        return c == ' ' || (c >= '\t' && c <= '\r') ? UNICODE_SPACE : UNICODE_OTHER;
}

static enum unicode_kind kind_of(uint32_t codepoint) {
        if (codepoint < 0x80)
                return kind_of_ascii(codepoint);
        uint32_t low = 0, high = unicode_ranges_count;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (codepoint > unicode_ranges[middle].last)
                        low = middle + 1;
                else if (codepoint < unicode_ranges[middle].first)
                        high = middle;
                else
                        return unicode_ranges[middle].kind;
        }
        return UNICODE_OTHER;
}

struct unicode_char unicode_char_at(const char *text, size_t length) {
        struct unicode_char c = { .codepoint = UNICODE_INVALID, .length = 1, .kind = UNICODE_OTHER };
        if (length == 0)
                return (struct unicode_char){ .codepoint = UNICODE_INVALID };
        size_t count = printable_utf8(text, length, &c.codepoint);
        if (count > 0) {
                c.length = (uint32_t) count;
                c.kind = kind_of(c.codepoint);
        }
        return c;
}
