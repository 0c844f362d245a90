/*
 * cursor.h - walks through bytes that may lie, with one bounds check and a failure that sticks.
 *
 * After the first failure every read yields zero and nothing is reported again, so the reader needs no branch
 * per field. The first failure is the one that is told: its sentence names the row and the field. Private to this room.
 */
#ifndef HEADROOM_ENGINE_GGUF_CURSOR_H
#define HEADROOM_ENGINE_GGUF_CURSOR_H

#include "engine/gguf/gguf.h"

struct cursor {
        const uint8_t *start, *next, *end;
        bool cut; /* END is the limit on directories, not the end of the file */
        bool broken;
        int error;              /* of the first failure, negative */
        const char *kind;       /* what the current row is, for sentences: "key", "tensor"; NULL outside rows */
        struct gguf_string row; /* name of the row */
        char prefix[32];        /* "part 2 of 3: ", or nothing */
        struct gguf_error *reterr;
};

/* Puts C at the start of these bytes; fails when there are none. */
void cursor_begin(struct cursor *c, const uint8_t *bytes, uint64_t length);

/* ERROR is -EBADMSG and the like; the text is the end of the sentence, after part and row. */
__attribute__((format(printf, 3, 4))) void cursor_fail(struct cursor *c, int error, const char *format, ...);

/* LENGTH bytes, or NULL and a failure in which FIELD completes "the file ends inside ...". */
const uint8_t *cursor_take(struct cursor *c, uint64_t length, const char *field);
uint32_t cursor_u32(struct cursor *c, const char *field);
uint64_t cursor_u64(struct cursor *c, const char *field);
/* A length of 8 bytes and as many bytes; empty, never NULL, on failure. */
struct gguf_string cursor_string(struct cursor *c, const char *field);
uint64_t cursor_left(const struct cursor *c);

#endif
