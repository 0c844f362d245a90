/* test_embed.c - texts to embed: how many, of which form, and what becomes of those that are too long. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "tests/unit/engine/request/request_fixture.h"

static void test_embed(void **state) {
        (void) state;
        struct request r = accept(REQUEST_EMBED, "[\"a budget of memory\", [1,2,3], \"<|im_end|>\"]");
        assert_int_equal(r.inputs_count, 3);
        assert_int_equal(r.inputs[1].count, 3);
        assert_true(r.inputs[2].count > 1); /* text, not a special token */
        assert_int_equal(r.max_tokens, 0);
        assert_int_equal(request_tokens_max(&r), r.inputs[0].count > r.inputs[2].count ? r.inputs[0].count : r.inputs[2].count);
        request_done(&r);
        cJSON *many = cJSON_CreateArray();
        for (uint32_t i = 0; i < REQUEST_INPUTS_MAX; i++)
                cJSON_AddItemToArray(many, cJSON_CreateString("a"));
        cJSON *too_many = cJSON_Duplicate(many, true);
        cJSON_AddItemToArray(too_many, cJSON_CreateString("a"));
        struct request_error error;
        assert_int_equal(read_json(REQUEST_EMBED, many, &r, &error), 0);
        assert_int_equal(r.inputs_count, REQUEST_INPUTS_MAX);
        request_done(&r);
        assert_int_equal(read_json(REQUEST_EMBED, too_many, &r, &error), -EINVAL);
        r = accept(REQUEST_EMBED, "\"a budget of memory\""); /* as clients send it where it is only one */
        assert_int_equal(r.inputs_count, 1);
        assert_true(r.inputs[0].count > 1);
        request_done(&r);
        r = accept(REQUEST_EMBED, "[3,2,1]");
        assert_int_equal(r.inputs_count, 1);
        assert_int_equal(r.inputs[0].count, 3);
        request_done(&r);
}

static void test_embed_options(void **state) {
        (void) state;
        struct request r = accept(REQUEST_EMBED, "{\"input\":[\"a\"],\"dimensions\":null,\"truncate\":null}");
        assert_int_equal(r.dimensions, rules.n_embd);
        request_done(&r);
        r = accept(REQUEST_EMBED, "{\"input\":[\"a\"],\"dimensions\":7}");
        assert_int_equal(r.dimensions, 7);
        request_done(&r);
        static const char *const bad[] = { "0", "-1", "1.5", "100000", "\"7\"", "true" };
        struct request_error error;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char text[64];
                (void) snprintf(text, sizeof(text), "{\"input\":[\"a\"],\"dimensions\":%s}", bad[i]);
                assert_int_equal(read_text(REQUEST_EMBED, text, &r, &error), -EINVAL);
                assert_string_equal(error.param, "dimensions");
        }
        assert_int_equal(read_text(REQUEST_EMBED, "{\"input\":[\"a\"],\"truncate\":1}", &r, &error), -EINVAL);
        assert_string_equal(error.param, "truncate");
}

/* Of what is too long the beginning is taken: the same tokens that it begins with, however long it is. */
static void test_embed_truncates(void **state) {
        (void) state;
        char body[200000], *p = body + sprintf(body, "{\"truncate\":true,\"input\":[\"");
        for (unsigned i = 0; i < 9000; i++)
                p += sprintf(p, "memory \u00e4 %u ", i % 10);
        (void) strcpy(p, "\"]}");
        struct request whole = accept(REQUEST_EMBED, body);
        assert_int_equal(whole.inputs[0].count, CTX);
        (void) strcpy(body + 20000, "\"]}");
        struct request part = accept(REQUEST_EMBED, body);
        assert_int_equal(part.inputs[0].count, CTX);
        assert_memory_equal(part.inputs[0].ids, whole.inputs[0].ids, CTX * sizeof(int32_t));
        request_done(&whole);
        request_done(&part);
        p = body + sprintf(body, "{\"truncate\":true,\"input\":[[");
        for (unsigned i = 0; i < 2 * CTX; i++)
                p += sprintf(p, "%s%u", i ? "," : "", i % 1000);
        (void) strcpy(p, "],[]]}");
        struct request_error error;
        assert_int_equal(read_text(REQUEST_EMBED, body, &part, &error), -EINVAL); /* an empty one stays wrong */
        (void) strcpy(p, "],[5]]}");
        part = accept(REQUEST_EMBED, body);
        assert_int_equal(part.inputs[0].count, CTX);
        assert_int_equal(part.inputs[0].ids[CTX - 1], (CTX - 1) % 1000);
        request_done(&part);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_embed),
                cmocka_unit_test(test_embed_options),
                cmocka_unit_test(test_embed_truncates),
        };
        return cmocka_run_group_tests(tests, open_model, close_model);
}
