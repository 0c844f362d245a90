/* utf8_stream.h - bytes that arrive in pieces leave as whole characters only. */
#ifndef HEADROOM_ENGINE_UNICODE_UTF8_STREAM_H
#define HEADROOM_ENGINE_UNICODE_UTF8_STREAM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes to whole UTF-8 characters: feed pieces, take complete characters. Bytes that can never become a character
 * come out as U+FFFD, one for each longest beginning of a character (Unicode 3.9, "substitution of maximal
 * subparts"). A character that is never finished comes out as one U+FFFD at the end. All zero at first.
 */
struct utf8_stream {
        unsigned char held[4]; /* the beginning of a character, 0..3 bytes */
        uint8_t held_count;
};

/* The most bytes that a push of COUNT bytes can give: each byte, and each held one, may become U+FFFD. */
#define UTF8_STREAM_ROOM(count) (3 * ((count) + 3))

/* OUT has UTF8_STREAM_ROOM(COUNT) bytes; returns bytes written. */
size_t utf8_stream_push(struct utf8_stream *s, const char *in, size_t count, char *out);
/* OUT has UTF8_STREAM_ROOM(0) bytes. The stream is empty afterwards. */
size_t utf8_stream_end(struct utf8_stream *s, char *out);

#endif
