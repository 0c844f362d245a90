/* test_body_facts.c - what is found of a body in one pass, and that it is what the engine finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/wire/wire.h"
#include "policy/base/random.h"
#include "tests/body_facts_check.h"

static struct body_facts facts_of(const char *text) {
        struct body_facts f;

        body_facts_read(text, strlen(text), &f);
        return f;
}

static void test_faults(void **state) {
        static const struct {
                const char *text;
                enum json_error error;
                size_t at;
        } rows[] = {
                { "", JSON_EMPTY, 0 },
                { " \n ", JSON_EMPTY, 3 },
                { "{", JSON_SYNTAX, 1 },
                { "{}", JSON_FINE, 2 },
                { "{} x", JSON_SYNTAX, 3 },
                { "{\"a\":1,}", JSON_SYNTAX, 7 },
                { "{,}", JSON_SYNTAX, 1 },
                { "[1,]", JSON_SYNTAX, 3 },
                { "[1 2]", JSON_SYNTAX, 3 },
                { "{\"a\" 1}", JSON_SYNTAX, 5 },
                { "{a:1}", JSON_SYNTAX, 1 },
                { "{\"a\":[1}", JSON_SYNTAX, 7 },
                { "{\"a\":01}", JSON_SYNTAX, 5 },
                { "{\"a\":-}", JSON_SYNTAX, 5 },
                { "{\"a\":1.}", JSON_SYNTAX, 5 },
                { "{\"a\":.5}", JSON_SYNTAX, 5 },
                { "{\"a\":1e}", JSON_SYNTAX, 5 },
                { "{\"a\":-0.5e-3}", JSON_FINE, 13 },
                { "{\"a\":nul}", JSON_SYNTAX, 5 },
                { "{\"a\":True}", JSON_SYNTAX, 5 },
                { "{\"a\":\"\\x\"}", JSON_SYNTAX, 6 },
                { "{\"a\":\"\\u12g4\"}", JSON_SYNTAX, 6 },
                { "{\"a\":\"\\ud83d\\u0000\"}", JSON_FINE, 20 },
                { "{\"a\":\"\xff\"}", JSON_UTF8, 6 },
                { "{\"a\":\"\xed\xa0\x80\"}", JSON_UTF8, 6 },
                { "{\"a\":\"\001\"}", JSON_CONTROL, 6 },
                { "{\"a\":\"line\n\tend\"}", JSON_FINE, 17 },
                { "{\"a\":\"", JSON_SYNTAX, 6 },
                { "{\"a\":\"\\", JSON_SYNTAX, 6 },
                /* cJSON would cut it, and take the rest for another value. */
                { "{\"a\":1000000000000000000000000000000000000000000000000000000000000000}", JSON_SYNTAX, 5 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                struct body_facts f = facts_of(rows[i].text);
                if (f.error != rows[i].error || f.error_at != rows[i].at)
                        fail_msg("%s: error %d at %zu", rows[i].text, f.error, f.error_at);
                (void) body_facts_check(rows[i].text, strlen(rows[i].text));
        }
}

static void test_limits(void **state) {
        char deep[2 * WIRE_DEPTH_MAX + 8];
        char *many = malloc(2 * WIRE_VALUES_MAX + 8);
        struct body_facts f;

        (void) state;
        memset(deep, '[', WIRE_BODY_DEPTH_MAX);
        memset(deep + WIRE_BODY_DEPTH_MAX, ']', WIRE_BODY_DEPTH_MAX);
        deep[2 * WIRE_BODY_DEPTH_MAX] = 0;
        assert_int_equal(facts_of(deep).error, JSON_FINE);
        memset(deep, '[', WIRE_DEPTH_MAX);
        assert_int_equal(facts_of(deep).error, JSON_TOO_DEEP);
        for (size_t i = 0; i < WIRE_VALUES_MAX; i++)
                memcpy(many + 2 * i, i ? ",0" : "[0", 2);
        many[2 * WIRE_VALUES_MAX] = ']';
        body_facts_read(many, 2 * WIRE_VALUES_MAX + 1, &f);
        assert_int_equal(f.error, JSON_TOO_MANY);
        many[2 * (WIRE_BODY_VALUES_MAX - 1)] = ']'; /* the list itself is one */
        body_facts_read(many, 2 * (WIRE_BODY_VALUES_MAX - 1) + 1, &f);
        assert_int_equal(f.error, JSON_FINE);
        assert_int_equal(f.values, WIRE_BODY_VALUES_MAX);
        assert_int_equal(wire_json_check(many, 2 * (WIRE_BODY_VALUES_MAX - 1) + 1, WIRE_BODY_DEPTH_MAX), 0);
        free(many);
}

static const char *const bodies[] = {
        "{\"model\":\"a\\ud83d\\ude00\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"n\":1,\"temperature\":0.5e0}",
        "{\"mod\\u0065l\":\"b\",\"model\":\"c\",\"suffix\":\"\",\"echo\":null,\"echo\":true,\"prompt\":[[1,2]],\"service_tier\":\"fl\\u0065x\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{}]},{\"content\":null,\"role\":\"x\"},{\"role\":1},7],\"tools\":[[{}]]}",
        "{\"input\":[\"a\",[3,4],\"\",{}],\"encoding_format\":\"base64\",\"dimensions\":7,\"truncate\":false,\"prompt\":[1,2,-1]}",
        "{\"prompt\":[\"one\"],\"input\":[5,6],\"logprobs\":2,\"stream_options\":[],\"messages\":{},\"stop\":[\"\\\\\\n\\u00e9\"]}",
};

/* Each text as it is, cut anywhere, and with bytes of JSON in wrong places. */
static void test_the_same_as_the_engine(void **state) {
        static const char bytes[] = "{}[],:\"\\u0019ntf-.eE \n\xc3\xa9\xff";
        struct random random = random_seeded(11);
        unsigned taken = 0;

        (void) state;
        for (unsigned round = 0; round < 60000; round++) {
                const char *body = bodies[round % (sizeof bodies / sizeof *bodies)];
                size_t size = strlen(body);
                char *text = strdup(body);
                for (uint32_t n = round < 10 ? 0 : random_u32(&random) % 3 + 1; n > 0; n--)
                        text[random_u32(&random) % size] = bytes[random_u32(&random) % (sizeof bytes - 1)];
                if (round % 7 == 6)
                        size = random_u32(&random) % size;
                text[size] = 0;
                taken += body_facts_check(text, size);
                free(text);
        }
        assert_in_range(taken, 1000, 59000);
}

static void test_names_and_numbers(void **state) {
        struct body_facts f = facts_of("{\"model\":\"\\u00e9\\ud83d\\ude00\\u0000x\",\"n\":1e999,\"seed\":-12.5}");
        char copy[8];

        (void) state;
        assert_int_equal(json_string_copy(f.members[MEMBER_MODEL], copy, sizeof copy), 10);
        assert_string_equal(copy, "\xc3\xa9\xf0\x9f\x98\x80"); /* cut before the character that does not fit */
        assert_true(json_double(f.members[MEMBER_N]) > 1e308);
        assert_true(json_double(f.members[MEMBER_SEED]) == -12.5);
        assert_false(json_whole(f.members[MEMBER_SEED], -100, 100));
        assert_int_equal(json_string_copy(f.members[MEMBER_N], copy, sizeof copy), 0);
        assert_string_equal(copy, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_faults),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_the_same_as_the_engine),
                cmocka_unit_test(test_names_and_numbers),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
