/* test_ctl_terminal.c - what reaches a terminal: escaping, cutting, tables, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ctl/output/json.h"
#include "ctl/output/table.h"
#include "ctl/output/terminal.h"

static void test_escape(void **state) {
        /* clang-format off */
        static const struct {
                const char *what, *text, *expected;
        } rows[] = {
                { "plain text stays", "qwen3-8b Q4_K_M (ü, 模型, 🙂)", "qwen3-8b Q4_K_M (ü, 模型, 🙂)" },
                { "escape sequences", "\033[31mred\033]0;title\a", "\\x1b[31mred\\x1b]0;title\\x07" },
                { "line ends and tabs", "a\nb\r\tc", "a\\x0ab\\x0d\\x09c" },
                { "delete", "a\x7f", "a\\x7f" },
                { "C1 control as UTF-8", "a\xc2\x9b" "31m", "a\\xc2\\x9b31m" },
                { "C1 control as a bare byte", "a\x9b" "31m", "a\\x9b31m" },
                { "overlong escape", "a\xc0\x9b", "a\\xc0\\x9b" },
                { "cut short", "a\xe6\xa8", "a\\xe6\\xa8" },
                { "surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80" },
                { "beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
                { "right-to-left override", "a\xe2\x80\xae" "b", "a\\u202eb" },
                { "line separator", "a\xe2\x80\xa8" "b", "a\\u2028b" },
                { "zero width", "a\xe2\x80\x8b" "b", "a\\u200bb" },
                { "tag characters", "a\xf3\xa0\x81\x81", "a\\U0e0041" },
        };
        /* clang-format on */
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *escaped = terminal_escape(rows[i].text);
                if (strcmp(escaped, rows[i].expected) != 0)
                        fail_msg("%s: got '%s'", rows[i].what, escaped);
                free(escaped);
        }
}

static void test_escape_every_byte(void **state) {
        (void) state;
        for (unsigned a = 1; a < 256; a++)
                for (unsigned b = 1; b < 256; b++) {
                        char text[] = { (char) a, (char) b, '\0' };
                        char *escaped = terminal_escape(text);
                        for (const unsigned char *s = (unsigned char *) escaped; *s; s++)
                                assert_true(*s >= 0x20 && *s != 0x7f);
                        free(escaped);
                }
}

static void test_shorten(void **state) {
        static const struct {
                const char *text;
                size_t columns;
                const char *expected;
        } rows[] = {
                { "qwen3-8b", 8, "qwen3-8b" },
                { "qwen3-8b-instruct-Q4_K_M", 13, "qwen3-…Q4_K_M" },
                { "abcdef", 2, "a…" },
                { "abcdef", 1, "…" },
                { "模型模型模型", 7, "模…模型" }, /* wide characters are cut whole */
                { "", 5, "" },
        };
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *shortened = terminal_shorten(rows[i].text, rows[i].columns);
                if (strcmp(shortened, rows[i].expected) != 0 || terminal_columns(shortened) > rows[i].columns)
                        fail_msg("'%s' in %zu: got '%s'", rows[i].text, rows[i].columns, shortened);
                free(shortened);
        }
}

static char *print_table(const char *first_name, size_t width, bool colours) {
        static const struct column columns[] = { { "MODEL", ALIGN_NAME }, { "STATE", ALIGN_LEFT }, { "MEMORY", ALIGN_RIGHT } };
        struct table *t = table_new(columns, 3);
        table_cell(t, TINT_NONE, "%s", first_name);
        table_cell(t, TINT_GOOD, "ready");
        table_cell(t, TINT_NONE, "5.9 GiB");
        table_cell(t, TINT_NONE, "b");
        table_cell(t, TINT_DIM, "absent");
        table_cell(t, TINT_NONE, "-");
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        table_print_within(t, out, width, colours);
        fclose(out);
        table_free(t);
        return text;
}

static void test_table(void **state) {
        (void) state;
        char *text = print_table("qwen3", 0, false);
        assert_string_equal(text, "MODEL  STATE    MEMORY\n"
                                  "qwen3  ready   5.9 GiB\n"
                                  "b      absent        -\n");
        free(text);
        text = print_table("a\nb\033", 0, false);
        assert_string_equal(text, "MODEL       STATE    MEMORY\n"
                                  "a\\x0ab\\x1b  ready   5.9 GiB\n"
                                  "b           absent        -\n");
        free(text);
}

static void test_table_gives_way(void **state) {
        (void) state;
        static const struct {
                size_t width;
                const char *expected;
        } rows[] = {
                { 46,
                  "MODEL                          STATE    MEMORY\nqwen3-8b-instruct-2507-Q4_K_M  ready   5.9 GiB\nb                              absent        -\n" },
                { 45,
                  "MODEL                          STATE\nqwen3-8b-instruct-2507-Q4_K_M  ready\nb                              absent\n" },
                { 30, "MODEL\nqwen3-8b-instruct-2507-Q4_K_M\nb\n" },
                { 5, "MODEL\nqwen3-8b-instruct-2507-Q4_K_M\nb\n" }, /* another name may differ in what would be cut */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *text = print_table("qwen3-8b-instruct-2507-Q4_K_M", rows[i].width, false);
                assert_string_equal(text, rows[i].expected);
                free(text);
        }
}

static void test_table_colours(void **state) {
        (void) state;
        char *text = print_table("qwen3", 0, true);
        assert_non_null(strstr(text, "\033[32mready\033[0m"));
        assert_null(strstr(text, "\033[32mqwen3"));
        free(text);
}

static void test_json_is_ascii(void **state) {
        (void) state;
        char *text = NULL;
        size_t size = 0;
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "name", "ü \xc2\x9b 🙂 \x7f \t \xff");
        FILE *out = open_memstream(&text, &size);
        json_print(object, out);
        fclose(out);
        assert_string_equal(text, "{\n  \"name\": \"\\u00fc \\u009b \\ud83d\\ude42 \\u007f \\t \\ufffd\"\n}\n");
        free(text);
        cJSON_Delete(object);
}

static void test_json_reading_trusts_no_type(void **state) {
        (void) state;
        cJSON *object = cJSON_Parse("{\"a\":1.5e30,\"b\":-1,\"c\":\"x\",\"d\":null,\"e\":[1],\"f\":7}");
        uint64_t number;
        assert_false(json_number(object, "a", &number));
        assert_false(json_number(object, "b", &number));
        assert_false(json_number(object, "c", &number));
        assert_false(json_number(object, "d", &number));
        assert_false(json_number(object, "missing", &number));
        assert_true(json_number(object, "f", &number) && number == 7);
        assert_string_equal(json_text(object, "c"), "x");
        assert_string_equal(json_text(object, "f"), "");
        assert_string_equal(json_text(NULL, "f"), "");
        assert_non_null(json_array(object, "e"));
        assert_null(json_array(object, "f"));
        cJSON_Delete(object);
}

static int setup(void **state) {
        (void) state;
        terminal_init();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_escape),          cmocka_unit_test(test_escape_every_byte),
                cmocka_unit_test(test_shorten),         cmocka_unit_test(test_table),
                cmocka_unit_test(test_table_gives_way), cmocka_unit_test(test_table_colours),
                cmocka_unit_test(test_json_is_ascii),   cmocka_unit_test(test_json_reading_trusts_no_type),
        };
        return cmocka_run_group_tests(tests, setup, NULL);
}
