/* test_api_streams.c - what a client reads of a stream, byte for byte, when the fleet says this or that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/daemon/api/api_fixture.h"

#define CHUNK(CHOICES)                                                                                                                                         \
        "data: {\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"a\",\"system_fingerprint\":\"FP\",\"choices\":[" CHOICES \
        "]}\n\n"
#define DELTA(DELTA, FINISH) CHUNK("{\"index\":0,\"delta\":" DELTA ",\"finish_reason\":" FINISH "}")
#define USAGE                                                                                                            \
        "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7,\"prompt_tokens_details\":{\"cached_" \
        "tokens\":3},\"completion_tokens_details\":{\"reasoning_tokens\":1}},"                                           \
        "\"timings\":{\"prompt_ms\":1.500,\"predicted_ms\":2.250}"

static void test_stream_exactly(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions",
                      CHAT(",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"unknown\":[1]"));
        assert_int_equal(submits, 1);
        assert_int_equal(asked.kind, REQUEST_CHAT);
        assert_non_null(cJSON_GetObjectItem(asked.body, "unknown"));
        asked.events->on_start(asked.user, 5, 3, NULL);
        asked.events->on_text(asked.user, "Hi \"you\"\n", NULL);
        asked.events->on_text(asked.user, "ü", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        const char *heard = hear(fd, "0\r\n\r\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(heard, "Content-Type: text/event-stream\r\n"));
        assert_non_null(strstr(heard, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"));
        unchunk(heard, &out);
        assert_string_equal(
                out.bytes,
                DELTA("{\"role\":\"assistant\",\"content\":null}", "null") DELTA("{\"content\":\"Hi \\\"you\\\"\\n\"}",
                                                                                 "null") DELTA("{\"content\":\"ü\"}", "null")
                        DELTA("{}",
                              "\"stop\"") "data: "
                                          "{\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion.chunk\","
                                          "\"created\":1,\"model\":\"a\",\"system_fingerprint\":\"FP\",\"choices\":[]," USAGE
                                          "}\n\ndata: [DONE]\n\n");
        assert_false(closed);
        text_done(&out);
        (void) close(fd);
}

static void say_reasoning_and_calls(void) {
        asked.events->on_reasoning(asked.user, "Hm.");
        asked.events->on_call(asked.user, &(struct request_call){ 0, "abc", "get", "" });
        asked.events->on_call(asked.user, &(struct request_call){ 0, NULL, NULL, "{\"a\":" });
        asked.events->on_call(asked.user, &(struct request_call){ 0, NULL, NULL, "1}" });
        asked.events->on_call(asked.user, &(struct request_call){ 1, "def", "set", "{}" });
        asked.events->on_end(asked.user, "tool_calls", &usage);
}

#define OF(INDEX, DELTA, FINISH) CHUNK("{\"index\":" INDEX ",\"delta\":" DELTA ",\"finish_reason\":" FINISH "}")

/* The prompt counts once, and each answer has its own end. */
static void test_stream_of_answers(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"n\":2,\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
        struct request *other = &others[1];
        assert_int_equal(submits, 2);
        assert_int_not_equal(asked.group, 0);
        assert_int_equal(other->group, asked.group);
        other->events->on_start(other->user, 5, 4, NULL);
        asked.events->on_start(asked.user, 5, 3, NULL);
        other->events->on_text(other->user, "B", NULL);
        asked.events->on_text(asked.user, "A", NULL);
        other->events->on_end(other->user, "length", &(struct request_usage){ 5, 3, 4, 0, 1, 1, NULL, 0 });
        asked.events->on_text(asked.user, "a", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
#define OPENS "{\"role\":\"assistant\",\"content\":null}"
        assert_string_equal(
                out.bytes,
                OF("1", OPENS, "null") OF("1", "{\"content\":\"B\"}", "null") OF("0", OPENS, "null")
                        OF("0", "{\"content\":\"A\"}", "null") OF("1", "{}", "\"length\"") OF("0", "{\"content\":\"a\"}", "null")
                                OF("0", "{}",
                                   "\"stop\"") "data: "
                                               "{\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion.chunk\","
                                               "\"created\":1,\"model\":\"a\",\"system_fingerprint\":\"FP\",\"choices\":[],"
                                               "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":5,\"total_tokens\":10,"
                                               "\"prompt_tokens_details\":{\"cached_tokens\":3},\"completion_tokens_details\":{"
                                               "\"reasoning_tokens\":1}},\"timings\":{\"prompt_ms\":1.500,\"predicted_ms\":2.250}"
                                               "}\n\ndata: [DONE]\n\n");
        text_done(&out);
        (void) close(fd);
}

static void test_whole_answers(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"n\":3"));
        assert_int_equal(submits, 3);
        for (unsigned i = 2; i > 0; i--) {
                others[i].events->on_text(others[i].user, i == 1 ? "B" : "C", NULL);
                others[i].events->on_end(others[i].user, i == 1 ? "length" : "stop", &usage);
        }
        asked.events->on_text(asked.user, "A", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        const char *heard = hear(fd, "}}\n", &closed);
        assert_non_null(strstr(heard,
                               "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A\"},\"logprobs\":null,"
                               "\"finish_reason\":\"stop\"},{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":"
                               "\"B\"},\"logprobs\":null,\"finish_reason\":\"length\"},{\"index\":2,\"message\":{\"role\":"
                               "\"assistant\",\"content\":\"C\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{"
                               "\"prompt_tokens\":5,\"completion_tokens\":6,\"total_tokens\":11,"));
        (void) close(fd);
}

/* One that fails fails all, and who leaves leaves all. */
static void test_answers_end_together(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"n\":3"));
        others[2].events->on_end(others[2].user, "stop", &usage);
        others[1].events->on_failed(others[1].user, &cooldown);
        check_refusal(hear(fd, "}}\n", &closed));
        assert_int_equal(cancels, 1); /* of the one that was under way */
        (void) close(fd);
        fd = post("/v1/chat/completions", CHAT(",\"n\":8,\"stream\":true"));
        others[1].events->on_text(others[1].user, "B", NULL);
        (void) hear(fd, "\n\n", &closed);
        (void) close(fd);
        turn_for(20);
        assert_int_equal(cancels, 1 + 8);
}

static void test_stream_of_calls(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        say_reasoning_and_calls();
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
#define CALL_DELTA(call) DELTA("{\"tool_calls\":[{" call "}]}", "null")
        assert_string_equal(
                out.bytes,
                DELTA("{\"role\":\"assistant\",\"content\":null}", "null") DELTA("{\"reasoning_content\":\"Hm.\"}", "null")
                        CALL_DELTA(
                                "\"index\":0,\"id\":\"abc\",\"type\":\"function\",\"function\":{\"name\":\"get\",\"arguments\":\"\"}")
                                CALL_DELTA("\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}")
                                        CALL_DELTA("\"index\":0,\"function\":{\"arguments\":\"1}\"}") CALL_DELTA(
                                                "\"index\":1,\"id\":\"def\",\"type\":\"function\",\"function\":{\"name\":\"set\","
                                                "\"arguments\":\"{}\"}") DELTA("{}", "\"tool_calls\"") "data: [DONE]\n\n");
        text_done(&out);
        (void) close(fd);
}

static void test_whole_of_calls(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(""));
        asked.events->on_reasoning(asked.user, "forgotten");
        asked.events->on_call(asked.user, &(struct request_call){ 0, "zzz", "forgotten", "{" });
        asked.events->on_restart(asked.user);
        say_reasoning_and_calls();
        const char *heard = hear(fd, "}}\n", &closed);
        assert_non_null(strstr(heard,
                               "\"message\":{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"Hm.\","
                               "\"tool_calls\":[{\"id\":\"abc\",\"type\":\"function\",\"function\":{\"name\":\"get\","
                               "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"def\",\"type\":\"function\",\"function\":{"
                               "\"name\":\"set\",\"arguments\":\"{}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\""));
        (void) close(fd);
}

static void test_stream_without_words_or_usage(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        asked.events->on_end(asked.user, "length", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
        assert_string_equal(out.bytes, DELTA("{\"role\":\"assistant\",\"content\":null}", "null")
                                               DELTA("{}", "\"length\"") "data: [DONE]\n\n");
        text_done(&out);
        (void) close(fd);
}

static void test_completion_stream(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/completions", "{\"model\":\"alias\",\"prompt\":[\"once\"],\"stream\":true}");
        assert_int_equal(asked.kind, REQUEST_COMPLETION);
        assert_string_equal(asked.model, "alias");
        assert_string_equal(at(asked.body, "prompt.0")->valuestring, "once");
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
#define PIECE(CHOICE)                                                                                                                                          \
        "data: "                                                                                                                                               \
        "{\"id\":\"cmpl-ID\",\"object\":\"text_completion\",\"created\":1,\"model\":\"alias\",\"system_fingerprint\":\"FP\",\"choices\":[{\"index\":0," CHOICE \
        "}]}\n\n"
        assert_string_equal(out.bytes, PIECE("\"text\":\"Hi\",\"logprobs\":null,\"finish_reason\":null") PIECE(
                                               "\"text\":\"\",\"logprobs\":null,\"finish_reason\":\"stop\"") "data: [DONE]\n\n");
        text_done(&out);
        (void) close(fd);
}

/* While it waits, a stream says why at once and then every few seconds; then its failure stands in it. */
static void test_stream_waits_then_fails(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        outlook_told = (struct outlook){ 4, 90000 };
        asked.events->on_waiting(asked.user, "loading");
        const char *heard = hear(fd, ": ping loading position=4 expected=90s\n\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(heard, "\r\nx-headroom-position: 4\r\nx-headroom-expected: 90\r\n"));
        asked.events->on_waiting(asked.user, "making room");
        asked.events->on_waiting(asked.user, "making\nroom");
        heard = hear(fd, "\r\n", &closed);
        assert_string_equal(heard, "");
        outlook_told = (struct outlook){ 3, 11001 };
        turn_for(API_PING_MS);
        heard = hear(fd, "\n\n", &closed);
        assert_non_null(strstr(heard, ": ping makingroom position=3 expected=12s\n\n"));
        outlook_told = (struct outlook){ 1, UINT64_MAX };
        turn_for(API_PING_MS);
        assert_non_null(strstr(hear(fd, "\n\n", &closed), ": ping makingroom position=1\n\n"));
        outlook_told = (struct outlook){ 0 };
        asked.events->on_failed(asked.user, &cooldown);
        heard = hear(fd, NULL, &closed);
        assert_true(closed);
        assert_non_null(strstr(
                heard, "data: {\"error\":{\"message\":\"wait \\\"a\\\" while\\n\",\"type\":\"server_error\",\"param\":null,"
                       "\"code\":\"load_cooldown\"}}\n\n\r\n0\r\n\r\n"));
        assert_null(strstr(heard, "[DONE]"));
        text_done(&out);
        (void) close(fd);
}

static void test_stream_fails_before_anything_was_sent(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        asked.events->on_start(asked.user, 1, 0, NULL);
        asked.events->on_failed(asked.user, &cooldown);
        check_refusal(hear(fd, "}}\n", &closed));
        (void) close(fd);
        refuses = true;
        fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        check_refusal(hear(fd, "}}\n", &closed));
        (void) close(fd);
}

/* What an answer is not held to stands in its headers or, where a ping has sent these, in a ping. */
static void test_relaxed_is_told(void **state) {
        bool closed;

        (void) state;
        for (unsigned streams = 0; streams < 2; streams++) {
                int fd = post("/v1/chat/completions", streams ? CHAT(",\"stream\":true") : CHAT(""));
                asked.events->on_start(asked.user, 1, 0, "response_format#/a/not, tools/f#");
                asked.events->on_text(asked.user, "Hi", NULL);
                asked.events->on_end(asked.user, "stop", &usage);
                const char *heard = hear(fd, streams ? "0\r\n\r\n" : "}}\n", &closed);
                assert_non_null(strstr(heard, "\r\nx-headroom-relaxed: response_format#/a/not, tools/f#\r\n"));
                (void) close(fd);
        }
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        asked.events->on_waiting(asked.user, "loading");
        (void) hear(fd, "loading\n\n", &closed);
        asked.events->on_start(asked.user, 1, 0, "tools/f#");
        assert_non_null(strstr(hear(fd, "\n\n", &closed), ": ping relaxed tools/f#\n\n"));
        asked.events->on_end(asked.user, "stop", &usage);
        (void) close(fd);
}

static void test_client_leaves_a_stream(void **state) {
        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        asked.events->on_text(asked.user, "Hi", NULL);
        turn_for(5);
        (void) close(fd);
        turn_for(20);
        assert_int_equal(cancels, 1);
        assert_int_equal(api_running(api), 0);
}

static void test_client_leaves_before_its_answer(void **state) {
        (void) state;
        int fd = post("/v1/chat/completions", CHAT(""));
        (void) close(fd);
        turn_for(20);
        assert_int_equal(cancels, 1);
        assert_int_equal(api_running(api), 0);
}

static void test_slow_reader_pauses_its_request(void **state) {
        char piece[1000], sink[65536];

        (void) state;
        memset(piece, 'x', sizeof piece - 1);
        piece[sizeof piece - 1] = 0;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        for (int i = 0; i < 10000 && !asked.paused; i++) {
                asked.events->on_text(asked.user, piece, NULL);
                turn();
        }
        assert_int_not_equal(asked.paused, 0);
        assert_int_equal(asked.resumed, 0);
        for (int i = 0; i < 3000 && !asked.resumed; i++) {
                (void) recv(fd, sink, sizeof sink, 0);
                turn_for(1);
        }
        assert_int_equal(asked.resumed, 1);
        asked.events->on_end(asked.user, "stop", &usage);
        (void) close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_stream_exactly),
                TEST(test_stream_of_answers),
                TEST(test_whole_answers),
                TEST(test_answers_end_together),
                TEST(test_stream_of_calls),
                TEST(test_whole_of_calls),
                TEST(test_stream_without_words_or_usage),
                TEST(test_completion_stream),
                TEST(test_stream_waits_then_fails),
                TEST(test_stream_fails_before_anything_was_sent),
                TEST(test_relaxed_is_told),
                TEST(test_client_leaves_a_stream),
                TEST(test_client_leaves_before_its_answer),
                TEST(test_slow_reader_pauses_its_request),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
