/* unicode.c - see unicode.h. */
#include "engine/unicode/unicode.h"

#include <stdbool.h>

#include "engine/base/printable.h"
#include "engine/unicode/unicode_table.h"

#define CATEGORY_BITS 5u

/* ---- properties ---- */

static bool is_white_control(uint32_t codepoint) {
        return (codepoint >= 0x09 && codepoint <= 0x0d) || codepoint == 0x85;
}

static uint32_t category_of(uint32_t codepoint) {
        uint32_t low = 0, high = unicode_categories_count; /* the run is in [low, high) */
        while (high - low > 1) {
                uint32_t middle = low + (high - low) / 2;
                if (unicode_categories[middle] >> CATEGORY_BITS <= codepoint)
                        low = middle;
                else
                        high = middle;
        }
        return unicode_categories[low] & ((1u << CATEGORY_BITS) - 1);
}

static uint32_t properties_of_ascii(uint32_t c) {
        if (c >= 'a' && c <= 'z')
                return UNICODE_LL;
        if (c >= 'A' && c <= 'Z')
                return UNICODE_LU;
        if (c >= '0' && c <= '9')
                return UNICODE_ND;
        return c == ' ' ? UNICODE_ZS | UNICODE_WHITE : 0;
}

uint32_t unicode_properties(uint32_t codepoint) {
        uint32_t quick = codepoint < 0x80 ? properties_of_ascii(codepoint) : 0;
        if (quick)
                return quick;
        if (codepoint > 0x10ffff)
                return UNICODE_CN;
        uint32_t bit = 1u << category_of(codepoint);
        bool white = (bit & (UNICODE_ZS | UNICODE_ZL | UNICODE_ZP)) || is_white_control(codepoint);
        return white ? bit | UNICODE_WHITE : bit;
}

/* ---- lower case, decomposition ---- */

uint32_t unicode_lower(uint32_t codepoint) {
        uint32_t low = 0, high = unicode_lower_runs_count;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                const struct unicode_lower_run *run = &unicode_lower_runs[middle];
                if (codepoint > run->last)
                        low = middle + 1;
                else if (codepoint < run->first)
                        high = middle;
                else
                        return (codepoint - run->first) % run->step ? codepoint
                                                                    : (uint32_t) ((int64_t) codepoint + run->distance);
        }
        return codepoint;
}

enum { HANGUL_FIRST = 0xac00, HANGUL_COUNT = 11172, HANGUL_VOWELS = 21, HANGUL_TAILS = 28 };
enum { JAMO_LEAD = 0x1100, JAMO_VOWEL = 0x1161, JAMO_TAIL = 0x11a7 };

static size_t decompose_hangul(uint32_t syllable, uint32_t out[UNICODE_DECOMPOSED_MAX]) {
        out[0] = JAMO_LEAD + syllable / (HANGUL_VOWELS * HANGUL_TAILS);
        out[1] = JAMO_VOWEL + syllable / HANGUL_TAILS % HANGUL_VOWELS;
        out[2] = JAMO_TAIL + syllable % HANGUL_TAILS;
        return syllable % HANGUL_TAILS ? 3 : 2;
}

size_t unicode_decompose(uint32_t codepoint, uint32_t out[UNICODE_DECOMPOSED_MAX]) {
        if (codepoint - HANGUL_FIRST < HANGUL_COUNT)
                return decompose_hangul(codepoint - HANGUL_FIRST, out);
        uint32_t low = 0, high = unicode_decompositions_count;
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (unicode_decompositions[middle].codepoint < codepoint)
                        low = middle + 1;
                else
                        high = middle;
        }
        size_t count = 0;
        if (low < unicode_decompositions_count && unicode_decompositions[low].codepoint == codepoint)
                while (count < UNICODE_DECOMPOSED_MAX && unicode_decompositions[low].to[count]) {
                        out[count] = unicode_decompositions[low].to[count];
                        count++;
                }
        if (count == 0)
                out[count++] = codepoint;
        return count;
}

/* ---- characters of a text ---- */

size_t unicode_put(uint32_t codepoint, char out[4]) {
        size_t count = codepoint < 0x80 ? 1 : codepoint < 0x800 ? 2 : codepoint < 0x10000 ? 3 : 4;
        static const uint8_t first[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
        for (size_t i = count; i-- > 1; codepoint >>= 6)
                out[i] = (char) (0x80 | (codepoint & 0x3f));
        out[0] = (char) (first[count] | codepoint);
        return count;
}

static enum unicode_kind kind_of(uint32_t properties) {
        if (properties & UNICODE_L)
                return UNICODE_LETTER;
        if (properties & UNICODE_N)
                return UNICODE_NUMBER;
        return properties & UNICODE_WHITE ? UNICODE_SPACE : UNICODE_OTHER;
}

struct unicode_char unicode_char_at(const char *text, size_t length) {
        struct unicode_char c = { .codepoint = UNICODE_INVALID, .length = 1, .properties = UNICODE_CN };
        if (length == 0)
                return (struct unicode_char){ .codepoint = UNICODE_INVALID };
        size_t count = printable_utf8(text, length, &c.codepoint);
        if (count > 0) {
                c.length = (uint32_t) count;
                c.properties = unicode_properties(c.codepoint);
                c.kind = kind_of(c.properties);
        }
        return c;
}

/* No byte that begins a character stands inside of another, so the one that ends here is the only one that can. */
size_t unicode_last_length(const char *text, size_t length) {
        for (size_t count = 1; count <= 4 && count <= length; count++)
                if (printable_utf8(text + length - count, count, NULL) == count)
                        return count;
        return 1;
}
