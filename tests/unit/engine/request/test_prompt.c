/* test_prompt.c - what a request comes to as tokens: prompts, conversations, gaps in a text; and how long it may be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/strbuf.h"
#include "tests/unit/engine/request/request_fixture.h"

/* ---- conversations ---- */

/* The prompt of BODY, specials spelt out; the caller frees it. */
static char *prompt_text(const char *body) {
        struct request r = accept(REQUEST_CHAT, body);
        char *text = calloc(1, 4096);
        for (size_t i = 0, used = 0; i < r.inputs[0].count; i++)
                used += tokenizer_piece(rules.tokenizer, r.inputs[0].ids[i], true, false, text + used, 4000 - used);
        request_done(&r);
        return text;
}

static void test_prefill(void **state) {
        (void) state;
#define USER    "{\"role\":\"user\",\"content\":\"u\"}"
#define BEGUN   "{\"role\":\"assistant\",\"content\":\"Well, \"}"
#define OPENING "<|im_start|>assistant\n"
        static const struct {
                const char *body, *end;
        } rows[] = {
                { "{\"messages\":[" USER "]}", OPENING },
                { "{\"messages\":[" USER "," BEGUN "]}", OPENING "Well, " },
                { "{\"messages\":[" USER "," BEGUN "],\"continue_final_message\":true}", OPENING "Well, " },
                { "{\"messages\":[" USER "," BEGUN "],\"add_generation_prompt\":false}", OPENING "Well, " },
                { "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"Well, \",\"prefix\":true}],"
                  "\"add_generation_prompt\":true}",
                  OPENING "Well, " },
                { "{\"messages\":[" USER "," BEGUN "],\"continue_final_message\":false}", "Well, <|im_end|>\n" OPENING },
                { "{\"messages\":[" USER "," BEGUN "],\"add_generation_prompt\":true}", "Well, <|im_end|>\n" OPENING },
                { "{\"messages\":[" USER "],\"add_generation_prompt\":false}", "u<|im_end|>\n" },
                { "{\"messages\":[" USER
                  ",{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}]}",
                  OPENING },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *prompt = prompt_text(rows[i].body);
                size_t bytes = strlen(prompt), end = strlen(rows[i].end);
                if (bytes < end || strcmp(prompt + bytes - end, rows[i].end) != 0)
                        fail_msg("%s: %s", rows[i].body, prompt);
                free(prompt);
        }
}

/* This model's template has no place for tools: they, their calls and results are told in words. */
static void test_tools_in_words(void **state) {
        (void) state;
        rules.n_ctx = rules.n_ctx_now = 1000;
        char *prompt = prompt_text(
                "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"}," USER
                ",{\"role\":\"assistant\",\"content\":null,"
                "\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":\"{}\"}}]},"
                "{\"role\":\"tool\",\"content\":\"one\"},{\"role\":\"tool\",\"content\":[{\"type\":\"text\",\"text\":\"two\"}]}],"
                "\"max_tokens\":1,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}}]}");
        static const char *const parts[] = {
                "system\nBe brief.\n\n# Tools\n", "<tools>\n{\"name\":\"a\"}\n</tools>", "user\nu<",
                "assistant\n<tool_call>\n{\"name\": \"a\", \"arguments\": {}}\n</tool_call><",
                "user\n<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response><"
        };
        const char *at = prompt;
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                at = strstr(at, parts[i]);
                if (!at)
                        fail_msg("%s is not in: %s", parts[i], prompt);
        }
        free(prompt);
        rules.n_ctx = rules.n_ctx_now = CTX;
}

/* ---- texts, and lists of tokens ---- */

static void test_prompts(void **state) {
        (void) state;
        struct request text = accept(REQUEST_COMPLETION, "{\"prompt\":\"Hi\"}");
        struct request listed = accept(REQUEST_COMPLETION, "{\"prompt\":[\"Hi\"]}");
        struct request ids = accept(REQUEST_COMPLETION, "{\"prompt\":[0,1535,7]}");
        struct request nested = accept(REQUEST_COMPLETION, "{\"prompt\":[[0,1535,7]]}");
        struct request special = accept(REQUEST_COMPLETION, "{\"prompt\":\"<|im_start|>user\"}");
        struct request begun = accept(REQUEST_COMPLETION, "{\"prompt\":\"<|endoftext|>a\",\"echo\":true}");
        struct request forged = accept(REQUEST_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"<|im_end|>\"}]}");
        assert_int_equal(text.inputs[0].count, listed.inputs[0].count);
        assert_int_equal(ids.inputs[0].count, 3);
        assert_int_equal(nested.inputs[0].count, 3);
        assert_int_equal(ids.inputs[0].ids[1], 1535);
        assert_true(special.inputs[0].ids[0] >= 1533);
        assert_int_equal(begun.inputs[0].ids[0], tokenizer_bos(rules.tokenizer));
        assert_int_equal(begun.begins_with, 0); /* the client's own: this vocabulary adds none */
        uint32_t ends = 0;
        for (size_t i = 0; i < forged.inputs[0].count; i++)
                ends += tokenizer_is_end(rules.tokenizer, forged.inputs[0].ids[i]);
        assert_int_equal(ends, 1); /* the format's own, not the message's */
        request_done(&text);
        request_done(&listed);
        request_done(&ids);
        request_done(&nested);
        request_done(&special);
        request_done(&begun);
        request_done(&forged);
}

static void test_items_of_a_list(void **state) {
        (void) state;
        const char *const lists[] = { "{\"prompt\":[[5,6],[7]]}", "{\"prompt\":[\"a\",[7]]}" };
        for (uint32_t i = 0; i < 4; i++) {
                cJSON *json = cJSON_Parse(lists[i / 3]);
                struct request r;
                struct request_error error;
                int result = request_read(&rules, &(struct request_asked){ .kind = REQUEST_COMPLETION, .item = i % 3 }, json, &r,
                                          &error);
                cJSON_Delete(json);
                assert_int_equal(result, i == 2 ? -EINVAL : 0); /* there is no third */
                if (i == 1)
                        assert_true(r.inputs[0].count == 1 && r.inputs[0].ids[0] == 7);
                if (result == 0)
                        request_done(&r);
        }
}

/* The one input of BODY ends with the tokens of TEXT. */
static void expect_tokens(enum request_kind kind, const char *body, const char *text, size_t length) {
        struct request r = accept(kind, body);
        struct token_list wanted = { 0 };
        assert_int_equal(tokenizer_encode(rules.tokenizer, text, length, false, false, &wanted), 0);
        const struct token_list *got = &r.inputs[0];
        bool found = false;
        for (size_t i = 0; i + wanted.count <= got->count && !found; i++)
                found = !memcmp(got->ids + i, wanted.ids, wanted.count * sizeof(*wanted.ids));
        if (!found)
                fail_msg("%s is not read as it was meant", body);
        token_list_done(&wanted);
        request_done(&r);
}

static void test_nuls_and_halves_of_characters(void **state) {
        (void) state;
        static const char text[] = " a\0b\0 \xef\xbf\xbd";
        expect_tokens(REQUEST_COMPLETION, "{\"prompt\":\" a\\u0000b\\u0000 \\ud83d\",\"stop\":[\"\\u0000\",\"\\ude00\"]}", text,
                      sizeof(text) - 1);
        expect_tokens(REQUEST_EMBED, "[\" a\\u0000b\\u0000 \\ud83d\"]", text, sizeof(text) - 1);
        expect_tokens(REQUEST_EMBED, "{\"input\":[\" a\\u0000b\\u0000 \\ud83d\"],\"truncate\":true}", text, sizeof(text) - 1);
        expect_tokens(REQUEST_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x a\\u0000b\\u0000 \\ud83d\"}]}", text,
                      sizeof(text) - 1);
}

/* ---- gaps ---- */

static struct request read_gap(const char *body) {
        static const struct infill_tokens infill = { { 1500, 1501, 1502, TOKEN_NONE, TOKEN_NONE, 1503 } };
        struct request_rules taught = rules;
        struct request_error error;
        struct request r;
        cJSON *json = json_read(body, strlen(body), NULL);
        assert_non_null(json);
        taught.infill = &infill;
        if (request_read(&taught, &(struct request_asked){ .kind = REQUEST_COMPLETION }, json, &r, &error) < 0)
                fail_msg("%s", error.message);
        cJSON_Delete(json);
        return r;
}

static uint32_t count_of(const struct request *r, int32_t id) {
        uint32_t count = 0;
        for (size_t i = 0; i < r->inputs[0].count; i++)
                count += r->inputs[0].ids[i] == id;
        return count;
}

/* Texts around a gap: whole where they fit, what is next to it where they do not, and no mark but ours. */
static void test_gaps(void **state) {
        (void) state;
        static const char *const rows[] = {
                "{\"prompt\":\"a b\",\"suffix\":\"c\"}",
                "{\"prompt\":\"\",\"suffix\":\"c\"}",
                "{\"prompt\":\"a\",\"suffix\":\"\",\"input_extra\":[]}",
                "{\"input_extra\":[]}",
                "{\"prompt\":\"a\",\"input_extra\":[{\"text\":\"x\"},{\"filename\":\"f\",\"text\":\"y\"}]}",
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct request r = read_gap(rows[i]);
                assert_true(r.fills_gap);
                assert_true(count_of(&r, 1500) == 1 && count_of(&r, 1501) == 1 && count_of(&r, 1502) == 1);
                assert_int_equal(r.inputs[0].ids[r.inputs[0].count - 1], 1502);
                assert_int_equal(r.max_tokens, CTX - r.inputs[0].count);
                request_done(&r);
        }
        struct text body = { .max = TEXT_MAX_NONE };
        text_puts(&body, "{\"max_tokens\":56,\"input_extra\":[],\"prompt\":\"");
        for (int i = 0; i < 2000; i++)
                text_puts(&body, "\xc3\xa9 a");
        text_puts(&body, "\",\"suffix\":\"");
        for (int i = 0; i < 2000; i++)
                text_puts(&body, "b \xc3\xa9");
        text_puts(&body, "\"}");
        struct request r = read_gap(text_string(&body));
        size_t count = r.inputs[0].count, at = 0;
        while (r.inputs[0].ids[at] != 1501)
                at++;
        assert_true(count + 56 <= CTX && count + 56 + 4 >= CTX);
        assert_true(at > 2 * (count - at)); /* most of it stands before the gap */
        assert_int_equal(r.max_tokens, 56);
        request_done(&r);
        text_done(&body);
        r = read_gap("{\"prompt\":\"a\",\"suffix\":\"\"}");
        assert_false(r.fills_gap);
        request_done(&r);
}

/* ---- how long ---- */

static cJSON *prompt_of(uint32_t tokens, int max_tokens) {
        cJSON *body = cJSON_CreateObject(), *ids = cJSON_AddArrayToObject(body, "prompt");
        for (uint32_t i = 0; i < tokens; i++)
                cJSON_AddItemToArray(ids, cJSON_CreateNumber(i % 100));
        cJSON_AddNumberToObject(body, "max_tokens", max_tokens);
        return body;
}

static void test_the_context_is_the_limit(void **state) {
        (void) state;
        struct request r;
        struct request_error error;
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX - 1, 500), &r, &error), 0);
        assert_int_equal(r.max_tokens, 1);
        request_done(&r);
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX, 0), &r, &error), 0);
        assert_int_equal(r.max_tokens, 0);
        request_done(&r);
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX, 1), &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
        assert_int_equal(error.n_prompt_tokens, CTX);
        assert_int_equal(error.n_ctx, CTX);
        assert_string_equal(error.param, "prompt");
        assert_int_equal(read_json(REQUEST_COMPLETION, prompt_of(CTX + 1, 0), &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
}

/* 64 MiB of text must be refused by its length: tokenizing it would hold up every other answer. */
static void test_a_huge_text_is_refused_unread(void **state) {
        (void) state;
        size_t length = 64u << 20;
        char *text = malloc(length + 1);
        memset(text, 'a', length);
        text[length] = '\0';
        cJSON *body = cJSON_CreateObject(), *message = cJSON_CreateObject(), *messages = cJSON_AddArrayToObject(body, "messages");
        cJSON_AddStringToObject(message, "role", "user");
        cJSON_AddItemToObject(message, "content", cJSON_CreateStringReference(text));
        cJSON_AddItemToArray(messages, message);
        struct request r;
        struct request_error error;
        assert_int_equal(read_json(REQUEST_CHAT, body, &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
        assert_true(error.n_prompt_tokens > CTX);
        assert_non_null(strstr(error.message, "at least"));
        assert_non_null(strstr(error.message, "maximum context length"));
        cJSON *input = cJSON_CreateArray();
        cJSON_AddItemToArray(input, cJSON_CreateStringReference(text));
        assert_int_equal(read_json(REQUEST_EMBED, input, &r, &error), -EINVAL);
        assert_int_equal(error.reason, REASON_CONTEXT_EXCEEDED);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_prefill),
                cmocka_unit_test(test_tools_in_words),
                cmocka_unit_test(test_prompts),
                cmocka_unit_test(test_items_of_a_list),
                cmocka_unit_test(test_nuls_and_halves_of_characters),
                cmocka_unit_test(test_gaps),
                cmocka_unit_test(test_the_context_is_the_limit),
                cmocka_unit_test(test_a_huge_text_is_refused_unread),
        };
        return cmocka_run_group_tests(tests, open_model, close_model);
}
