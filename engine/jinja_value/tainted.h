/*
 * tainted.h - text that remembers, byte by byte, whether it came with the conversation.
 *
 * Slices share their bytes; a builder makes new text out of old. Most texts are all of one kind and carry no marks of their own.
 */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_TAINTED_H
#define HEADROOM_ENGINE_JINJA_VALUE_TAINTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/jinja_value/job.h"

struct tainted {
        const char *bytes; /* not terminated */
        size_t length;
        const uint8_t *marks; /* one for each byte, 1: from outside; NULL: all as OUTSIDE says */
        bool outside;
};

#define TAINTED(literal) ((struct tainted){ .bytes = (literal), .length = sizeof(literal) - 1 })
struct tainted tainted_of(const char *string); /* the template's own */

bool tainted_equals(struct tainted a, struct tainted b);
bool tainted_is(struct tainted a, const char *string);
int tainted_compare(struct tainted a, struct tainted b); /* by code point, as <0, 0, >0 */
struct tainted tainted_slice(struct tainted m, size_t from, size_t to);
/* The offset of NEEDLE in M at or after FROM; SIZE_MAX: not there. tainted_find_last: of its last occurrence. */
size_t tainted_find(struct jinja_job *job, struct tainted m, struct tainted needle, size_t from);
size_t tainted_find_last(struct jinja_job *job, struct tainted m, struct tainted needle);
bool tainted_starts(struct tainted m, struct tainted prefix);
bool tainted_ends(struct tainted m, struct tainted suffix);
/* Bytes of the character at AT: 1 where it is none. */
size_t tainted_step(struct tainted m, size_t at);
uint32_t tainted_char(struct tainted m, size_t at, size_t *ret_step); /* its code point */
size_t tainted_characters(struct jinja_job *job, struct tainted m);
bool tainted_is_space(struct tainted m, size_t at, size_t *ret_step); /* as Python's str.isspace */
/* The end of the line that begins at FROM, and where the next one begins, as Python's str.splitlines has it. */
size_t tainted_line_end(struct jinja_job *job, struct tainted m, size_t from, size_t *ret_next);

enum { STRIP_LEFT = 1, STRIP_RIGHT = 2 };
/* CHARACTERS: those to take off; bytes NULL: white space. */
struct tainted tainted_strip(struct jinja_job *job, struct tainted m, struct tainted characters, unsigned sides);

struct builder { /* .job, the rest zero */
        struct jinja_job *job;
        char *bytes;
        uint8_t *marks;
        size_t used, capacity;
        bool outside; /* of all of it, while MARKS is NULL */
};
void builder_add(struct builder *b, struct tainted m);
void builder_puts(struct builder *b, const char *string);
void builder_printf(struct builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void builder_repeat(struct builder *b, struct tainted m, size_t times);
void builder_char(struct builder *b, uint32_t codepoint, bool outside); /* as UTF-8 */
struct tainted builder_text(const struct builder *b);                   /* good until more is added */

#endif
