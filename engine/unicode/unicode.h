/*
 * unicode.h - code points for tokenizers: properties, lower case, canonical decomposition.
 *
 * The tables are made by make_unicode_table.py. Unassigned code points and invalid bytes are of the category Cn:
 * no letter, no number, no white space.
 * Source: the Unicode standard, chapters 3.12 (Hangul), 4.5 (general category); UAX 15 (normalization form D).
 */
#ifndef HEADROOM_ENGINE_UNICODE_UNICODE_H
#define HEADROOM_ENGINE_UNICODE_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* A code point has one of these, and perhaps UNICODE_WHITE. The order is that of the table. */
enum unicode_property {
        UNICODE_CN = 1 << 0,
        UNICODE_LU = 1 << 1,
        UNICODE_LL = 1 << 2,
        UNICODE_LT = 1 << 3,
        UNICODE_LM = 1 << 4,
        UNICODE_LO = 1 << 5,
        UNICODE_MN = 1 << 6,
        UNICODE_MC = 1 << 7,
        UNICODE_ME = 1 << 8,
        UNICODE_ND = 1 << 9,
        UNICODE_NL = 1 << 10,
        UNICODE_NO = 1 << 11,
        UNICODE_PC = 1 << 12,
        UNICODE_PD = 1 << 13,
        UNICODE_PS = 1 << 14,
        UNICODE_PE = 1 << 15,
        UNICODE_PI = 1 << 16,
        UNICODE_PF = 1 << 17,
        UNICODE_PO = 1 << 18,
        UNICODE_SM = 1 << 19,
        UNICODE_SC = 1 << 20,
        UNICODE_SK = 1 << 21,
        UNICODE_SO = 1 << 22,
        UNICODE_ZS = 1 << 23,
        UNICODE_ZL = 1 << 24,
        UNICODE_ZP = 1 << 25,
        UNICODE_CC = 1 << 26,
        UNICODE_CF = 1 << 27,
        UNICODE_CO = 1 << 28,
        UNICODE_CS = 1 << 29,
        UNICODE_WHITE = 1 << 30, /* White_Space: Z* and six control characters */
};
#define UNICODE_L (UNICODE_LU | UNICODE_LL | UNICODE_LT | UNICODE_LM | UNICODE_LO)
#define UNICODE_M (UNICODE_MN | UNICODE_MC | UNICODE_ME)
#define UNICODE_N (UNICODE_ND | UNICODE_NL | UNICODE_NO)
#define UNICODE_P (UNICODE_PC | UNICODE_PD | UNICODE_PS | UNICODE_PE | UNICODE_PI | UNICODE_PF | UNICODE_PO)
#define UNICODE_S (UNICODE_SM | UNICODE_SC | UNICODE_SK | UNICODE_SO)

uint32_t unicode_properties(uint32_t codepoint);

/* Simple lower case: always one code point. */
uint32_t unicode_lower(uint32_t codepoint);

#define UNICODE_DECOMPOSED_MAX 4
/* The canonical decomposition, or CODEPOINT itself; returns how many. Marks are not put in their canonical order. */
size_t unicode_decompose(uint32_t codepoint, uint32_t out[UNICODE_DECOMPOSED_MAX]);

/* Writes 1..4 bytes of UTF-8. CODEPOINT is a valid one. */
size_t unicode_put(uint32_t codepoint, char out[4]);

enum unicode_kind { UNICODE_OTHER, UNICODE_LETTER, UNICODE_NUMBER, UNICODE_SPACE };

/* One character of a text that need not be UTF-8: an invalid byte is a character of its own. */
struct unicode_char {
        uint32_t codepoint;  /* UNICODE_INVALID for an invalid byte */
        uint32_t length;     /* 1..4 bytes; 0 at the end of the text */
        uint32_t properties; /* 0 at the end of the text */
        enum unicode_kind kind;
};
#define UNICODE_INVALID 0xffffffffu

struct unicode_char unicode_char_at(const char *text, size_t length);

/* Bytes of the character that ends at the end of TEXT, of LENGTH > 0 bytes: as unicode_char_at would cut it. */
size_t unicode_last_length(const char *text, size_t length);

#endif
