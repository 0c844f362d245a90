/* test_target.c - what a request line's target means: path, and values of the query. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/http/target.h"

static void paths(void **state) {
        static const struct {
                const char *target, *path, *query; /* path NULL: refused */
        } rows[] = {
                { "/", "/", "" },
                { "/a%20b?q=1", "/a b", "q=1" },
                { "/a?", "/a", "" },
                { "/a#f", "/a", "" },
                { "/a?b=c#f", "/a", "b=c" },
                { "/a#f?b=c", "/a", "" },
                { "http://host:1/a?b", "/a", "b" },
                { "https://host", "/", "" },
                { "*", "*", "" },
                { "a", NULL, NULL },
                { "/%zz", NULL, NULL },
                { "/%0a", NULL, NULL },
                { "/%ff", NULL, NULL },
                { "/%e", NULL, NULL },
        };
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                char target[64];
                const char *path, *query;
                (void) strcpy(target, rows[i].target);
                int r = http_target_path(target, &path, &query);
                assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
                if (r == 0) {
                        assert_string_equal(path, rows[i].path);
                        assert_string_equal(query, rows[i].query);
                }
        }
}

static void values(void **state) {
        static const struct {
                const char *query, *value; /* NULL: refused */
        } rows[] = {
                { "", "" },        { "m=x", "x" },      { "a=1&m=x%2Fy", "x/y" }, { "m", "" },           { "m=", "" },
                { "mm=1", "" },    { "a=1&&m=2", "2" }, { "m=1&m=2", "1" },       { "m=1234567", NULL }, { "m=%", NULL },
                { "m=%ff", NULL }, { "m=%00", NULL },   { "a=m=3", "" },
        };
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                char value[7];
                int r = http_query_value(rows[i].query, "m", value, sizeof(value));
                if (r != (rows[i].value ? 0 : -EINVAL) || (r == 0 && strcmp(value, rows[i].value) != 0))
                        fail_msg("%s: returned %d and '%s'", rows[i].query, r, value);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(paths), cmocka_unit_test(values) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
