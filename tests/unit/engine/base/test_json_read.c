/* test_json_read.c - texts that were cut within a character, and NULs, there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/base/strbuf.h"

static const struct {
        const char *json, *printed; /* NULL: no JSON, read as far as AT */
        size_t at;
} rows[] = {
        { "\"plain\"", "\"plain\"", 7 },
        { "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", 14 },
        { "\"abc\\ud83d\"", "\"abc\xef\xbf\xbd\"", 11 },
        { "\"\\uD83Dabc\"",
          "\"\xef\xbf\xbd"
          "abc\"",
          11 },
        { "\"\\ude00\\ud83d\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"", 14 },
        { "\"\\ud83d\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"", 20 },
        { "\"\\ud83d\\n\"", "\"\xef\xbf\xbd\\n\"", 10 },
        { "\"\\\\ud83d\"", "\"\\\\ud83d\"", 9 },
        { "\"\\\\\\ud83d\"", "\"\\\\\xef\xbf\xbd\"", 10 },
        { "\"a\\u0000\\u0000b\"", "\"a\\u0000\\u0000b\"", 16 },
        { "{\"k\\u0000\\udc00\":[\"\\u0000\"]}", "{\"k\\u0000\xef\xbf\xbd\":[\"\\u0000\"]}", 28 },
        { "\"\\u0000\"tail", "\"\\u0000\"", 8 },
        { "\"\\ud83\"", NULL, 1 },
        { "\"\\ud83", NULL, 1 },
        { "\"\\u0000\\u00\"", NULL, 7 },
        { "{\"a\":\"123456\", x}", NULL, 16 },
        { "{\"a\":\"\\u0000\", x}", NULL, 16 },
        { "\"\\", NULL, 1 },
        { "", NULL, 0 },
};

static void texts_come_back(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                size_t at = 99;
                cJSON *json = json_read(rows[i].json, strlen(rows[i].json), &at);
                char *printed = json ? json_write(json) : NULL;
                if (rows[i].printed)
                        assert_string_equal(printed, rows[i].printed);
                else
                        assert_null(json);
                if (rows[i].printed || at != 0) /* the library does not always say where it stopped */
                        assert_int_equal(at, rows[i].at);
                free(printed);
                cJSON_Delete(json);
        }
}

static void nuls_are_restored(void **state) {
        char text[] = "a" JSON_NUL JSON_NUL "\xc0"
                      "b\xc0";
        (void) state;
        assert_true(json_has_nul(text));
        assert_false(json_has_nul("a\xc0"));
        assert_int_equal(json_restore_nuls(text, strlen(text)), 6);
        assert_memory_equal(text,
                            "a\0\0\xc0"
                            "b\xc0",
                            6);
}

/* What goes on to a client is written by text_json: a NUL is one again, and no other two bytes are. */
static void nuls_are_written(void **state) {
        (void) state;
        struct text t = { 0 };
        assert_true(text_json(&t, "a" JSON_NUL "\xc3\x80" JSON_NUL));
        assert_string_equal(text_string(&t), "\"a\\u0000\xc3\x80\\u0000\"");
        text_done(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(texts_come_back), cmocka_unit_test(nuls_are_restored),
                                            cmocka_unit_test(nuls_are_written) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
