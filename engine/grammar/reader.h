/*
 * reader.h - the text of a grammar or of a pattern, character by character: for the files that parse one.
 *
 * The end reads as READER_END, again and again. Bytes that are not UTF-8 read as READER_BAD.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_READER_H
#define HEADROOM_ENGINE_GRAMMAR_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/printable.h"

#define READER_END 0xfffffffeu
#define READER_BAD 0xffffffffu

struct reader {
        const char *text;
        size_t length, at;
};

static inline uint32_t reader_peek(const struct reader *r) {
        uint32_t code;
        if (r->at >= r->length)
                return READER_END;
        return printable_utf8(r->text + r->at, r->length - r->at, &code) ? code : READER_BAD;
}

static inline uint32_t reader_take(struct reader *r) {
        uint32_t code = reader_peek(r);
        if (code == READER_BAD)
                r->at++;
        else if (code != READER_END)
                r->at += printable_utf8(r->text + r->at, r->length - r->at, NULL);
        return code;
}

/* Takes CODE if it is next. */
static inline bool reader_takes(struct reader *r, uint32_t code) {
        if (reader_peek(r) != code)
                return false;
        (void) reader_take(r);
        return true;
}

static inline int reader_digit(uint32_t code) {
        return code >= '0' && code <= '9'   ? (int) (code - '0')
               : code >= 'a' && code <= 'f' ? (int) (code - 'a') + 10
               : code >= 'A' && code <= 'F' ? (int) (code - 'A') + 10
                                            : -1;
}

/* COUNT hexadecimal digits, or READER_BAD. */
static inline uint32_t reader_hex(struct reader *r, unsigned count) {
        uint32_t value = 0;
        for (unsigned i = 0; i < count; i++) {
                int digit = reader_digit(reader_peek(r));
                if (digit < 0)
                        return READER_BAD;
                (void) reader_take(r);
                value = value << 4 | (uint32_t) digit;
        }
        return value;
}

/* A decimal number up to MAX, or READER_BAD. */
static inline uint32_t reader_number(struct reader *r, uint32_t max) {
        uint64_t value = 0;
        int digit = reader_digit(reader_peek(r));
        if (digit < 0 || digit > 9)
                return READER_BAD;
        for (; digit >= 0 && digit <= 9; digit = reader_digit(reader_peek(r))) {
                (void) reader_take(r);
                value = value * 10 + (uint32_t) digit;
                if (value > max)
                        return READER_BAD;
        }
        return (uint32_t) value;
}

/* "3}", "3,}", "3,5}" or ",5}" behind a bracket; *RET_MOST is UINT32_MAX where there is none. False when it is none of them. */
static inline bool reader_bounds(struct reader *r, uint32_t max, uint32_t *ret_least, uint32_t *ret_most) {
        uint32_t least = 0, most = UINT32_MAX;
        bool has_least = reader_peek(r) != ',';
        if (has_least && (least = reader_number(r, max)) == READER_BAD)
                return false;
        if (!reader_takes(r, ',')) {
                most = least;
        } else if (reader_peek(r) != '}') {
                if ((most = reader_number(r, max)) == READER_BAD)
                        return false;
        } else if (!has_least) {
                return false;
        }
        *ret_least = least;
        *ret_most = most;
        return reader_takes(r, '}') && least <= most;
}

#endif
