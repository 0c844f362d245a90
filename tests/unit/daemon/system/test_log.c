/* test_log.c - the line that a decision becomes: escaped, bounded, one line whatever is put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "daemon/system/log.h"

struct row {
        const char *situation;
        struct log_field fields[4];
        const char *expected;
};

static const struct row rows[] = {
        { "no field", { { .key = NULL } }, "event=e" },
        { "plain text and numbers",
          { LOG_TEXT("model", "qwen3-8b"), LOG_NUMBER("bytes", 812646400), LOG_NUMBER("delta", -1) },
          "event=e model=qwen3-8b bytes=812646400 delta=-1" },
        { "spaces are quoted", { LOG_TEXT("why", "making room") }, "event=e why=\"making room\"" },
        { "empty text", { LOG_TEXT("why", "") }, "event=e why=\"\"" },
        { "absent text", { LOG_TEXT("why", NULL) }, "event=e why=-" },
        { "a forged line stays inside its quotes",
          { LOG_TEXT("m", "x\nevent=unload \"y\"\\") },
          "event=e m=\"x\\nevent=unload \\\"y\\\"\\\\\"" },
        { "control bytes", { LOG_TEXT("m", "\x1b[2J\x7f") }, "event=e m=\"\\x1b[2J\\x7f\"" },
        { "what is not UTF-8 is escaped", { LOG_TEXT("m", "\xc3\xb6 \xff") }, "event=e m=\"\\xc3\\xb6 \\xff\"" },
        { "UTF-8 passes", { LOG_TEXT("m", "größe") }, "event=e m=\"größe\"" },
};

static void test_rows(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char line[256];
                uint32_t length = log_format(line, sizeof line, "e", rows[i].fields);
                assert_string_equal(line, rows[i].expected);
                assert_int_equal(length, strlen(rows[i].expected));
        }
}

static void test_left_out_when_empty(void **state) {
        const char *absent = NULL;
        char line[64];

        (void) state;
        const struct log_field fields[] = { LOG_MAYBE("a", ""), LOG_MAYBE("b", "x"), LOG_MAYBE("c", absent), { .key = NULL } };
        (void) log_format(line, sizeof line, "e", fields);
        assert_string_equal(line, "event=e b=x");
}

static void test_bounded(void **state) {
        static char big[5000];
        char line[64];

        (void) state;
        memset(big, '\n', sizeof big - 1);
        const struct log_field fields[] = { LOG_TEXT("m", big), { .key = NULL } };
        for (uint32_t size = 1; size <= sizeof line; size++) {
                memset(line, 'x', sizeof line);
                assert_int_equal(log_format(line, size, "e", fields), size - 1);
                assert_int_equal(strlen(line), size - 1);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_left_out_when_empty),
                                            cmocka_unit_test(test_bounded) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
