/* test_anthropic.c - POST /v1/messages: what becomes of a body, and what a client reads, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/dialect/dialect.h"
#include "tests/unit/daemon/api/api_fixture.h"
#include "tests/unit/daemon/dialect/translation.h"

/* --- what is asked --- */

#define USER           "{\"role\":\"user\",\"content\":\"x\"}"
#define USER_OUT       "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]"
#define WITH(MORE)     "{\"messages\":[" USER "]," MORE "}"
#define TALK(MESSAGES) "{\"messages\":[" MESSAGES "]}"
#define PART(TEXT)     "{\"type\":\"text\",\"text\":\"" TEXT "\"}"

static const struct translation_row rows[] = {
        { "members that are the same",
          WITH("\"model\":\"a\",\"max_tokens\":9,\"stream\":true,\"temperature\":0.5,\"top_p\":1,\"top_k\":4"),
          "{\"model\":\"a\",\"max_tokens\":9,\"stream\":true,\"temperature\":0.5,\"top_p\":1,\"top_k\":4," USER_OUT "}", NULL },
        { "what says nothing of the answer",
          WITH("\"metadata\":{\"user_id\":\"u\"},\"context_management\":{\"edits\":[]},\"mcp_servers\":[],\"nonsense\":[[{}]]"),
          "{" USER_OUT "}", NULL },
        { "stop sequences, thinking, a tier",
          WITH("\"stop_sequences\":[\"a\",\"b\"],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"service_tier\":\"auto\""),
          "{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"service_tier\":\"auto\",\"stop\":[\"a\",\"b\"]," USER_OUT
          "}",
          NULL },
        { "null is absent", WITH("\"system\":null,\"tools\":null,\"tool_choice\":null,\"thinking\":null"), "{" USER_OUT "}",
          NULL },
        { "a system prompt", WITH("\"system\":\"Be \\u00e4\""),
          "{\"messages\":[{\"role\":\"system\",\"content\":[" PART("Be \\u00e4") "]},{\"role\":\"user\",\"content\":[" PART(
                  "x") "]}]}",
          NULL },
        { "a system prompt of blocks, and the line about billing",
          WITH("\"system\":[" PART("x-anthropic-billing-header: cc_version=2; cch=00000;") ",{\"type\":\"text\",\"text\":\"Be\",\"cache_control\":{\"type\":\"ephemeral\"}}," PART(
                  "Do") "]"),
          "{\"messages\":[{\"role\":\"system\",\"content\":[" PART("Be") "," PART(
                  "Do") "]},{\"role\":\"user\",\"content\":[" PART("x") "]}]}",
          NULL },
        { "a conversation with tools",
          TALK(USER
               ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"Hm. \",\"signature\":\"s\"},"
               "{\"type\":\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"thinking\",\"thinking\":\"\\\"So\\\"\"}," PART(
                       "I look.") ",{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"get\",\"input\":{\"a\":1}},{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"put\"}]},"
                                  "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1\",\"content\":\"1\"},"
                                  "{\"type\":\"tool_result\",\"tool_use_id\":\"c2\",\"is_error\":true,\"content\":[" PART(
                                          "no") "]}," PART("and") "," PART("now") "]}"),
          "{\"messages\":[{\"role\":\"user\",\"content\":[" PART("x") "]},{\"role\":\"assistant\",\"content\":[" PART(
                  "I look.") "],"
                             "\"reasoning_content\":\"Hm. \\\"So\\\"\",\"tool_calls\":[{\"type\":\"function\",\"id\":\"c1\",\"function\":{\"name\":\"get\",\"arguments\":{\"a\":1}}},"
                             "{\"type\":\"function\",\"id\":\"c2\",\"function\":{\"name\":\"put\"}}]},"
                             "{\"role\":\"tool\",\"content\":[" PART("1") "],\"tool_call_id\":\"c1\"},{\"role\":\"tool\",\"content\":[" PART(
                                     "Error:") "," PART("no") "],\"tool_call_id\":\"c2\"},"
                                                              "{\"role\":\"user\",\"content\":[" PART("and") "," PART(
                                                                      "now") "]}]}",
          NULL },
        { "a text before a result, one without content",
          TALK("{\"role\":\"user\",\"content\":[" PART("a") ",{\"type\":\"tool_result\",\"tool_use_id\":\"c\"}]}"),
          "{\"messages\":[{\"role\":\"user\",\"content\":[" PART(
                  "a") "]},{\"role\":\"tool\",\"content\":[],\"tool_call_id\":\"c\"}]}",
          NULL },
        { "tools",
          WITH("\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},\"cache_control\":{}},{\"type\":\"custom\",\"name\":\"g\",\"input_schema\":{},\"strict\":true}]"),
          "{" USER_OUT
          ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}},"
          "{\"type\":\"function\",\"function\":{\"name\":\"g\",\"parameters\":{},\"strict\":true}}]}",
          NULL },
        { "a call that may be", WITH("\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"),
          "{" USER_OUT ",\"parallel_tool_calls\":false,\"tool_choice\":\"auto\"}", NULL },
        { "a call that must be", WITH("\"tool_choice\":{\"type\":\"any\"}"), "{" USER_OUT ",\"tool_choice\":\"required\"}",
          NULL },
        { "no call", WITH("\"tool_choice\":{\"type\":\"none\"}"), "{" USER_OUT ",\"tool_choice\":\"none\"}", NULL },
        { "this call", WITH("\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}"),
          "{" USER_OUT ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}}", NULL },
        { "a form, and how hard to think",
          WITH("\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}"),
          "{" USER_OUT
          ",\"reasoning_effort\":\"low\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":{\"type\":\"object\"},\"strict\":true}}}",
          NULL },
        { "a form by its older name", WITH("\"output_format\":{\"type\":\"json_schema\",\"schema\":{}}"),
          "{" USER_OUT
          ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":{},\"strict\":true}}}",
          NULL },

        { "no messages", "{}", NULL, "messages must be a list of at least one message" },
        { "an empty list", TALK(""), NULL, "messages must be a list of at least one message" },
        { "no role", TALK("{\"content\":\"x\"}"), NULL, "messages.0.role must be" },
        { "another role", TALK(USER ",{\"role\":\"tool\",\"content\":\"x\"}"), NULL, "messages.1.role must be" },
        { "no content", TALK("{\"role\":\"user\"}"), NULL, "messages.0.content must be a string or a list of blocks" },
        { "an image", TALK("{\"role\":\"user\",\"content\":[" PART("a") ",{\"type\":\"image\",\"source\":{}}]}"), NULL,
          "messages.0.content.1: a block of type 'image' cannot be read here" },
        { "an image of a tool",
          TALK("{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\",\"content\":[{\"type\":\"image\"}]}]}"),
          NULL, "messages.0.content.0.content.0: a block of type 'image'" },
        { "a result of the assistant",
          TALK("{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c\"}]}"), NULL,
          "messages.0.content.0: a block of type 'tool_result'" },
        { "a text without one", TALK("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}"), NULL,
          "messages.0.content.0: 'text' must be a string" },
        { "a call without a name", TALK("{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c\"}]}"), NULL,
          "messages.0.content.0: 'name' must be a string" },
        { "a block without a type", TALK("{\"role\":\"user\",\"content\":[7]}"), NULL,
          "messages.0.content.0: 'type' must be a string" },
        { "a document in the system prompt", WITH("\"system\":[{\"type\":\"document\"}]"), NULL,
          "system.0: a block of type 'document'" },
        { "a tool of Anthropic's", WITH("\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]"), NULL,
          "tools.0: tools of type 'web_search_20250305' are not offered" },
        { "a tool without a schema", WITH("\"tools\":[{\"name\":\"f\"}]"), NULL, "tools.0.input_schema must be an object" },
        { "tools that are none", WITH("\"tools\":{}"), NULL, "tools must be a list" },
        { "another choice", WITH("\"tool_choice\":{\"type\":\"some\"}"), NULL, "tool_choice.type must be" },
        { "a choice without a name", WITH("\"tool_choice\":{\"type\":\"tool\"}"), NULL, "tool_choice.type must be" },
        { "another form", WITH("\"output_config\":{\"format\":{\"type\":\"xml\"}}"), NULL,
          "the format of an answer must be of type 'json_schema'" },
        { "servers of tools", WITH("\"mcp_servers\":[{}]"), NULL, "'mcp_servers' is not offered" },
        { "a container", WITH("\"container\":\"c\""), NULL, "'container' is not offered" },
};

static void test_translations(void **state) {
        (void) state;
        check_translations(translate_anthropic, rows, sizeof rows / sizeof *rows);
}

/* --- what is answered --- */

#define ASK(MORE)         "{\"model\":\"a\",\"max_tokens\":9," MORE "\"messages\":[" USER "]}"
#define EVENT(NAME, MORE) "event: " NAME "\ndata: {\"type\":\"" NAME "\"" MORE "}\n\n"
#define USAGE_OF(OUT) \
        "\"usage\":{\"input_tokens\":2,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":3,\"output_tokens\":" OUT "}"
#define START                                                                                                                 \
        EVENT("message_start", ",\"message\":{\"id\":\"msg_ID\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"a\"," \
                               "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null," USAGE_OF("0") "}")
#define BLOCK(I, BLOCK) EVENT("content_block_start", ",\"index\":" I ",\"content_block\":{" BLOCK "}")
#define DELTA(I, DELTA) EVENT("content_block_delta", ",\"index\":" I ",\"delta\":{" DELTA "}")
#define STOP(I)         EVENT("content_block_stop", ",\"index\":" I)
#define END(REASON, SEQUENCE)                                                                                               \
        EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"" REASON "\",\"stop_sequence\":" SEQUENCE "}," USAGE_OF("2")) \
        EVENT("message_stop", "")

static void say_all(const char *finish, const char *stop) {
        struct request_usage told = usage;

        told.stop = stop;
        asked.events->on_reasoning(asked.user, "Hm");
        asked.events->on_reasoning(asked.user, ".");
        asked.events->on_text(asked.user, "Hi \"you\"\n", NULL);
        asked.events->on_call(asked.user, &(struct request_call){ 0, "abc", "get", "" });
        asked.events->on_call(asked.user, &(struct request_call){ 0, NULL, NULL, "{\"a\":" });
        asked.events->on_call(asked.user, &(struct request_call){ 0, NULL, NULL, "1}" });
        asked.events->on_call(asked.user, &(struct request_call){ 1, "def", "set", "{\n\t\"b\": \"\\\"\t\\\\\"}" });
        asked.events->on_end(asked.user, finish, &told);
}

static void test_stream(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/messages?beta=true", ASK("\"stream\":true,"));
        assert_int_equal(asked.kind, REQUEST_CHAT);
        asked.events->on_start(asked.user, 5, 3, NULL);
        say_all("tool_calls", NULL);
        const char *heard = hear(fd, "0\r\n\r\n", &closed);
        assert_non_null(strstr(heard, "Content-Type: text/event-stream\r\n"));
        unchunk(heard, &out);
        assert_string_equal(
                out.bytes,
                START BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"") DELTA(
                        "0",
                        "\"type\":\"thinking_delta\",\"thinking\":\"Hm\"") DELTA("0",
                                                                                 "\"type\":\"thinking_delta\",\"thinking\":\".\"")
                        DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"aGVhZHJvb20=\"") STOP("0") BLOCK(
                                "1",
                                "\"type\":\"text\",\"text\":\"\"") DELTA("1",
                                                                         "\"type\":\"text_delta\",\"text\":\"Hi \\\"you\\\"\\n\"")
                                STOP("1") BLOCK("2", "\"type\":\"tool_use\",\"id\":\"abc\",\"name\":\"get\",\"input\":{}") DELTA(
                                        "2", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"")
                                        DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"1}\"") STOP("2") BLOCK(
                                                "3", "\"type\":\"tool_use\",\"id\":\"def\",\"name\":\"set\",\"input\":{}")
                                                DELTA("3",
                                                      "\"type\":\"input_json_delta\",\"partial_json\":\"{\\n\\t\\\"b\\\": \\\"\\\\\\\"\\t\\\\\\\\\\\"}\"")
                                                        STOP("3") END("tool_use", "null"));
        text_done(&out);
        (void) close(fd);
}

static void test_stream_without_words(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/messages", ASK("\"stream\":true,"));
        asked.events->on_waiting(asked.user, "loading");
        asked.events->on_start(asked.user, 5, 3, NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
        assert_string_equal(out.bytes, ": ping loading\n" EVENT("ping", "") START END("end_turn", "null"));
        text_done(&out);
        (void) close(fd);
}

/* A call that was cut off is not there. */
static void test_whole(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/messages", ASK(""));
        asked.events->on_call(asked.user, &(struct request_call){ 0, "old", "forgotten", "{}" });
        asked.events->on_restart(asked.user);
        say_all("stop", "END");
        unchunk(hear(fd, "}\n", &closed), &out);
        assert_string_equal(out.bytes,
                            "{\"id\":\"msg_ID\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"a\",\"content\":["
                            "{\"type\":\"thinking\",\"thinking\":\"Hm.\",\"signature\":\"aGVhZHJvb20=\"},"
                            "{\"type\":\"text\",\"text\":\"Hi \\\"you\\\"\\n\"},"
                            "{\"type\":\"tool_use\",\"id\":\"abc\",\"name\":\"get\",\"input\":{\"a\":1}},"
                            "{\"type\":\"tool_use\",\"id\":\"def\",\"name\":\"set\",\"input\":{\"b\": \"\\\"\\u0009\\\\\"}}],"
                            "\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"," USAGE_OF("2") "}\n");
        (void) close(fd);
        fd = post("/v1/messages", ASK(""));
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_call(asked.user, &(struct request_call){ 0, "abc", "get", "{\"a\":\"r" });
        asked.events->on_end(asked.user, "length", &usage);
        unchunk(hear(fd, "}\n", &closed), &out);
        assert_string_equal(
                out.bytes, "{\"id\":\"msg_ID\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"a\",\"content\":["
                           "{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"max_tokens\",\"stop_sequence\":null," USAGE_OF(
                                   "2") "}\n");
        text_done(&out);
        (void) close(fd);
}

static void test_count(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/messages/count_tokens", ASK("\"stream\":true,"));
        assert_int_equal(asked.kind, REQUEST_COUNT);
        asked.events->on_end(asked.user, "length", &usage);
        const char *heard = hear(fd, "}\n", &closed);
        assert_string_equal(body_of(heard), "{\"input_tokens\":5}\n");
        assert_non_null(strstr(heard, "Content-Type: application/json\r\n"));
        (void) close(fd);
}

/* --- failures --- */

static void test_refusals(void **state) {
        static const struct {
                int status;
                const char *type;
        } kinds[] = { { 400, "invalid_request_error" },
                      { 401, "authentication_error" },
                      { 403, "permission_error" },
                      { 404, "not_found_error" },
                      { 405, "invalid_request_error" },
                      { 413, "request_too_large" },
                      { 429, "rate_limit_error" },
                      { 500, "api_error" },
                      { 502, "api_error" },
                      { 503, "overloaded_error" } };
        struct text out = { 0 };
        char expected[256];

        (void) state;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                struct failure f = { .status = kinds[i].status, .message = "No \"x\".", .advice = "", .n_prompt_tokens = -1 };
                text_clear(&out);
                dialect_anthropic.refuse(&out, &f, "req-1");
                (void) snprintf(
                        expected, sizeof expected,
                        "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"No \\\"x\\\".\"},\"request_id\":\"req-1\"}",
                        kinds[i].type);
                assert_string_equal(out.bytes, expected);
        }
        struct failure f = { .status = 400, .message = "x", .advice = "do", .n_prompt_tokens = 900, .n_ctx = 512 };
        text_clear(&out);
        dialect_anthropic.refuse(&out, &f, "req-1");
        assert_string_equal(
                out.bytes,
                "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 900 "
                "tokens > 512 maximum\",\"advice\":\"do\"},\"request_id\":\"req-1\"}");
        text_done(&out);
}

static void test_a_wrong_body(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/messages", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}");
        const char *heard = hear(fd, "}\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 400 "));
        assert_non_null(strstr(
                heard, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"messages.0.content.0: "));
        assert_non_null(strstr(heard, "\"request_id\":\"req-"));
        assert_int_equal(submits, 0);
        (void) close(fd);
}

/* What is taken as it is may be just too deep for the body that it becomes part of. */
static void test_a_deep_body(void **state) {
        struct text body = { 0 };
        bool closed;

        (void) state;
        text_puts(&body, "{\"model\":\"a\",\"messages\":[" USER "],\"tools\":[{\"name\":\"f\",\"input_schema\":{\"a\":");
        for (unsigned i = 0; i < 252; i++)
                text_puts(&body, "[");
        for (unsigned i = 0; i < 252; i++)
                text_puts(&body, "]");
        text_puts(&body, "}}]}");
        int fd = post("/v1/messages", body.bytes);
        const char *heard = hear(fd, "}\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 400 "));
        assert_non_null(strstr(heard, "nests deeper than 255 levels"));
        assert_int_equal(submits, 0);
        text_done(&body);
        (void) close(fd);
}

static void test_a_failure_within(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/messages", ASK("\"stream\":true,"));
        asked.events->on_start(asked.user, 5, 3, NULL);
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_failed(asked.user, &cooldown);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
        const char *error =
                strstr(out.bytes,
                       "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"wait ");
        assert_non_null(error);
        assert_non_null(strstr(error, "\"request_id\":\"req-"));
        assert_null(strstr(out.bytes, "message_stop"));
        text_done(&out);
        (void) close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_translations),
                cmocka_unit_test(test_refusals),
                TEST(test_stream),
                TEST(test_stream_without_words),
                TEST(test_whole),
                TEST(test_count),
                TEST(test_a_wrong_body),
                TEST(test_a_deep_body),
                TEST(test_a_failure_within),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
