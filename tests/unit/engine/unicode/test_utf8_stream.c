/* test_utf8_stream.c - text leaves a stream as whole characters only, however the bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/printable.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/unicode/utf8_stream.h"

#define FFFD "\xef\xbf\xbd"

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (seed >> 33) % limit;
}

static bool is_whole_utf8(const char *text, size_t length) {
        for (size_t at = 0; at < length;) {
                size_t count = printable_utf8(text + at, length - at, NULL);
                if (count == 0)
                        return false;
                at += count;
        }
        return true;
}

/* Pushes IN in pieces of at most PIECE bytes (random ones for 0); every output is checked on its own. */
static size_t pass(const char *in, size_t length, size_t piece, char *out) {
        struct utf8_stream s = { 0 };
        size_t written = 0;
        for (size_t at = 0; at < length;) {
                size_t count = piece ? piece : random_below(7);
                if (count > length - at)
                        count = length - at;
                char *buffer = malloc(UTF8_STREAM_ROOM(count)); /* exactly: a sanitizer sees one byte more */
                size_t got = utf8_stream_push(&s, in + at, count, buffer);
                assert_true(got <= UTF8_STREAM_ROOM(count));
                assert_true(is_whole_utf8(buffer, got));
                memcpy(out + written, buffer, got);
                free(buffer);
                written += got;
                at += count;
        }
        written += utf8_stream_end(&s, out + written);
        assert_int_equal(s.held_count, 0);
        return written;
}

static void test_rows(void **state) {
        (void) state;
        static const struct {
                const char *what, *in, *out;
        } rows[] = {
                { "ASCII", "plain", "plain" },
                { "two, three and four bytes", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80",
                  "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x80" },
                { "never finished", "a\xf0\x9f\x9a", "a" FFFD },
                { "interrupted by a letter",
                  "\xf0\x9f"
                  "a",
                  FFFD "a" },
                { "interrupted by another character", "\xe2\x82\xc3\xa9", FFFD "\xc3\xa9" },
                { "a continuation by itself",
                  "\x80"
                  "a\xbf",
                  FFFD "a" FFFD },
                { "bytes that no text has", "\xff\xfe\xf5\xc0\xc1", FFFD FFFD FFFD FFFD FFFD },
                { "longer than needed", "\xe0\x80\xaf", FFFD FFFD FFFD },
                { "half of a surrogate pair", "\xed\xa0\x80", FFFD FFFD FFFD },
                { "the last code point and the one behind it", "\xf4\x8f\xbf\xbf\xf4\x90\x80\x80",
                  "\xf4\x8f\xbf\xbf" FFFD FFFD FFFD FFFD },
                { "the example of the Unicode standard", "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64",
                  "a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (size_t piece = 1; piece < 8; piece++) {
                        char out[256];
                        size_t got = pass(rows[i].in, strlen(rows[i].in), piece, out);
                        if (got != strlen(rows[i].out) || memcmp(out, rows[i].out, got))
                                fail_msg("%s, in pieces of %zu", rows[i].what, piece);
                }
}

static void test_any_bytes_any_split(void **state) {
        (void) state;
        static const unsigned char likely[] = { 0x80, 0xbf, 0xc3, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 'a', 0xa0, 0x90, 0x8f };
        for (int round = 0; round < 20000; round++) {
                char in[64], at_once[UTF8_STREAM_ROOM(64)], split[UTF8_STREAM_ROOM(64)];
                size_t length = random_below(sizeof(in));
                for (size_t i = 0; i < length; i++)
                        in[i] = (char) (random_below(2) ? likely[random_below(sizeof(likely))] : random_below(256));
                size_t got = pass(in, length, sizeof(in), at_once);
                assert_int_equal(pass(in, length, 0, split), got);
                assert_memory_equal(at_once, split, got);
                if (is_whole_utf8(in, length)) {
                        assert_int_equal(got, length);
                        assert_memory_equal(at_once, in, got);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_any_bytes_any_split),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
