/* test_reason.c - the table of reasons: whole, without a word twice, safe inside JSON, and the same as in docs/http-api.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/base/reason.h"

#define DOCUMENT     "docs/http-api.md" /* tests run where the tree begins */
#define DOCUMENT_MAX (1u << 20)
#define ROW_MAX      512u
#define FIRST_ROW                                                                                    \
        "\n| `code` | Status | `type` | `Retry-After` | `x-should-retry` | Meaning | What to do |\n" \
        "| --- | --- | --- | --- | --- | --- | --- |\n"

static void is_safe_text(const char *text) {
        assert_non_null(text);
        assert_null(strpbrk(text, "\"\\|\n"));
        assert_true(strlen(text) < 128);
}

static void each_row_is_whole(void **state) {
        (void) state;
        for (unsigned r = 0; r < REASON_COUNT; r++) {
                const struct reason_info *info = reason_info((enum reason) r);
                bool is_answer = info->http_status && r != REASON_CLIENT_GONE;
                is_safe_text(info->word);
                is_safe_text(info->sentence);
                is_safe_text(info->advice);
                is_safe_text(info->http_kind);
                assert_true(info->word[0] && info->sentence[0]);
                assert_true(!info->http_status || (info->http_status >= 400 && info->http_status <= 599));
                assert_int_equal(info->http_kind[0] != 0, is_answer);
                assert_true(info->retry_after_s <= 120);
                assert_in_range(info->should_retry + 1, 0, 2);
                if (!is_answer)
                        assert_true(!info->advice[0] && !info->retry_after_s && info->should_retry == -1 && !info->no_code);
        }
}

static void no_word_stands_for_two_reasons(void **state) {
        (void) state;
        for (unsigned r = 0; r < REASON_COUNT; r++)
                for (unsigned other = 0; other < r; other++)
                        assert_string_not_equal(reason_info((enum reason) r)->word, reason_info((enum reason) other)->word);
}

static int row_of(const struct reason_info *i, char *ret, size_t size) {
        static const char *const retries[] = { "", "false", "true" };
        char code[64], seconds[16] = "";
        (void) snprintf(code, sizeof code, i->no_code ? "null" : "`%s`", i->word);
        if (i->retry_after_s)
                (void) snprintf(seconds, sizeof seconds, "%u s", i->retry_after_s);
        return snprintf(ret, size, "| %s | %d | `%s` | %s | %s | %s | %s |\n", code, i->http_status, i->http_kind, seconds,
                        retries[i->should_retry + 1], i->sentence, i->advice);
}

static void the_document_has_the_same_table(void **state) {
        (void) state;
        FILE *file = fopen(DOCUMENT, "r");
        assert_non_null(file);
        char *document = calloc(1, DOCUMENT_MAX);
        assert_non_null(document);
        assert_true(fread(document, 1, DOCUMENT_MAX - 1, file) > 0);
        (void) fclose(file);
        const char *at = strstr(document, FIRST_ROW);
        assert_non_null(at);
        at += strlen(FIRST_ROW);
        for (unsigned r = 0; r < REASON_COUNT; r++) {
                char row[ROW_MAX];
                const struct reason_info *info = reason_info((enum reason) r);
                if (!info->http_kind[0])
                        continue;
                int length = row_of(info, row, sizeof row);
                if (strncmp(at, row, (size_t) length) != 0)
                        fail_msg(DOCUMENT " lacks here: %s", row);
                at += length;
        }
        assert_int_not_equal(*at, '|');
        free(document);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_row_is_whole),
                cmocka_unit_test(no_word_stands_for_two_reasons),
                cmocka_unit_test(the_document_has_the_same_table),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
