/* test_api_bodies.c - bodies and headers of requests: what is refused before any model is bothered, and what the fleet is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/wire/wire.h"
#include "tests/unit/daemon/api/api_fixture.h"

static const struct {
        const char *path, *body, *param, *message;
} refused[] = {
        { "/v1/chat/completions", "", NULL, "the body is empty" },
        { "/v1/chat/completions", " \n", NULL, "the body is empty" },
        { "/v1/chat/completions", "{", NULL, "not valid JSON" },
        { "/v1/chat/completions", "{} x", NULL, "not valid JSON (at byte 3)" },
        { "/v1/chat/completions", "[]", NULL, "must be a JSON object" },
        { "/v1/chat/completions", "{\"model\":\"\xff\"}", NULL, "not valid UTF-8" },
        { "/v1/chat/completions", "{\"model\":\"\\u0000\\ud83d\" x}", NULL, "not valid JSON (at byte 24)" },
        { "/v1/chat/completions", "{\"model\":\"a\001b\"}", NULL, "the body holds a control character that is not escaped" },
        { "/v1/chat/completions", "{\"model\":\"a\"}", "messages", "'messages' must be an array of at least one message" },
        { "/v1/chat/completions", "{\"model\":\"a\",\"messages\":[]}", "messages",
          "'messages' must be an array of at least one message" },
        { "/v1/chat/completions", "{\"model\":\"a\",\"messages\":[1]}", "messages", "messages[0] must be an object" },
        { "/v1/chat/completions", "{\"model\":\"a\",\"messages\":[{\"role\":\"user\"},{\"role\":1}]}", "messages",
          "messages[1].role must be a string" },
        { "/v1/chat/completions", "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":5}]}", "messages",
          "messages[0].content must be" },
        { "/v1/chat/completions", "{\"model\":5,\"messages\":[]}", "model", "'model' must be a string" },
        { "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "model",
          "'model' is missing; GET /v1/models lists the 2 there are" },
        { "/v1/chat/completions", CHAT(",\"n\":9"), "n", "'n' must be from 1 to 8" },
        { "/v1/chat/completions", CHAT(",\"n\":0"), "n", "'n' must be from 1 to 8" },
        { "/v1/chat/completions", CHAT(",\"n\":1.5"), "n", "'n' must be a whole number" },
        { "/v1/chat/completions", CHAT(",\"stream\":\"yes\""), "stream", "'stream' must be true or false" },
        { "/v1/chat/completions", CHAT(",\"stream_options\":1"), "stream_options", "'stream_options' must be an object" },
        { "/v1/chat/completions", CHAT(",\"temperature\":\"hot\""), "temperature", "'temperature' must be a number" },
        { "/v1/chat/completions", CHAT(",\"temperature\":1e999"), "temperature", "'temperature' must be a number" },
        { "/v1/chat/completions", CHAT(",\"max_tokens\":1e999"), "max_tokens", "'max_tokens' must be a whole number" },
        { "/v1/chat/completions", CHAT(",\"logprobs\":3"), "logprobs", "'logprobs' must be true or false" },
        { "/v1/completions", "{\"model\":\"a\"}", "prompt", "'prompt' must be a string, an array of token ids, or an array of such" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[]}", "prompt", "'prompt' must be a string, an array" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[1,\"x\"]}", "prompt", "'prompt' must be a string, an array" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[\"x\",\"\"]}", "prompt",
          "prompt[1] must be a string that is not empty, or an array of token ids" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[[1],[\"x\"]]}", "prompt", "prompt[1] must be a string" },
        { "/v1/completions",
          "{\"model\":\"a\",\"n\":8,\"prompt\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}", "prompt",
          "9 prompts with 8 answers each are more than the 64 answers" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"logprobs\":true}", "logprobs",
          "'logprobs' must be a whole number" },
        { "/v1/chat/completions", CHAT(",\"echo\":true"), "echo", "'echo' is of completions" },
        { "/v1/chat/completions", CHAT(",\"suffix\":\"y\""), "suffix", "'suffix' is of completions" },
        { "/infill", "{\"model\":\"a\",\"input_prefix\":[\"x\"]}", "input_prefix", "'input_prefix' must be a string" },
        { "/infill", "{\"model\":\"a\",\"input_extra\":\"x\"}", "input_extra", "'input_extra' must be an array of objects" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"best_of\":21}", "best_of", "'best_of' must be from 1 to 20" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"best_of\":2,\"n\":3}", "best_of",
          "'best_of' must not be less than 'n'" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"best_of\":2,\"stream\":true}", "best_of",
          "'best_of' above 'n' is not for streams" },
        { "/v1/chat/completions", CHAT(",\"best_of\":2"), "best_of", "'best_of' is of completions" },
};

static void test_refused_bodies(void **state) {
        bool closed;

        (void) state;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                int fd = post(refused[i].path, refused[i].body);
                const char *heard = hear(fd, "}}\n", &closed);
                if (strncmp(heard, "HTTP/1.1 400 ", 13) != 0 || !strstr(heard, refused[i].message))
                        fail_msg("%s answered by %s", refused[i].body, heard);
                cJSON *json = parse(heard), *param = at(json, "error.param");
                assert_true(refused[i].param ? cJSON_IsString(param) && !strcmp(param->valuestring, refused[i].param)
                                             : cJSON_IsNull(param));
                assert_string_equal(at(json, "error.type")->valuestring, "invalid_request_error");
                cJSON_Delete(json);
                (void) close(fd);
        }
        assert_int_equal(submits, 0);
}

static void test_accepted_bodies(void **state) {
        static const char *const accepted[] = {
                CHAT(",\"n\":null,\"stream\":null,\"temperature\":null,\"logprobs\":null,\"tools\":null"),
                CHAT(",\"n\":1,\"num_ctx\":4096,\"options\":{\"num_ctx\":1},\"id_slot\":0,\"cache_prompt\":true,\"user\":\"me\""),
                " \r\n" CHAT("") "\n\t ",
                ("{\"model\":\"a\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},{\"role\":\"user\","
                 "\"content\":[{\"type\":\"text\"}]}]}"),
        };

        (void) state;
        for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
                int fd = post("/v1/chat/completions", accepted[i]);
                assert_int_equal(submits, i + 1);
                asked.events->on_failed(asked.user, &cooldown);
                (void) close(fd);
                turn_for(2);
        }
        models_count = 1; /* the only model needs no name */
        int fd = post("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
        assert_string_equal(asked.model, "a");
        asked.events->on_failed(asked.user, &cooldown);
        (void) close(fd);
        fd = post("/v1/completions", "{\"prompt\":[[1,2]]}");
        assert_int_equal(at(asked.body, "prompt.0.1")->valueint, 2); /* the engine takes it for the one prompt that it is */
        asked.events->on_failed(asked.user, &cooldown);
        (void) close(fd);
}

static void test_too_many_values(void **state) {
        struct text body = { 0 };
        bool closed;

        (void) state;
        text_puts(&body, "{\"model\":\"a\",\"prompt\":[0");
        for (unsigned i = 0; i < WIRE_VALUES_MAX; i++)
                text_puts(&body, ",0");
        text_puts(&body, "]}");
        int fd = post("/v1/completions", body.bytes);
        assert_non_null(strstr(hear(fd, "}}\n", &closed), "the body holds more than 1048568 values"));
        text_done(&body);
        (void) close(fd);
}

static void test_class(void **state) {
        static const struct {
                const char *header, *more;
                int class; /* -1: refused */
                uint64_t protect_ms;
        } rows[] = {
                { "", "", REQUEST_CLASS_OF_MODEL, 0 },
                { "", ",\"service_tier\":\"auto\"", REQUEST_CLASS_OF_MODEL, 0 },
                { "", ",\"service_tier\":null", REQUEST_CLASS_OF_MODEL, 0 },
                { "", ",\"service_tier\":\"flex\"", REQUEST_BATCH, 0 },
                { "", ",\"service_tier\":\"priority\"", REQUEST_INTERACTIVE, 0 },
                { "X-Headroom-Class: batch\r\n", "", REQUEST_BATCH, 0 },
                { "x-headroom-class: Interactive\r\n", ",\"service_tier\":\"flex\"", REQUEST_INTERACTIVE, 0 },
                { "X-Headroom-Class: soon\r\n", "", -1, 0 },
                { "", ",\"service_tier\":1", -1, 0 },
                { "", ",\"service_tier\":\"batch\"", REQUEST_BATCH, 0 },
                { "X-Headroom-Protect: 10m\r\n", "", REQUEST_CLASS_OF_MODEL, 600000 },
                { "X-Headroom-Class: interactive\r\nx-headroom-protect: 0\r\n", "", REQUEST_INTERACTIVE, 0 },
                { "X-Headroom-Protect: 61m\r\n", "", -1, 0 },
                { "X-Headroom-Class: batch\r\nX-Headroom-Protect: for ever\r\n", "", -1, 0 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char body[256], request[512];
                bool closed;
                int fd = connect_client();
                unsigned before = submits;

                (void) snprintf(body, sizeof body, CHAT("%s"), rows[i].more);
                (void) snprintf(request, sizeof request,
                                "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
                                rows[i].header, strlen(body), body);
                say(fd, request, strlen(request), SIZE_MAX);
                turn_for(5);
                assert_int_equal(submits - before, rows[i].class >= 0);
                if (rows[i].class >= 0) {
                        assert_int_equal(asked.class, rows[i].class);
                        assert_int_equal(asked.protect_ms, rows[i].protect_ms);
                        asked.events->on_end(asked.user, "stop", &usage);
                } else {
                        assert_non_null(strstr(hear(fd, "}}\n", &closed), "HTTP/1.1 400 "));
                }
                (void) close(fd);
                turn_for(5);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_class),
                TEST(test_refused_bodies),
                TEST(test_accepted_bodies),
                TEST(test_too_many_values),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
