/*
 * printable.h - text from a file or a prompt, made safe to show.
 *
 * Valid UTF-8 is kept; control characters (C0, DEL, C1) and bytes that are no UTF-8 become '?', so that
 * nothing a file says can steer a terminal or break a log line.
 */
#ifndef HEADROOM_ENGINE_BASE_PRINTABLE_H
#define HEADROOM_ENGINE_BASE_PRINTABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Length in bytes (1..4) of the valid UTF-8 character that starts at BYTES, of which LENGTH are readable;
 * 0 when there is none. *ret_codepoint may be NULL.
 */
size_t printable_utf8(const char *bytes, size_t length, uint32_t *ret_codepoint);

/*
 * Copies as many whole characters as fit into OUT (SIZE >= 4 bytes, terminated), and "..." in place of the
 * rest when not all do. Returns OUT.
 */
char *printable_copy(char *out, size_t size, const char *bytes, uint64_t length);

#endif
