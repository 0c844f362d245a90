/* test_error_text.c - what is cut to fit is still text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api/error.h"
#include "daemon/state/fleet.h"
#include "daemon/requests/failure.h"
#include "engine/base/strbuf.h"

static void test_repair(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *name, *text, *repaired;
        } rows[] = {
                { "nothing", "", "" },
                { "whole characters stay", "a\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80z", "a\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80z" },
                { "cut at the end", "a\xc3\xa9\xc3", "a\xc3\xa9?" },
                { "cut in the middle", "a\xe4\xbd&b", "a?" "?&b" },
                { "a surrogate", "\xed\xa0\x80", "???" },
                { "no character at all", "\xff\x80", "??" },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char text[64];
                (void) snprintf(text, sizeof text, "%s", rows[i].text);
                text_repair(text);
                if (strcmp(text, rows[i].repaired) != 0)
                        fail_msg("%s: '%s'", rows[i].name, text);
        }
}

/* A name of 2-byte characters, long enough to be cut, at an even and at an odd place. */
static void test_long_names(void **state) {
        (void) state;
        char name[1024] = "x";
        for (size_t i = 0; i < 450; i++)
                strcat(name, "\xc3\xa9");
        for (size_t skip = 0; skip < 2; skip++) {
                struct failure f;
                failure_set(&f, REASON_LOAD_FAILED, "model '%s'", name + 1 - skip);
                assert_true(text_is_utf8(f.message, strlen(f.message)));
                failure_set(&f, REASON_MODEL_NOT_FOUND, "'%.200s'", name + 1 - skip);
                assert_true(text_is_utf8(f.message, strlen(f.message)));
                f = error_not_found(&(struct fleet){ 0 }, name + 1 - skip);
                assert_true(text_is_utf8(f.message, strlen(f.message)));
                f = bad_request(NULL, "%s", name + 1 - skip);
                assert_true(text_is_utf8(f.message, strlen(f.message)));
        }
}

/* One character, whole, cut or wrong, at every place of a text that is otherwise ASCII: words of eight hide nothing. */
static void test_utf8_anywhere(void **state) {
        (void) state;
        for (size_t count = 4; count <= 40; count++)
                for (size_t at = 0; at + 4 <= count; at++) {
                        char text[40];
                        memset(text, 'a', sizeof text);
                        assert_true(text_is_utf8(text, count));
                        memcpy(text + at, "\xf0\x9f\x98\x80", 4);
                        assert_true(text_is_utf8(text, count));
                        assert_false(text_is_utf8(text, at + 3));
                        text[at + 2] = 'a';
                        assert_false(text_is_utf8(text, count));
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_repair),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_utf8_anywhere),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
