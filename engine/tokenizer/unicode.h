/*
 * unicode.h - the three properties of code points that pre-tokenizers ask for.
 *
 * The table is made by make_unicode_table.py and holds only what is a letter, a number or white space:
 * everything else, unassigned code points and invalid bytes included, is UNICODE_OTHER.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_UNICODE_H
#define HEADROOM_ENGINE_TOKENIZER_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum unicode_kind { UNICODE_OTHER, UNICODE_LETTER, UNICODE_NUMBER, UNICODE_SPACE };

struct unicode_range {
        uint32_t first, last; /* inclusive; the ranges are sorted and do not overlap */
        enum unicode_kind kind;
};
extern const struct unicode_range unicode_ranges[];
extern const uint32_t unicode_ranges_count;

/* One character of a text that need not be UTF-8: an invalid byte is a character of its own, kind OTHER. */
struct unicode_char {
        uint32_t codepoint; /* UNICODE_INVALID for an invalid byte */
        uint32_t length;    /* 1..4 bytes; 0 at the end of the text */
        enum unicode_kind kind;
};
#define UNICODE_INVALID 0xffffffffu

struct unicode_char unicode_char_at(const char *text, size_t length);

#endif
