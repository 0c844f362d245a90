/* test_tools.c - tools that a client offers: those that are none of the model's concern, and which of their arguments may be texts. */
#include <stdio.h>

#include "engine/base/strbuf.h"
#include "engine/request/tools.h"
#include "tests/unit/engine/request/request_fixture.h"

/* Tools that shall not be called are no concern of the model. */
static void test_no_tools(void **state) {
        (void) state;
        struct request r =
                accept(REQUEST_CHAT, "{" CHAT ",\"tools\":[{\"function\":{\"name\":\"a\"}}],\"tool_choice\":\"none\"}");
        struct request plain = accept(REQUEST_CHAT, "{" CHAT ",\"tools\":[],\"tool_choice\":\"auto\"}");
        assert_false(r.parser_setup.calls || plain.parser_setup.calls);
        assert_int_equal(r.inputs[0].count, plain.inputs[0].count);
        request_done(&r);
        request_done(&plain);
}

static bool may_be_text(const char *arguments_text, const char *property) {
        cJSON *arguments = json_read(arguments_text, strlen(arguments_text), NULL);
        bool may = request_may_be_text(arguments, cJSON_GetObjectItem(cJSON_GetObjectItem(arguments, "properties"), property));
        cJSON_Delete(arguments);
        return may;
}

static void test_arguments_that_may_be_texts(void **state) {
        (void) state;
        static const struct {
                const char *value;
                bool may;
        } rows[] = {
                { "{}", false },
                { "{\"type\":\"string\"}", true },
                { "{\"type\":\"integer\",\"enum\":[\"a\"]}", false },
                { "{\"type\":[\"null\",\"string\"]}", true },
                { "{\"const\":\"a\"}", true },
                { "{\"enum\":[1,\"a\"]}", true },
                { "{\"oneOf\":[{\"type\":\"integer\"},{\"allOf\":[{\"type\":\"string\"}]}]}", true },
                { "{\"$ref\":\"#/$defs/a\"}", true },
                { "{\"$ref\":\"#/$defs/a~1b%20c/items/0\"}", true },
                { "{\"$ref\":\"#/$defs/none\"}", false },
                { "{\"$ref\":\"#/properties/x\"}", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char text[512];
                (void) snprintf(text, sizeof(text),
                                "{\"properties\":{\"x\":%s},\"$defs\":{\"a\":{\"type\":\"string\"},"
                                "\"a/b c\":{\"items\":[{\"const\":\"\"}]}}}",
                                rows[i].value);
                if (may_be_text(text, "x") != rows[i].may)
                        fail_msg("%s", rows[i].value);
        }
}

/* A thousand choices, each of which is all of them again: not every way through them is gone. */
static void test_choices_without_end(void **state) {
        (void) state;
        struct text text = { .max = TEXT_MAX_NONE };
        assert_true(text_puts(&text, "{\"properties\":{\"x\":{\"anyOf\":[{}"));
        for (uint32_t i = 0; i < 1000; i++)
                assert_true(text_puts(&text, ",{\"$ref\":\"#/properties/x\"}"));
        assert_true(text_puts(&text, "]}}}"));
        assert_false(may_be_text(text_string(&text), "x"));
        text_done(&text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_tools),
                cmocka_unit_test(test_arguments_that_may_be_texts),
                cmocka_unit_test(test_choices_without_end),
        };
        return cmocka_run_group_tests(tests, open_model, close_model);
}
