/* test_keys.c - access keys: what is taken as one, what each may, and what is kept of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keys/keys.h"
#include "daemon/keys/limit.h"

static char path[] = "/tmp/headroom-keys-XXXXXX";

static struct keys *open_keys(const char *file, const char *credential) {
        struct keys *k = NULL;
        char wrong[256] = "";
        if (keys_open(file, credential, &k, wrong, sizeof wrong) < 0)
                fail_msg("%s", wrong);
        return k;
}

static int add(struct keys *k, const char *wish, char secret[KEY_SECRET_BYTES], char wrong[160]) {
        cJSON *json = cJSON_Parse(wish);
        int r = keys_add(k, json, secret, wrong, 160);
        cJSON_Delete(json);
        return r;
}

static void test_limits(void **state) {
        (void) state;
        static const struct {
                const char *text;
                uint64_t amount, period_ms; /* 0: it is none */
        } rows[] = {
                { "60/m", 60, 60000 },
                { "1M/day", 1000000, 86400000 },
                { "5k/h", 5000, 3600000 },
                { "1/second", 1, 1000 },
                { "2G/24h", 2000000000, 86400000 },
                { "", 0, 0 },
                { "60", 0, 0 },
                { "60/", 0, 0 },
                { "60/x", 0, 0 },
                { "0/m", 0, 0 },
                { "-1/m", 0, 0 },
                { " 1/m", 0, 0 },
                { "1.5/m", 0, 0 },
                { "1/m ", 0, 0 },
                { "99999999999999999999G/s", 0, 0 },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint64_t amount = 0, period_ms = 0;
                bool is_good = limit_read(rows[i].text, &amount, &period_ms);
                if (is_good != (rows[i].amount > 0) || (is_good && (amount != rows[i].amount || period_ms != rows[i].period_ms)))
                        fail_msg("'%s'", rows[i].text);
        }
}

/* One after the other, in one list. */
static void test_wishes(void **state) {
        (void) state;
        static const struct {
                const char *wish, *wrong; /* NULL: it is taken */
        } rows[] = {
                { "{\"name\":\"a\"}", NULL },
                { "{\"name\":\"a\"}", "there is a key 'a' already" },
                { "{\"name\":\"b.c-d_E9\",\"allow\":[\"org/m:q4\"],\"class\":\"batch\",\"rate\":\"60/m\",\"tokens\":\"1M/d\","
                  "\"concurrent\":4}",
                  NULL },
                { "{}", "a key's name has" },
                { "{\"name\":\"a b\"}", "a key's name has" },
                { "{\"name\":7}", "a key's name has" },
                { "{\"name\":\"c\",\"allow\":\"m\"}", "'allow' is a list" },
                { "{\"name\":\"c\",\"allow\":[1]}", "'allow' is a list" },
                { "{\"name\":\"c\",\"class\":\"fast\"}", "'class' is interactive or batch" },
                { "{\"name\":\"c\",\"rate\":\"often\"}", "'rate' is so much in so long" },
                { "{\"name\":\"c\",\"tokens\":5}", "'tokens' is so much in so long" },
                { "{\"name\":\"c\",\"concurrent\":0}", "'concurrent' is a number" },
                { "{\"name\":\"c\",\"concurrent\":1.5}", "'concurrent' is a number" },
        };
        struct keys *k = open_keys(NULL, NULL);
        char secret[KEY_SECRET_BYTES], wrong[160];
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                int r = add(k, rows[i].wish, secret, wrong);
                if ((r == 0) != !rows[i].wrong || (r < 0 && !strstr(wrong, rows[i].wrong)))
                        fail_msg("%s: %d %s", rows[i].wish, r, wrong);
        }
        assert_int_equal(keys_count(k), 2);
        keys_free(k);
}

static void test_what_is_kept(void **state) {
        (void) state;
        char first[KEY_SECRET_BYTES], second[KEY_SECRET_BYTES], wrong[160];
        struct keys *k = open_keys(NULL, NULL);
        assert_int_equal(add(k, "{\"name\":\"a\",\"rate\":\"2/h\"}", first, wrong), 0);
        assert_int_equal(add(k, "{\"name\":\"b\"}", second, wrong), 0);
        assert_int_equal(strlen(first), 9 + 43);
        assert_string_not_equal(first, second);
        char *text = keys_text(k);
        assert_null(strstr(text, first + 9));
        assert_int_equal(keys_write(path, text), 0);
        free(text);
        keys_free(k);

        k = open_keys(path, NULL);
        assert_string_equal(keys_find(k, first)->name, "a");
        assert_string_equal(keys_find(k, second)->name, "b");
        assert_string_equal(keys_find(k, first)->rate, "2/h");
        first[20] ^= 1;
        assert_null(keys_find(k, first));
        assert_null(keys_find(k, ""));
        first[20] ^= 1;
        assert_int_equal(keys_remove(k, "a"), 0);
        assert_int_equal(keys_remove(k, "a"), -ENOENT);
        assert_null(keys_find(k, first));
        keys_free(k);

        k = open_keys(NULL, path); /* as a credential: not to be removed, nor written */
        assert_int_equal(keys_remove(k, "a"), -EPERM);
        text = keys_text(k);
        assert_null(strstr(text, "\"a\""));
        free(text);
        keys_free(k);
}

static void test_files_that_are_none(void **state) {
        (void) state;
        static const char *const texts[] = {
                "",
                "{",
                "[]",
                "{\"version\":2,\"keys\":[]}",
                "{\"version\":1}",
                "{\"version\":1,\"keys\":[{\"name\":\"a\"}]}",
                "{\"version\":1,\"keys\":[{\"name\":\"a\",\"hash\":\"zz\"}]}",
                "{\"version\":1,\"keys\":[1]}",
        };
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct keys *k = NULL;
                char wrong[256] = "";
                assert_int_equal(keys_write(path, texts[i]), 0);
                if (keys_open(path, NULL, &k, wrong, sizeof wrong) != -EINVAL || strncmp(wrong, path, strlen(path)) != 0)
                        fail_msg("%s: %s", texts[i], wrong);
        }
}

static void test_what_one_may(void **state) {
        (void) state;
        char secret[KEY_SECRET_BYTES], wrong[160];
        uint64_t after_ms;
        struct keys *k = open_keys(NULL, NULL);
        assert_int_equal(add(k, "{\"name\":\"a\",\"rate\":\"2/m\",\"tokens\":\"100/h\",\"concurrent\":1}", secret, wrong), 0);
        struct key *a = keys_find(k, secret);
        uint64_t now_ms = a->requests.at_ms;
        assert_int_equal(key_admit(a, now_ms, &after_ms), REASON_NONE);
        assert_int_equal(key_admit(a, now_ms, &after_ms), REASON_KEY_CONCURRENT);
        key_release(k, a, 0, now_ms);
        assert_int_equal(key_admit(a, now_ms, &after_ms), REASON_NONE);
        key_release(k, a, 0, now_ms);
        assert_int_equal(key_admit(a, now_ms, &after_ms), REASON_KEY_RATE);
        assert_in_range(after_ms, 29999, 30001);
        now_ms += after_ms;
        assert_int_equal(key_admit(a, now_ms, &after_ms), REASON_NONE);
        key_release(k, a, 150, now_ms); /* more than was left: it is paid back before anything goes on */
        now_ms += 30000;
        assert_int_equal(key_admit(a, now_ms, &after_ms), REASON_KEY_TOKENS);
        assert_in_range(after_ms, 1700000, 1840000);
        assert_int_equal(key_admit(a, now_ms + after_ms, &after_ms), REASON_NONE);
        assert_int_equal(keys_remove(k, "a"), 0); /* it stays until its request has ended */
        assert_null(keys_find(k, secret));
        key_release(k, a, 1, now_ms + 3600000);
        assert_int_equal(keys_count(k), 0);
        keys_free(k);
}

static int make_path(void **state) {
        (void) state;
        int fd = mkstemp(path);
        return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state) {
        (void) state;
        return unlink(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_wishes),
                cmocka_unit_test(test_what_is_kept),
                cmocka_unit_test(test_files_that_are_none),
                cmocka_unit_test(test_what_one_may),
        };
        return cmocka_run_group_tests(tests, make_path, remove_path);
}
