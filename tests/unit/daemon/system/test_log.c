/* test_log.c - the line that a decision becomes: escaped, bounded, one line whatever is put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The lines written to standard error at LEVEL by one line of each kind. */
static void written_at(enum log_level level, char ret[512]) {
        int ends[2], saved = dup(STDERR_FILENO);

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
        log_open(level);
        log_debug("d");
        log_info("i", LOG_NUMBER("n", 1));
        log_warning("w");
        log_error("e");
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        (void) close(saved);
        (void) close(ends[1]);
        ssize_t length = read(ends[0], ret, 511);
        (void) close(ends[0]);
        assert_true(length >= 0);
        ret[length] = 0;
}

static void test_levels(void **state) {
        static const struct {
                const char *name, *expected;
        } levels[] = {
                { "debug", "debug event=d\ninfo event=i n=1\nwarning event=w\nerror event=e\n" },
                { "info", "info event=i n=1\nwarning event=w\nerror event=e\n" },
                { "warning", "warning event=w\nerror event=e\n" },
                { "error", "error event=e\n" },
        };
        enum log_level level;
        char text[512];

        (void) state;
        (void) unsetenv("JOURNAL_STREAM");
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
                assert_int_equal(log_level_by_name(levels[i].name, &level), 0);
                assert_string_equal(log_level_name(level), levels[i].name);
                written_at(level, text);
                assert_string_equal(text, levels[i].expected);
        }
        assert_int_equal(log_level_by_name("loud", &level), -EINVAL);
        assert_int_equal(log_level_by_name("", &level), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_left_out_when_empty),
                                            cmocka_unit_test(test_bounded), cmocka_unit_test(test_levels) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
