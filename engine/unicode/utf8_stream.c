/*
 * utf8_stream.c - the stream of utf8_stream.h: text leaves only as whole characters.
 *
 * The bytes of a well-formed character and its possible beginnings are those of table 3-7 of the Unicode standard: the
 * second byte has a narrower range after E0, ED, F0 and F4.
 */
#include <stdbool.h>
#include <string.h>

#include "engine/unicode/utf8_stream.h"

/* Bytes of the character that FIRST begins; 0 where it begins none. */
static unsigned length_of(unsigned char first) {
        if (first < 0x80)
                return 1;
        if (first < 0xc2 || first > 0xf4)
                return 0;
        return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool may_follow(const struct utf8_stream *s, unsigned char next) {
        unsigned char low = 0x80, high = 0xbf;
        if (s->held_count == 1) {
                switch (s->held[0]) {
                case 0xe0: low = 0xa0; break;
                case 0xed: high = 0x9f; break;
                case 0xf0: low = 0x90; break;
                case 0xf4: high = 0x8f; break;
                default: break;
                }
        }
        return next >= low && next <= high;
}

static size_t put_replacement(char *out) {
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
}

size_t utf8_stream_end(struct utf8_stream *s, char *out) {
        size_t written = s->held_count ? put_replacement(out) : 0;
        s->held_count = 0;
        return written;
}

size_t utf8_stream_push(struct utf8_stream *s, const char *in, size_t count, char *out) {
        size_t written = 0;
        for (size_t i = 0; i < count; i++) {
                unsigned char next = (unsigned char) in[i];
                if (s->held_count && !may_follow(s, next))
                        written += utf8_stream_end(s, out + written);
                if (s->held_count == 0 && length_of(next) == 0) {
                        written += put_replacement(out + written);
                        continue;
                }
                s->held[s->held_count++] = next;
                if (s->held_count == length_of(s->held[0])) {
                        memcpy(out + written, s->held, s->held_count);
                        written += s->held_count;
                        s->held_count = 0;
                }
        }
        return written;
}
