/* test_responses.c - POST /v1/responses: what becomes of a body, and what a client reads, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/dialect/dialect.h"
#include "tests/unit/daemon/api/api_fixture.h"
#include "tests/unit/daemon/dialect/translation.h"

/* --- what is asked --- */

#define PART(TEXT)       "{\"type\":\"text\",\"text\":\"" TEXT "\"}"
#define SAYS(ROLE, TEXT) "{\"role\":\"" ROLE "\",\"content\":[" PART(TEXT) "]}"
#define WITH(MORE)       "{\"input\":\"x\"," MORE "}"
#define X                "\"messages\":[" SAYS("user", "x") "]"
#define ITEMS(ITEMS)     "{\"input\":[" ITEMS "]}"
#define USER             "{\"role\":\"user\",\"content\":\"x\"}"
#define CALL(ID)                                                        \
        "{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"" ID \
        "\",\"name\":\"f\",\"arguments\":\"{}\",\"status\":\"completed\"}"
#define RESULT(ID)     "{\"type\":\"function_call_output\",\"call_id\":\"" ID "\",\"output\":\"r\"}"
#define CALL_OUT(ID)   "{\"type\":\"function\",\"id\":\"" ID "\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
#define RESULT_OUT(ID) "{\"role\":\"tool\",\"content\":[" PART("r") "],\"tool_call_id\":\"" ID "\"}"
#define TOOL(NAME) \
        "{\"type\":\"function\",\"name\":\"" NAME "\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}"
#define TOOL_OUT(NAME)                                          \
        "{\"type\":\"function\",\"function\":{\"name\":\"" NAME \
        "\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}"
#define TOOLS     "\"tools\":[" TOOL("f") "," TOOL("g") "]"
#define TOOLS_OUT "\"tools\":[" TOOL_OUT("f") "," TOOL_OUT("g") "]"

static const struct translation_row rows[] = {
        { "a string",
          "{\"model\":\"a\",\"input\":\"x\",\"stream\":true,\"store\":true,\"metadata\":{\"k\":\"v\"},\"user\":\"u\",\"truncation\":\"auto\",\"include\":[\"reasoning.encrypted_content\"]}",
          "{\"model\":\"a\",\"stream\":true," X "}", NULL },
        { "members of other names",
          WITH("\"max_output_tokens\":9,\"temperature\":0.5,\"top_p\":1,\"parallel_tool_calls\":false,\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"service_tier\":\"flex\",\"top_logprobs\":0"),
          "{\"service_tier\":\"flex\",\"max_tokens\":9,\"parallel_tool_calls\":false,\"temperature\":0.5,\"top_p\":1,\"reasoning_effort\":\"low\"," X
          "}",
          NULL },
        { "log-probabilities", WITH("\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":0"),
          "{\"logprobs\":true,\"top_logprobs\":0," X "}", NULL },
        { "... by their number alone", WITH("\"top_logprobs\":2,\"include\":[]"), "{\"logprobs\":true,\"top_logprobs\":2," X "}",
          NULL },
        { "null is absent",
          WITH("\"instructions\":null,\"tools\":null,\"previous_response_id\":null,\"conversation\":null,\"text\":null,\"reasoning\":null"),
          "{" X "}", NULL },
        { "instructions", WITH("\"instructions\":\"Be \\u00e4\""),
          "{\"messages\":[" SAYS("system", "Be \\u00e4") "," SAYS("user", "x") "]}", NULL },
        { "instructions and what a developer says are one message",
          "{\"instructions\":\"Be\",\"input\":[{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"Do\"}]},{\"role\":\"system\",\"content\":\"Go\"}," USER
          "]}",
          "{\"messages\":[{\"role\":\"system\",\"content\":[" PART("Be") "," PART("Do") "," PART("Go") "]}," SAYS("user",
                                                                                                                  "x") "]}",
          NULL },
        { "a conversation with reasoning and calls",
          ITEMS(USER
                ",{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"Hm. \"},{\"type\":\"summary_text\",\"text\":\"So.\"}]},"
                "{\"type\":\"message\",\"role\":\"assistant\",\"id\":\"msg_1\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"I look.\",\"annotations\":[]}]}," CALL(
                        "c1") "," CALL("c2") "," RESULT("c1") ",{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\",\"text\":\"r\"}]}," CALL("c3") "," RESULT("c3") "," USER),
          "{\"messages\":[" SAYS("user", "x") ",{\"role\":\"assistant\",\"content\":[" PART("I look.") "],\"reasoning_content\":\"Hm. So.\",\"tool_calls\":[" CALL_OUT("c1") "," CALL_OUT("c2") "]}," RESULT_OUT(
                  "c1") "," RESULT_OUT("c2") ",{\"role\":\"assistant\",\"content\":[],\"tool_calls\":[" CALL_OUT("c3") "]}," RESULT_OUT("c3") "," SAYS("user",
                                                                                                                                                       "x") "]}",
          NULL },
        { "the words of reasoning before their summary, a refusal",
          ITEMS("{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"w\"}]},"
                "{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}"),
          "{\"messages\":[{\"role\":\"assistant\",\"content\":[" PART("no") "],\"reasoning_content\":\"w\"}]}", NULL },
        { "what was thought need not be known again",
          ITEMS(USER ",{\"type\":\"item_reference\",\"id\":\"rs_1\"}," CALL("c1") "," RESULT("c1")),
          "{\"messages\":[" SAYS("user", "x") ",{\"role\":\"assistant\",\"content\":[],\"tool_calls\":[" CALL_OUT(
                  "c1") "]}," RESULT_OUT("c1") "]}",
          NULL },
        { "... nor makes a message", ITEMS("{\"type\":\"item_reference\",\"id\":\"rs_1\"}," USER), "{" X "}", NULL },
        { "tools", WITH(TOOLS ",\"tool_choice\":\"required\""), "{\"tool_choice\":\"required\"," X "," TOOLS_OUT "}", NULL },
        { "some are allowed",
          WITH(TOOLS
               ",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]}"),
          "{\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]}," X
          "," TOOLS_OUT "}",
          NULL },
        { "plain text", WITH("\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"low\"}"),
          "{" X ",\"verbosity\":\"low\",\"response_format\":{\"type\":\"text\"}}", NULL },
        { "a schema",
          WITH("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":\"object\"},\"strict\":true}}"),
          "{" X
          ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"},\"strict\":true}}}",
          NULL },

        { "no input", "{}", NULL, "'input' must be a string or a list of items" },
        { "an empty list", ITEMS(" "), NULL, "'input' must hold at least one item" },
        { "a role that is none", ITEMS("{\"role\":\"tool\",\"content\":\"x\"}"), NULL, "input[0].role must be" },
        { "a number for an item", ITEMS(USER ",7"), NULL, "input[1].role must be" },
        { "no content", ITEMS("{\"role\":\"user\"}"), NULL, "input[0].content must be a string or a list of parts" },
        { "an image",
          ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_image\",\"image_url\":\"u\"}]}"),
          NULL, "input[0].content[1], of type 'input_image', cannot be read" },
        { "a file of a tool",
          ITEMS("{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":\"input_file\"}]}"), NULL,
          "input[0].output[0], of type 'input_file'" },
        { "a call without a name", ITEMS(USER "," CALL("a") ",{\"type\":\"function_call\",\"call_id\":\"c\"}"), NULL,
          "input[2].name must be a string" },
        { "a result of no call", ITEMS("{\"type\":\"function_call_output\",\"output\":\"x\"}"), NULL,
          "input[0].call_id must be a string" },
        { "a reference", ITEMS("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), NULL,
          "input[0] is an item_reference, and this server keeps no items: with store: false the client" },
        { "another item", ITEMS("{\"type\":\"web_search_call\",\"id\":\"ws_1\"}"), NULL,
          "input[0]: items of type 'web_search_call' are not offered" },
        { "an earlier response", WITH("\"previous_response_id\":\"resp_1\""), NULL, "'previous_response_id' is not offered" },
        { "a conversation", WITH("\"conversation\":{\"id\":\"c\"}"), NULL, "'conversation' is not offered" },
        { "a kept prompt", WITH("\"prompt\":{\"id\":\"p\"}"), NULL, "'prompt' is not offered" },
        { "in the background", WITH("\"background\":true"), NULL, "'background' is not offered" },
        { "instructions that are none", WITH("\"instructions\":[]"), NULL, "'instructions' must be a string" },
        { "a tool that is run elsewhere", WITH("\"tools\":[" TOOL("f") ",{\"type\":\"web_search\"}]"), NULL,
          "tools[1]: tools of type 'web_search' are not offered" },
        { "a custom tool", WITH("\"tools\":[{\"type\":\"custom\",\"name\":\"c\"}]"), NULL,
          "tools[0]: tools of type 'custom' are not offered" },
        { "a tool without a name", WITH("\"tools\":[{\"type\":\"function\"}]"), NULL, "tools[0].name must be a string" },
        { "tools that are none", WITH("\"tools\":{}"), NULL, "'tools' must be a list" },
        { "a schema that is not there", WITH("\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\"}}"), NULL,
          "text.format must have a type, and a schema" },
};

static void test_translations(void **state) {
        (void) state;
        check_translations(translate_responses, rows, sizeof rows / sizeof *rows);
}

/* --- what is answered --- */

#define ASK(MORE)              "{\"model\":\"a\",\"input\":\"x\"" MORE "}"
#define THOUGHT(STATUS, PARTS) "{\"id\":\"rs_ID_0\",\"status\":\"" STATUS "\",\"type\":\"reasoning\",\"summary\":[" PARTS "]}"
#define SAID(STATUS, PARTS) \
        "{\"id\":\"msg_ID_1\",\"status\":\"" STATUS "\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[" PARTS "]}"
#define CALLED(STATUS, ARGUMENTS)                  \
        "{\"id\":\"fc_ID_2\",\"status\":\"" STATUS \
        "\",\"type\":\"function_call\",\"call_id\":\"abc\",\"name\":\"get\",\"arguments\":\"" ARGUMENTS "\"}"
#define SUMMARY_PART(TEXT) "{\"type\":\"summary_text\",\"text\":\"" TEXT "\"}"
#define TEXT_PART(TEXT)    "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" TEXT "\"}"
#define REPEATED                                                                                                                                                \
        "\"instructions\":null,\"max_output_tokens\":null,\"metadata\":{},\"parallel_tool_calls\":true,\"reasoning\":{\"effort\":null,\"summary\":null},"       \
        "\"temperature\":null,\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],\"top_logprobs\":0,\"top_p\":null,\"user\":null," \
        "\"background\":false,\"previous_response_id\":null,\"store\":false,\"truncation\":\"disabled\""
#define RESPONSE_OF(STATUS, ERROR, WHY, OUTPUT, USAGE, MORE)                                                             \
        "{\"id\":\"resp_ID\",\"object\":\"response\",\"created_at\":1,\"status\":\"" STATUS                              \
        "\",\"model\":\"a\",\"error\":" ERROR ",\"incomplete_details\":" WHY ",\"output\":[" OUTPUT "],\"usage\":" USAGE \
        "," MORE "}"
#define USAGE_OUT \
        "{\"input_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens\":2,\"output_tokens_details\":{\"reasoning_tokens\":1},\"total_tokens\":7}"
#define EVENT(NAME, N, MORE) "event: " NAME "\ndata: {\"type\":\"" NAME "\",\"sequence_number\":" N "," MORE "}\n\n"
#define BEGIN                                                                                                            \
        EVENT("response.created", "0", "\"response\":" RESPONSE_OF("in_progress", "null", "null", "", "null", REPEATED)) \
        EVENT("response.in_progress", "1", "\"response\":" RESPONSE_OF("in_progress", "null", "null", "", "null", REPEATED))
#define ADDED(N, INDEX, ITEM) EVENT("response.output_item.added", N, "\"output_index\":" INDEX ",\"item\":" ITEM)
#define DONE(N, INDEX, ITEM)  EVENT("response.output_item.done", N, "\"output_index\":" INDEX ",\"item\":" ITEM)
#define IN_THOUGHT(NAME, N, MORE) \
        EVENT("response.reasoning_summary_" NAME, N, "\"item_id\":\"rs_ID_0\",\"output_index\":0,\"summary_index\":0," MORE)
#define IN_TEXT(NAME, N, MORE) EVENT("response." NAME, N, "\"item_id\":\"msg_ID_1\",\"output_index\":1,\"content_index\":0," MORE)
#define IN_CALL(NAME, N, MORE) \
        EVENT("response.function_call_arguments." NAME, N, "\"item_id\":\"fc_ID_2\",\"output_index\":2," MORE)
#define ALL                                       \
        THOUGHT("completed", SUMMARY_PART("Hm.")) \
        "," SAID("completed", TEXT_PART("Hi \\\"you\\\"")) "," CALLED("completed", "{\\\"a\\\":1}")

static void say_all(const char *finish) {
        asked.events->on_reasoning(asked.user, "Hm");
        asked.events->on_reasoning(asked.user, ".");
        asked.events->on_text(asked.user, "Hi \"you\"", NULL);
        asked.events->on_call(asked.user, &(struct request_call){ 0, "abc", "get", "" });
        asked.events->on_call(asked.user, &(struct request_call){ 0, NULL, NULL, "{\"a\":" });
        asked.events->on_call(asked.user, &(struct request_call){ 0, NULL, NULL, "1}" });
        asked.events->on_end(asked.user, finish, &usage);
}

static void test_stream(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/responses", ASK(",\"stream\":true"));
        assert_int_equal(asked.kind, REQUEST_CHAT);
        asked.events->on_start(asked.user, 5, 3, NULL);
        say_all("tool_calls");
        const char *heard = hear(fd, "0\r\n\r\n", &closed);
        assert_non_null(strstr(heard, "Content-Type: text/event-stream\r\n"));
        unchunk(heard, &out);
        assert_string_equal(
                out.bytes,
                BEGIN ADDED("2", "0", THOUGHT("in_progress", "")) IN_THOUGHT(
                        "part.added", "3",
                        "\"part\":" SUMMARY_PART(
                                "")) IN_THOUGHT("text.delta", "4",
                                                "\"delta\":\"Hm\"") IN_THOUGHT("text.delta", "5",
                                                                               "\"delta\":\".\"") IN_THOUGHT("text.done", "6",
                                                                                                             "\"text\":\"Hm.\"")
                        IN_THOUGHT("part.done", "7", "\"part\":" SUMMARY_PART("Hm.")) DONE(
                                "8", "0", THOUGHT("completed", SUMMARY_PART("Hm."))) ADDED("9", "1", SAID("in_progress", ""))
                                IN_TEXT("content_part.added", "10", "\"part\":" TEXT_PART("")) IN_TEXT(
                                        "output_text.delta", "11",
                                        "\"delta\":\"Hi \\\"you\\\"\",\"logprobs\":[]")
                                        IN_TEXT("output_text.done", "12", "\"text\":\"Hi \\\"you\\\"\",\"logprobs\":[]")
                                                IN_TEXT("content_part.done", "13", "\"part\":" TEXT_PART("Hi \\\"you\\\"")) DONE(
                                                        "14", "1", SAID("completed", TEXT_PART("Hi \\\"you\\\"")))
                                                        ADDED("15", "2", CALLED("in_progress", "")) IN_CALL(
                                                                "delta", "16", "\"delta\":\"{\\\"a\\\":\"")
                                                                IN_CALL("delta", "17", "\"delta\":\"1}\"") IN_CALL(
                                                                        "done",
                                                                        "18", "\"name\":\"get\",\"arguments\":\"{\\\"a\\\":1}\"")
                                                                        DONE("19", "2", CALLED("completed", "{\\\"a\\\":1}"))
                                                                                EVENT("response.completed", "20",
                                                                                      "\"response\":" RESPONSE_OF(
                                                                                              "completed", "null", "null", ALL,
                                                                                              USAGE_OUT, REPEATED)));
        text_done(&out);
        (void) close(fd);
}

static void test_stream_that_is_cut(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/responses", ASK(",\"stream\":true"));
        asked.events->on_waiting(asked.user, "loading");
        asked.events->on_call(asked.user, &(struct request_call){ 0, "abc", "get", "{\"a" });
        asked.events->on_end(asked.user, "length", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
#define CUT \
        "{\"id\":\"fc_ID_0\",\"status\":\"incomplete\",\"type\":\"function_call\",\"call_id\":\"abc\",\"name\":\"get\",\"arguments\":\"{\\\"a\"}"
        assert_int_equal(strncmp(out.bytes, ": ping loading\n\nevent: response.created\n", 40), 0);
        assert_non_null(strstr(out.bytes, DONE("5", "0", CUT)));
        assert_non_null(
                strstr(out.bytes, EVENT("response.incomplete", "6",
                                        "\"response\":" RESPONSE_OF("incomplete", "null", "{\"reason\":\"max_output_tokens\"}",
                                                                    CUT, USAGE_OUT, REPEATED))));
        text_done(&out);
        (void) close(fd);
}

static void test_whole(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/responses", ASK(""));
        asked.events->on_text(asked.user, "forgotten", NULL);
        asked.events->on_restart(asked.user);
        say_all("tool_calls");
        unchunk(hear(fd, "}\n", &closed), &out);
        assert_string_equal(out.bytes, RESPONSE_OF("completed", "null", "null", ALL, USAGE_OUT, REPEATED) "\n");
        text_done(&out);
        (void) close(fd);
}

/* Of two tokens, the first of which ends within a character; those of other tokens are nobody's. */
static void test_logprobs(void **state) {
        cJSON *first = cJSON_Parse(
                      "[{\"token\":\"H\",\"bytes\":[72],\"logprob\":-1,\"top\":[{\"token\":\"H\",\"bytes\":[72],\"logprob\":-1}]}]"),
              *second = cJSON_Parse("[{\"token\":\"i\",\"bytes\":[105],\"logprob\":-2,\"top\":[]}]");
        struct text out = { 0 };
        bool closed;

        (void) state;
#define H "{\"token\":\"H\",\"logprob\":-1,\"bytes\":[72],\"top_logprobs\":[{\"token\":\"H\",\"logprob\":-1,\"bytes\":[72]}]}"
#define I "{\"token\":\"i\",\"logprob\":-2,\"bytes\":[105],\"top_logprobs\":[]}"
        for (unsigned is_stream = 0; is_stream < 2; is_stream++) {
                int fd = post("/v1/responses",
                              is_stream ? ASK(",\"top_logprobs\":1,\"stream\":true") : ASK(",\"top_logprobs\":1"));
                asked.events->on_reasoning(asked.user, "Hm");
                asked.events->on_text(asked.user, NULL, first);
                asked.events->on_text(asked.user, "", first);
                asked.events->on_text(asked.user, "Hi", second);
                asked.events->on_reasoning(asked.user, "So");
                asked.events->on_text(asked.user, "i", second);
                asked.events->on_end(asked.user, "stop", &usage);
                unchunk(hear(fd, is_stream ? "0\r\n\r\n" : "}\n", &closed), &out);
                assert_non_null(strstr(out.bytes, "\"annotations\":[],\"logprobs\":[" H "," I "],\"text\":\"Hi\"}"));
                assert_non_null(strstr(out.bytes, "\"annotations\":[],\"logprobs\":[" I "],\"text\":\"i\"}"));
                assert_non_null(strstr(out.bytes, "\"top_logprobs\":1,"));
                if (is_stream) {
                        assert_non_null(strstr(out.bytes, "\"delta\":\"\",\"logprobs\":[" H "]}\n"));
                        assert_non_null(strstr(out.bytes, "\"delta\":\"Hi\",\"logprobs\":[" I "]}\n"));
                        assert_non_null(strstr(out.bytes, "\"text\":\"Hi\",\"logprobs\":[" H "," I "]}\n"));
                }
                text_done(&out);
                (void) close(fd);
        }
        cJSON_Delete(first);
        cJSON_Delete(second);
}

/* What was asked is repeated in one line, whatever it was written in. */
static void test_repeated(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post(
                "/v1/responses",
                ASK(",\"stream\":true,\"store\":true,\"instructions\":\"Be\tä\",\"metadata\":{\n  \"k\": \"v\\\"\"\n},\"temperature\":0,"
                    "\"top_p\":0.5,\"max_output_tokens\":9,\"parallel_tool_calls\":false,\"user\":\"u\",\"tool_choice\":\"none\",\"tools\":[" TOOL(
                            "f") "],"
                                 "\"reasoning\":{\"effort\":\"low\"},\"text\":{\"format\":{\"type\":\"json_object\"}},\"truncation\":\"auto\""));
        asked.events->on_end(asked.user, "stop", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
        assert_non_null(strstr(
                out.bytes,
                EVENT("response.completed", "2",
                      "\"response\":" RESPONSE_OF(
                              "completed", "null", "null", "", USAGE_OUT,
                              "\"instructions\":\"Be\\u0009ä\",\"max_output_tokens\":9,\"metadata\":{  \"k\": \"v\\\"\"},\"parallel_tool_calls\":false,"
                              "\"reasoning\":{\"effort\":\"low\"},\"temperature\":0,\"text\":{\"format\":{\"type\":\"json_object\"}},\"tool_choice\":\"none\",\"tools\":[" TOOL(
                                      "f") "],"
                                           "\"top_logprobs\":0,\"top_p\":0.5,\"user\":\"u\",\"background\":false,\"previous_response_id\":null,\"store\":false,\"truncation\":\"disabled\""))));
        text_done(&out);
        (void) close(fd);
}

static void test_failures(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/responses", ASK(",\"previous_response_id\":\"resp_1\""));
        const char *heard = hear(fd, "}}\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 400 "));
        assert_non_null(strstr(heard, "\"type\":\"invalid_request_error\",\"param\":\"previous_response_id\""));
        assert_int_equal(submits, 0);
        (void) close(fd);
        fd = post("/v1/responses", ASK(",\"stream\":true"));
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_failed(asked.user, &cooldown);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
#define MESSAGE "\"code\":\"load_cooldown\",\"message\":\"wait \\\"a\\\" while\\n\""
        assert_non_null(strstr(
                out.bytes,
                EVENT("error", "5", MESSAGE ",\"param\":null") EVENT(
                        "response.failed", "6",
                        "\"response\":" RESPONSE_OF(
                                "failed", "{" MESSAGE "}", "null",
                                "{\"id\":\"msg_ID_0\",\"status\":\"incomplete\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[" TEXT_PART(
                                        "Hi") "]}",
                                "null", REPEATED))));
        text_done(&out);
        (void) close(fd);
}

static void test_count(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/responses/input_tokens", ASK(""));
        assert_int_equal(asked.kind, REQUEST_COUNT);
        asked.events->on_end(asked.user, "length", &usage);
        assert_string_equal(body_of(hear(fd, "}\n", &closed)), "{\"object\":\"response.input_tokens\",\"input_tokens\":5}\n");
        (void) close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_translations),
                TEST(test_stream),
                TEST(test_stream_that_is_cut),
                TEST(test_whole),
                TEST(test_logprobs),
                TEST(test_repeated),
                TEST(test_failures),
                TEST(test_count),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
