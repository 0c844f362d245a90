/* test_ctl_units.c - numbers for people, and sizes that people type. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ctl/output/units.h"

#define KIB(n) ((uint64_t) (n) << 10)
#define MIB(n) ((uint64_t) (n) << 20)
#define GIB(n) ((uint64_t) (n) << 30)

static void test_bytes(void **state) {
        static const struct {
                uint64_t bytes;
                const char *expected;
        } rows[] = {
                { 0, "0 B" },
                { 1023, "1023 B" },
                { 1024, "1.0 KiB" },
                { KIB(22) + 100, "22.1 KiB" },
                { KIB(640), "640 KiB" },
                { KIB(1023), "1023 KiB" },
                { MIB(1) - 1, "1.0 MiB" }, /* never "1024 KiB" */
                { MIB(99) + KIB(1000), "100 MiB" },
                { MIB(1023) + KIB(600), "1.0 GiB" },
                { GIB(6) - MIB(60), "5.9 GiB" },
                { GIB(512), "512.0 GiB" },
                { GIB(2048), "2.0 TiB" },
                { UINT64_MAX, "16.0 EiB" },
        };
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_string_equal(human_bytes(rows[i].bytes).text, rows[i].expected);
}

static void test_duration(void **state) {
        /* clang-format off */
        static const struct {
                uint64_t ms;
                const char *expected;
        } rows[] = {
                { 0, "0.0 s" },         { 3249, "3.2 s" },      { 9949, "9.9 s" },  { 9950, "9 s" },
                { 59999, "59 s" },      { 60000, "1m 0s" },     { 723000, "12m 3s" }, { 11040000, "3h 4m" },
                { 183600000, "2d 3h" }, { UINT64_MAX, NULL },
        };
        /* clang-format on */
        (void) state;
        for (size_t i = 0; rows[i].expected; i++)
                assert_string_equal(human_duration_ms(rows[i].ms).text, rows[i].expected);
        (void) human_duration_ms(UINT64_MAX);
}

static void test_counts_and_rates(void **state) {
        (void) state;
        assert_string_equal(human_count(17).text, "17");
        assert_string_equal(human_count(260032).text, "260 K");
        assert_string_equal(human_count(1235814400).text, "1.24 B");
        assert_string_equal(human_count(70553706496).text, "70.6 B");
        assert_string_equal(human_count(999999).text, "1.00 M");
        assert_string_equal(human_rate(8.4321).text, "8.43");
        assert_string_equal(human_rate(62.14).text, "62.1");
        assert_string_equal(human_rate(1250.4).text, "1250");
}

static void test_parse_bytes(void **state) {
        static const struct {
                const char *text;
                int rc;
                uint64_t expected;
        } rows[] = {
                { "0", 0, 0 },
                { "17", 0, 17 },
                { "17B", 0, 17 },
                { "12G", 0, GIB(12) },
                { "12GiB", 0, GIB(12) },
                { "12 gib", 0, GIB(12) },
                { "1.5G", 0, MIB(1536) },
                { "800M", 0, MIB(800) },
                { "2T", 0, GIB(2048) },
                { "80%", 0, 800 },
                { "100%", 0, 1000 },
                { "101%", -EINVAL, 0 },
                { "", -EINVAL, 0 },
                { "G", -EINVAL, 0 },
                { "-1G", -EINVAL, 0 },
                { "0x10", -EINVAL, 0 },
                { "1e3", -EINVAL, 0 },
                { "1.2.3G", -EINVAL, 0 },
                { "12Q", -EINVAL, 0 },
                { "12G12", -EINVAL, 0 },
                { "inf", -EINVAL, 0 },
                { "99999999999T", -EINVAL, 0 },
                { "00000000000000000000000000000000000000000000001", -EINVAL, 0 },
        };
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t bytes = 4711;
                int rc = human_parse_bytes(rows[i].text, 1000, &bytes);
                if (rc != rows[i].rc || bytes != (rc ? 4711 : rows[i].expected))
                        fail_msg("'%s': rc %d, %llu bytes", rows[i].text, rc, (unsigned long long) bytes);
        }
}

static void test_parse_number(void **state) {
        uint64_t number = 0;
        (void) state;
        assert_int_equal(human_parse_number("4096", 1, 8192, &number), 0);
        assert_int_equal(number, 4096);
        static const char *const bad[] = { "", "0", "8193", "-1", "4k", " 1", "99999999999999999999999" };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(human_parse_number(bad[i], 1, 8192, &number), -EINVAL);
        assert_int_equal(number, 4096);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes),       cmocka_unit_test(test_duration),     cmocka_unit_test(test_counts_and_rates),
                cmocka_unit_test(test_parse_bytes), cmocka_unit_test(test_parse_number),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
