/* utf8.h - one strict decoder: what a laxer terminal takes for a control character must not pass here as text. */
#ifndef HEADROOM_CTL_OUTPUT_UTF8_H
#define HEADROOM_CTL_OUTPUT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the well-formed character at TEXT (1..4) and its code point in *ret; 0 when it is malformed: cut short,
 * overlong, a surrogate, or beyond U+10FFFF. TEXT is terminated and not at its end.
 */
size_t utf8_decode(const char *text, uint32_t *ret);

#endif
