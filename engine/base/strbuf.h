/*
 * strbuf.h - text that grows up to a limit.
 *
 * A failure (no memory, over the limit) sticks: all further additions do nothing, and the caller asks once, at the
 * end. The bytes are always followed by a NUL that does not count.
 */
#ifndef HEADROOM_ENGINE_BASE_STRBUF_H
#define HEADROOM_ENGINE_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
        char *bytes; /* NULL while nothing has been added */
        size_t used, capacity;
        size_t max; /* of used; 0: TEXT_MAX_DEFAULT */
        bool failed;
        bool is_full; /* ... since it would have become longer than MAX */
        bool is_lent; /* BYTES are the caller's, CAPACITY of them: they do not grow, and are not freed */
};

#define TEXT_MAX_DEFAULT ((size_t) 64 << 20)
#define TEXT_MAX_NONE    (SIZE_MAX / 2) /* where something else bounds it */

void text_done(struct text *t);
/* Empties it but keeps the memory; forgets a failure. */
void text_clear(struct text *t);
/* False when it failed now or before. */
bool text_add(struct text *t, const void *bytes, size_t count);
bool text_puts(struct text *t, const char *string);
/* Takes the first COUNT bytes away; what is behind them moves to the front. */
void text_drop(struct text *t, size_t count);
bool text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; NULL becomes null, and a NUL of json_read.h one again. Other bytes that are no UTF-8 are the caller's to avoid. */
bool text_json(struct text *t, const char *string);
/* "" instead of NULL. */
const char *text_string(const struct text *t);

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(const char *bytes, size_t count);
/* Bytes of the well-formed character at BYTES, of which COUNT are there; 0: there is none. */
size_t text_character_length(const char *bytes, size_t count);
/* Puts a question mark for each byte that is part of no character: for texts that were cut to fit, or come from a child. */
void text_repair(char *text);

#endif
