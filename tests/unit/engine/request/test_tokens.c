/* test_tokens.c - a text as tokens and back, and a conversation as its prompt, in the fields of llama-server's clients and vLLM's. */
#include <stdio.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/request/tokens.h"
#include "tests/unit/engine/request/request_fixture.h"

/* The answer into OUT, which is emptied first; its tokens. -1: *reterr. */
static int64_t look_up(tokens_reader *reader, const char *body, struct text *out, struct request_error *reterr) {
        cJSON *json = json_read(body, strlen(body), NULL);
        uint32_t count;
        assert_non_null(json);
        text_clear(out);
        int r = reader(&rules, json, out, &count, reterr);
        cJSON_Delete(json);
        return r < 0 ? -1 : (int64_t) count;
}

/* Tokens of BODY, and the text that they come back to. */
static void there_and_back(const char *body, struct text *ids, struct text *back) {
        struct request_error error;
        struct text tokens = { 0 };
        int64_t count = look_up(tokens_of_text, body, ids, &error);
        assert_true(count >= 0);
        text_printf(&tokens, "{\"tokens\":%s}", text_string(ids));
        assert_int_equal(look_up(tokens_to_text, text_string(&tokens), back, &error), count);
        text_done(&tokens);
}

static void texts_come_back(void **state) {
        (void) state;
        static const struct {
                const char *body, *text;
        } rows[] = {
                { "{\"content\":\"What is the KV cache?\"}", "What is the KV cache?" },
                { "{\"content\":\"\"}", "" },
                { "{\"content\":\"\u00e4\u20ac\U0001f600\\n\"}", "\u00e4\u20ac\U0001f600\n" },
                { "{\"content\":\"<|im_end|>\"}", "<|im_end|>" },
                { "{\"content\":\"<|im_end|>\",\"parse_special\":false}", "<|im_end|>" },
                { "{\"prompt\":\"x\",\"add_special_tokens\":false}", "x" },
        };
        struct text ids = { 0 }, back = { 0 };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                there_and_back(rows[i].body, &ids, &back);
                if (strcmp(text_string(&back), rows[i].text) != 0)
                        fail_msg("%s came back as '%s' from %s", rows[i].body, text_string(&back), text_string(&ids));
        }
        text_done(&ids);
        text_done(&back);
}

/* What is one token where it may be, is several of its letters where it may not. */
static void special_tokens_as_told(void **state) {
        (void) state;
        struct request_error error;
        struct text out = { 0 };
        int64_t parsed = look_up(tokens_of_text, "{\"content\":\"<|im_end|>\"}", &out, &error);
        assert_int_equal(parsed, 1);
        assert_true(look_up(tokens_of_text, "{\"content\":\"<|im_end|>\",\"parse_special\":false}", &out, &error) > 1);
        int64_t bare = look_up(tokens_of_text, "{\"content\":\"x\"}", &out, &error);
        assert_int_equal(look_up(tokens_of_text, "{\"content\":\"x\",\"add_special\":true}", &out, &error),
                         bare + tokenizer_adds_bos(rules.tokenizer));
        assert_int_equal(look_up(tokens_of_text, "{\"prompt\":\"x\"}", &out, &error), bare + tokenizer_adds_bos(rules.tokenizer));
        text_done(&out);
}

/* A piece is a text, or where it is a part of a character the bytes of it: together they are the whole. */
static void pieces_are_told(void **state) {
        (void) state;
        struct request_error error;
        struct text out = { 0 }, whole = { 0 };
        unsigned in_bytes = 0;
        (void) look_up(tokens_of_text, "{\"content\":\"a memory \U0001f600\",\"with_pieces\":true}", &out, &error);
        cJSON *list = cJSON_Parse(text_string(&out)), *item, *byte;
        assert_true(cJSON_IsArray(list));
        cJSON_ArrayForEach(item, list) {
                const cJSON *piece = cJSON_GetObjectItem(item, "piece");
                assert_true(cJSON_IsNumber(cJSON_GetObjectItem(item, "id")));
                if (cJSON_IsString(piece))
                        text_puts(&whole, piece->valuestring);
                in_bytes += cJSON_IsArray(piece) ? 1 : 0;
                cJSON_ArrayForEach(byte, piece) {
                        const char one = (char) byte->valueint;
                        text_add(&whole, &one, 1);
                }
        }
        assert_non_null(strstr(text_string(&whole), "a memory \U0001f600"));
        assert_true(in_bytes > 0);
        cJSON_Delete(list);
        text_done(&out);
        text_done(&whole);
}

#define MESSAGES \
        "\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"<|im_end|> \u00e4\"}]"

/* The tokens of a chat are those of its prompt, but for what a client wrote out itself. */
static void a_template_is_written(void **state) {
        (void) state;
        struct request_error error;
        struct text prompt = { 0 }, ids = { 0 }, back = { 0 };
        assert_int_equal(look_up(tokens_of_template, "{" MESSAGES "}", &prompt, &error), 0);
        assert_non_null(strstr(text_string(&prompt), "Be brief."));
        there_and_back("{" MESSAGES "}", &ids, &back);
        assert_string_equal(text_string(&back), text_string(&prompt));
        size_t length = prompt.used;
        assert_int_equal(look_up(tokens_of_template, "{" MESSAGES ",\"add_generation_prompt\":false}", &prompt, &error), 0);
        assert_true(prompt.used < length);
        text_done(&prompt);
        text_done(&ids);
        text_done(&back);
}

static void wrong_ones_are_refused(void **state) {
        (void) state;
        static const struct {
                tokens_reader *reader;
                const char *body, *param;
        } rows[] = {
                { tokens_of_text, "{}", "prompt" },
                { tokens_of_text, "{\"content\":7}", "content" },
                { tokens_of_text, "{\"content\":\"x\",\"with_pieces\":1}", "with_pieces" },
                { tokens_of_text, "{\"content\":\"x\",\"add_special\":\"no\"}", "add_special" },
                { tokens_of_text, "{\"messages\":[]}", "messages" },
                { tokens_to_text, "{}", "tokens" },
                { tokens_to_text, "{\"tokens\":[1,\"a\"]}", "tokens" },
                { tokens_to_text, "{\"tokens\":[1000000000]}", "tokens" },
                { tokens_to_text, "{\"tokens\":[-1]}", "tokens" },
                { tokens_of_template, "{\"prompt\":\"x\"}", "messages" },
                { tokens_of_template, "{" MESSAGES ",\"tools\":1}", "tools" },
        };
        struct text out = { 0 };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct request_error error = { .param = "none" };
                if (look_up(rows[i].reader, rows[i].body, &out, &error) >= 0 || !error.param ||
                    strcmp(error.param, rows[i].param) != 0)
                        fail_msg("%s: %s", rows[i].body, error.param ? error.param : "null");
        }
        text_done(&out);
}

/* Nobody waits long for another's text, and no answer is longer than the daemon holds. */
static void long_ones_are_refused(void **state) {
        (void) state;
        struct request_error error;
        struct text body = { 0 }, out = { .max = TOKENIZE_ANSWER_MAX };
        text_puts(&body, "{\"content\":\"");
        for (uint32_t i = 0; i <= TOKENIZE_BYTES_MAX; i++)
                text_puts(&body, "x");
        text_puts(&body, "\"}");
        assert_int_equal(look_up(tokens_of_text, text_string(&body), &out, &error), -1);
        assert_non_null(strstr(error.message, "in parts"));
        text_clear(&body);
        text_puts(&body, "{\"with_pieces\":true,\"content\":\"");
        for (uint32_t i = 0; i < 1u << 20; i++)
                text_puts(&body, "\x7f");
        text_puts(&body, "\"}");
        assert_int_equal(look_up(tokens_of_text, text_string(&body), &out, &error), -1);
        assert_non_null(strstr(error.message, "16 MiB"));
        text_clear(&body);
        text_puts(&body, "{\"tokens\":[1");
        for (uint32_t i = 0; i < DETOKENIZE_TOKENS_MAX; i++)
                text_puts(&body, ",1");
        text_puts(&body, "]}");
        assert_int_equal(look_up(tokens_to_text, text_string(&body), &out, &error), -1);
        assert_string_equal(error.param, "tokens");
        text_done(&body);
        text_done(&out);
}

/* Whatever is written in one piece: that it is too long is the question's fault, and not for want of memory. */
static void an_answer_without_room_is_refused(void **state) {
        (void) state;
        static const struct {
                tokens_reader *reader;
                const char *body;
        } rows[] = {
                { tokens_of_text, "{\"content\":\"one two three\",\"with_pieces\":true}" },
                { tokens_to_text, "{\"tokens\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}" },
                { tokens_of_template, "{" MESSAGES "}" },
        };
        struct text out = { .max = 16 };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct request_error error = { .reason = REASON_NONE };
                if (look_up(rows[i].reader, rows[i].body, &out, &error) >= 0 || error.reason != REASON_INVALID_REQUEST ||
                    !strstr(error.message, "in parts"))
                        fail_msg("%s: %s", rows[i].body, error.message);
        }
        text_done(&out);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(texts_come_back),
                cmocka_unit_test(special_tokens_as_told),
                cmocka_unit_test(pieces_are_told),
                cmocka_unit_test(a_template_is_written),
                cmocka_unit_test(wrong_ones_are_refused),
                cmocka_unit_test(long_ones_are_refused),
                cmocka_unit_test(an_answer_without_room_is_refused),
        };
        return cmocka_run_group_tests(tests, open_model, close_model);
}
