/* test_infill.c - POST /infill: what becomes of a body, and what an editor reads. What stands in the gap is tests/end_to_end/infill.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/dialect/infill.h"
#include "tests/unit/daemon/api/api_fixture.h"
#include "tests/unit/daemon/dialect/translation.h"

/* --- what is asked --- */

static const struct translation_row rows[] = {
        { "nothing", "{}", "{\"prompt\":\"\",\"input_extra\":[]}", NULL },
        { "what stands before the cursor is one text, escapes and all",
          "{\"input_prefix\":\"a\\n\\ud83d\",\"prompt\":\"\\ude00b\",\"input_suffix\":\"\\\"c\"}",
          "{\"prompt\":\"a\\n\\ud83d\\ude00b\",\"suffix\":\"\\\"c\",\"input_extra\":[]}", NULL },
        { "other files and a limit", "{\"n_predict\":5,\"input_extra\":[ {\"filename\":\"f\",\"text\":\"t\"} ],\"prompt\":\"x\"}",
          "{\"prompt\":\"x\",\"max_tokens\":5,\"input_extra\":[ {\"filename\":\"f\",\"text\":\"t\"} ]}", NULL },
        { "samplers stay, and what would make another answer goes",
          "{\"temperature\":0.5,\"n\":2,\"best_of\":3,\"echo\":true,\"suffix\":\"s\",\"max_tokens\":1,\"logprobs\":2,\"model\":\"a\","
          "\"stop\":[\"x\"]}",
          "{\"prompt\":\"\",\"input_extra\":[],\"temperature\":0.5,\"model\":\"a\",\"stop\":[\"x\"]}", NULL },
        { "fields are for the answer", "{\"response_fields\":[\"content\"]}", "{\"prompt\":\"\",\"input_extra\":[]}", NULL },
        { "null is absent", "{\"input_prefix\":null,\"input_suffix\":null,\"input_extra\":null,\"n_predict\":null}",
          "{\"prompt\":\"\",\"input_extra\":[]}", NULL },
        { "a prefix that is no text", "{\"input_prefix\":1}", NULL, "'input_prefix' must be a string" },
        { "tokens in place of a text", "{\"prompt\":[1,2]}", NULL, "'prompt' must be a string" },
        { "a suffix that is no text", "{\"input_suffix\":{}}", NULL, "'input_suffix' must be a string" },
        { "files that are none", "{\"input_extra\":{}}", NULL, "'input_extra' must be an array" },
};

static void test_translations(void **state) {
        (void) state;
        check_translations(translate_infill, rows, sizeof rows / sizeof *rows);
}

/* --- what is told --- */

/* Each once, however often it is named: an answer is not made many times as long. */
static void test_chosen_fields(void **state) {
        bool closed;

        (void) state;
        int fd = post("/infill",
                      "{\"model\":\"a\",\"response_fields\":[\"content\",\"timings/prompt_n\",\"content\",\"no/such\",7,"
                      "\"stop_type\",\"timings/prompt_n\"]}");
        assert_int_equal(asked.kind, REQUEST_COMPLETION);
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_end(asked.user, "length", &usage);
        assert_string_equal(body_of(hear(fd, "}\n", &closed)),
                            "{\"content\":\"Hi\",\"timings/prompt_n\":2,\"stop_type\":\"limit\"}\n");
        (void) close(fd);
        fd = post("/infill", "{\"model\":\"a\",\"response_fields\":[\"timings\",\"timings\"]}");
        asked.events->on_end(asked.user, "stop", &usage);
        const char *timings = strstr(hear(fd, "}}\n", &closed), "{\"timings\":{\"cache_n\":3,\"prompt_n\":2,");
        assert_true(timings && !strstr(timings + strlen("{\"timings\""), "timings"));
        (void) close(fd);
}

static void test_stream(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd =
                post("/infill", "{\"model\":\"a\",\"stream\":true,\"response_fields\":[\"content\",\"stop\",\"stopping_word\"]}");
        asked.events->on_waiting(asked.user, "loading");
        asked.events->on_start(asked.user, 5, 2, NULL);
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_end(asked.user, "stop", &(struct request_usage){ .prompt_tokens = 5, .stop = "\n" });
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
        assert_string_equal(out.bytes,
                            ": ping loading\n\n"
                            "data: {\"index\":0,\"content\":\"Hi\",\"tokens\":[],\"stop\":false,\"tokens_evaluated\":5}\n\n"
                            "data: {\"content\":\"\",\"stop\":true,\"stopping_word\":\"\\n\"}\n\n");
        text_done(&out);
        (void) close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_translations),
                TEST(test_chosen_fields),
                TEST(test_stream),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
