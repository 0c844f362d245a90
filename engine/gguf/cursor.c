/* cursor.c - see cursor.h. */
#include "engine/gguf/cursor.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/base/printable.h"

#define SHOWN_BYTES 72u /* of a name inside a sentence */

void cursor_fail(struct cursor *c, int error, const char *format, ...) {
        if (c->broken)
                return;
        c->broken = true;
        c->error = error;

        char *text = c->reterr->text, shown[SHOWN_BYTES];
        size_t size = sizeof(c->reterr->text);
        int used = snprintf(text, size, "%s", c->prefix);
        if (c->kind)
                used += snprintf(text + used, size - (size_t) used, "%s '%s': ", c->kind,
                                 printable_copy(shown, sizeof(shown), c->row.bytes, c->row.length));
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(text + used, size - (size_t) used, format, arguments);
        va_end(arguments);
}

/* The one bounds check. */
const uint8_t *cursor_take(struct cursor *c, uint64_t length, const char *field) {
        if (c->broken)
                return NULL;
        if (length > (uint64_t) (c->end - c->next)) {
                uint64_t at = (uint64_t) (c->next - c->start);
                if (c->cut)
                        cursor_fail(c, -EBADMSG, "%s at byte %" PRIu64 " lies beyond the %u MiB a directory may take", field, at,
                                    GGUF_DIRECTORY_BYTES_MAX >> 20);
                else
                        cursor_fail(c, -EBADMSG, "the file ends inside %s (%" PRIu64 " bytes at byte %" PRIu64 ")", field, length,
                                    at);
                return NULL;
        }
        const uint8_t *taken = c->next;
        c->next += length;
        return taken;
}

uint32_t cursor_u32(struct cursor *c, const char *field) {
        const uint8_t *bytes = cursor_take(c, 4, field);
        uint32_t value = 0;
        if (bytes)
                memcpy(&value, bytes, sizeof(value));
        return le32toh(value);
}

uint64_t cursor_u64(struct cursor *c, const char *field) {
        const uint8_t *bytes = cursor_take(c, 8, field);
        uint64_t value = 0;
        if (bytes)
                memcpy(&value, bytes, sizeof(value));
        return le64toh(value);
}

struct gguf_string cursor_string(struct cursor *c, const char *field) {
        uint64_t length = cursor_u64(c, field);
        const uint8_t *bytes = cursor_take(c, length, field);
        return bytes ? (struct gguf_string){ (const char *) bytes, length } : (struct gguf_string){ "", 0 };
}

uint64_t cursor_left(const struct cursor *c) {
        return (uint64_t) (c->end - c->next);
}

void cursor_begin(struct cursor *c, const uint8_t *bytes, uint64_t length) {
        if (c->broken)
                return;
        if (length == 0) {
                cursor_fail(c, -EBADMSG, "the file is empty");
                return;
        }
        c->start = c->next = bytes;
        c->cut = length > GGUF_DIRECTORY_BYTES_MAX;
        c->end = c->start + (c->cut ? GGUF_DIRECTORY_BYTES_MAX : length);
}
