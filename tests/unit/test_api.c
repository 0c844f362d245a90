/*
 * test_api.c - what a client reads, byte for byte, when the fleet says this or that.
 *
 * The fleet is played by played_fleet.h: it notes what it is asked, and each test says what it answers, and when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "engine/wire.h"
#include "daemon/api/api.h"
#include "daemon/bounds.h"
#include "daemon/fleet.h"
#include "daemon/http/server.h"
#include "daemon/text.h"
#include "tests/loop_client.h"
#include "tests/unit/played_fleet.h"

/* --- the server around it --- */

static char *aliases[] = { (char[]){ "alias" } };
static struct config_model configured[] = { { .id = (char[]){ "a" } },
                                            { .id = (char[]){ "org/b:q4" }, .aliases = aliases, .aliases_count = 1 } };
static const struct config config = { .models = configured, .models_count = 2 };
static struct http_server *server;
static struct api *api;
static void (*surface)(void *user, struct http_exchange *x);

static void on_request(void *user, struct http_exchange *x) {
        (void) user;
        surface(api, x);
}

static int set_up(void **state) {
        const struct http_options options = { .on_request = on_request,
                                              .headers = "Access-Control-Allow-Origin: *\r\n",
                                              .connections_max = 8,
                                              .body_bytes_max = 4 << 20,
                                              .header_timeout_ms = 10000,
                                              .idle_timeout_ms = 10000 };

        (void) state;
        submits = cancels = 0;
        models_count = 2;
        refuses = false;
        tick_ms_ago = 10;
        surface = api_on_request;
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(api_new(&loop, &config, NULL, NULL, "127.0.0.1:1", &api), 0);
        assert_int_equal(http_server_new(&loop, &options, &server), 0);
        return http_server_listen_tcp(server, "127.0.0.1", 0, &port);
}

static void on_empty(void *user) {
        *(bool *) user = true;
}

static int tear_down(void **state) {
        bool is_empty = false;

        (void) state;
        http_server_drain(server, on_empty, &is_empty);
        http_server_cut(server);
        for (int i = 0; i < 1000 && (!is_empty || api_running(api)); i++)
                turn();
        assert_int_equal(api_running(api), 0);
        api_close(api);
        turn();
        http_server_free(server);
        api_free(api);
        cJSON_Delete(asked.body);
        asked.body = NULL;
        assert_int_equal(uv_loop_close(&loop), 0);
        return 0;
}

static int post(const char *path, const char *body) {
        struct text request = { 0 };
        int fd = connect_client();

        text_printf(&request, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body), body);
        say(fd, request.bytes, request.used, SIZE_MAX);
        text_done(&request);
        turn_for(5);
        return fd;
}

static const char *get(const char *method, const char *path) {
        char request[256];
        bool closed;
        int fd = connect_client();

        (void) snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
        say(fd, request, strlen(request), SIZE_MAX);
        const char *heard = hear(fd, NULL, &closed);
        (void) close(fd);
        return heard;
}

static const char *body_of(const char *heard) {
        const char *end = strstr(heard, "\r\n\r\n");

        return end ? end + 4 : "";
}

/* The chunks' content, with the id and the time of the answer replaced by ID and 1. */
static void unchunk(const char *heard, struct text *out) {
        const char *at = body_of(heard);
        size_t size;
        int used;

        text_clear(out);
        while (sscanf(at, "%zx\r\n%n", &size, &used) == 1 && size) {
                for (const char *c = at + used, *end = c + size; c < end;) {
                        if (!strncmp(c, "chatcmpl-", 9) || !strncmp(c, "cmpl-", 5)) {
                                text_puts(out, "ID");
                                c += strcspn(c, "\"");
                        } else if (!strncmp(c, "\"created\":", 10)) {
                                text_puts(out, "\"created\":1");
                                c += strcspn(c, ",");
                        } else {
                                text_add(out, c++, 1);
                        }
                }
                at += (size_t) used + size + 2;
        }
}

#define CHAT(MORE) "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" MORE "}"
#define CHUNK(CHOICES) \
        "data: {\"id\":\"ID\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"a\",\"choices\":[" CHOICES "]}\n\n"
#define DELTA(DELTA, FINISH) CHUNK("{\"index\":0,\"delta\":" DELTA ",\"finish_reason\":" FINISH "}")
static const struct ask_usage usage = { 5, 2, 3, 1.5, 2.25 };
#define USAGE                                                                                                            \
        "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7,\"prompt_tokens_details\":{\"cached_" \
        "tokens\":3}},"                                                                                                  \
        "\"timings\":{\"prompt_ms\":1.500,\"predicted_ms\":2.250}"

/* --- streams --- */

static void test_stream_exactly(void **state) {
        struct text out = { 0 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions",
                      CHAT(",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"unknown\":[1]"));
        assert_int_equal(submits, 1);
        assert_int_equal(asked.kind, ASK_CHAT);
        assert_non_null(cJSON_GetObjectItem(asked.body, "unknown"));
        asked.events->on_start(asked.user, 5, 3);
        asked.events->on_text(asked.user, "Hi \"you\"\n", NULL);
        asked.events->on_text(asked.user, "ü", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        const char *heard = hear(fd, "0\r\n\r\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(heard, "Content-Type: text/event-stream\r\n"));
        assert_non_null(strstr(heard, "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"));
        unchunk(heard, &out);
        assert_string_equal(out.bytes,
                            DELTA("{\"role\":\"assistant\",\"content\":null}", "null")
                                    DELTA("{\"content\":\"Hi \\\"you\\\"\\n\"}", "null") DELTA("{\"content\":\"ü\"}", "null")
                                            DELTA("{}", "\"stop\"") "data: "
                                                                    "{\"id\":\"ID\",\"object\":\"chat.completion.chunk\","
                                                                    "\"created\":1,\"model\":\"a\",\"choices\":[]," USAGE
                                                                    "}\n\ndata: [DONE]\n\n");
        assert_false(closed);
        text_done(&out);
        (void) close(fd);
}

static void say_reasoning_and_calls(void) {
        asked.events->on_reasoning(asked.user, "Hm.");
        asked.events->on_call(asked.user, &(struct ask_call){ 0, "abc", "get", "" });
        asked.events->on_call(asked.user, &(struct ask_call){ 0, NULL, NULL, "{\"a\":" });
        asked.events->on_call(asked.user, &(struct ask_call){ 0, NULL, NULL, "1}" });
        asked.events->on_call(asked.user, &(struct ask_call){ 1, "def", "set", "{}" });
        asked.events->on_end(asked.user, "tool_calls", &usage);
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
        asked.events->on_call(asked.user, &(struct ask_call){ 0, "zzz", "forgotten", "{" });
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

static void test_class(void **state) {
        static const struct {
                const char *header, *more;
                int class; /* -1: refused */
        } rows[] = {
                { "", "", ASK_CLASS_OF_MODEL },
                { "", ",\"service_tier\":\"auto\"", ASK_CLASS_OF_MODEL },
                { "", ",\"service_tier\":null", ASK_CLASS_OF_MODEL },
                { "", ",\"service_tier\":\"flex\"", ASK_BATCH },
                { "", ",\"service_tier\":\"priority\"", ASK_INTERACTIVE },
                { "X-Headroom-Class: batch\r\n", "", ASK_BATCH },
                { "x-headroom-class: Interactive\r\n", ",\"service_tier\":\"flex\"", ASK_INTERACTIVE },
                { "X-Headroom-Class: soon\r\n", "", -1 },
                { "", ",\"service_tier\":1", -1 },
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
                        asked.events->on_end(asked.user, "stop", &usage);
                } else {
                        assert_non_null(strstr(hear(fd, "}}\n", &closed), "HTTP/1.1 400 "));
                }
                (void) close(fd);
                turn_for(5);
        }
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
        assert_int_equal(asked.kind, ASK_COMPLETION);
        assert_string_equal(asked.model, "alias");
        assert_string_equal(cJSON_GetObjectItem(asked.body, "prompt")->valuestring, "once");
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        unchunk(hear(fd, "0\r\n\r\n", &closed), &out);
#define PIECE(CHOICE)                                                                                                       \
        "data: "                                                                                                            \
        "{\"id\":\"ID\",\"object\":\"text_completion\",\"created\":1,\"model\":\"alias\",\"choices\":[{\"index\":0," CHOICE \
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
        asked.events->on_waiting(asked.user, "loading");
        const char *heard = hear(fd, ": ping loading\n\n", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
        asked.events->on_waiting(asked.user, "making room");
        asked.events->on_waiting(asked.user, "making\nroom");
        heard = hear(fd, "\r\n", &closed);
        assert_string_equal(heard, "");
        turn_for(API_PING_MS);
        heard = hear(fd, "\n\n", &closed);
        assert_non_null(strstr(heard, ": ping makingroom\n\n"));
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

static void check_refusal(const char *heard) {
        assert_true(!strncmp(heard, "HTTP/1.1 503 Service Unavailable\r\n", 34));
        assert_non_null(strstr(heard, "Content-Type: application/json\r\n"));
        assert_non_null(strstr(heard, "Retry-After: 120\r\nx-should-retry: true\r\n"));
        assert_non_null(strstr(heard, "\"code\":\"load_cooldown\"}}\n"));
}

static void test_stream_fails_before_anything_was_sent(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        asked.events->on_start(asked.user, 1, 0);
        asked.events->on_failed(asked.user, &cooldown);
        check_refusal(hear(fd, "}}\n", &closed));
        (void) close(fd);
        refuses = true;
        fd = post("/v1/chat/completions", CHAT(",\"stream\":true"));
        check_refusal(hear(fd, "}}\n", &closed));
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

static void test_slow_reader_pauses_its_ask(void **state) {
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

/* --- whole answers --- */

static cJSON *parse(const char *heard) {
        cJSON *json = cJSON_Parse(body_of(heard));

        if (!json)
                print_message("%s\n", heard);
        assert_non_null(json);
        return json;
}

static cJSON *at(cJSON *json, const char *path) {
        char step[64];

        while (*path && json) {
                size_t length = strcspn(path, ".");
                (void) snprintf(step, sizeof step, "%.*s", (int) length, path);
                json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(step)) : cJSON_GetObjectItemCaseSensitive(json, step);
                path += length + (path[length] == '.');
        }
        assert_non_null(json);
        return json;
}

static void test_whole_answer(void **state) {
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(""));
        asked.events->on_text(asked.user, "forgotten", NULL);
        asked.events->on_restart(asked.user);
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_text(asked.user, " you", NULL);
        asked.events->on_end(asked.user, "stop", &usage);
        cJSON *json = parse(hear(fd, "}\n", &closed));
        assert_string_equal(at(json, "object")->valuestring, "chat.completion");
        assert_string_equal(at(json, "choices.0.message.content")->valuestring, "Hi you");
        assert_string_equal(at(json, "choices.0.message.role")->valuestring, "assistant");
        assert_string_equal(at(json, "choices.0.finish_reason")->valuestring, "stop");
        assert_true(cJSON_IsNull(at(json, "choices.0.logprobs")));
        assert_int_equal(at(json, "usage.total_tokens")->valueint, 7);
        assert_int_equal(at(json, "usage.prompt_tokens_details.cached_tokens")->valueint, 3);
        assert_true(!strncmp(at(json, "id")->valuestring, "chatcmpl-", 9) && strlen(at(json, "id")->valuestring) == 33);
        cJSON_Delete(json);
        (void) close(fd);
}

static const char *const frame = "[{\"token\":\"Hü\",\"bytes\":[72,195,188],\"logprob\":-0.5,\"top\":[{\"token\":\"Hü\","
                                 "\"bytes\":[72,195,188],\"logprob\":-0.5},"
                                 "{\"token\":\"x\",\"logprob\":null}]}]";

static void test_logprobs(void **state) {
        cJSON *logprobs = cJSON_Parse(frame);
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(",\"logprobs\":true,\"top_logprobs\":2"));
        asked.events->on_text(asked.user, "Hü", logprobs);
        asked.events->on_text(asked.user, "Hü", logprobs);
        asked.events->on_end(asked.user, "stop", &usage);
        cJSON *json = parse(hear(fd, "}\n", &closed));
        assert_int_equal(cJSON_GetArraySize(at(json, "choices.0.logprobs.content")), 2);
        assert_true(at(json, "choices.0.logprobs.content.1.logprob")->valuedouble == -0.5);
        assert_int_equal(at(json, "choices.0.logprobs.content.1.bytes.2")->valueint, 188);
        assert_true(at(json, "choices.0.logprobs.content.1.top_logprobs.1.logprob")->valuedouble == -9999);
        assert_true(cJSON_IsNull(at(json, "choices.0.logprobs.content.1.top_logprobs.1.bytes")));
        cJSON_Delete(json);
        (void) close(fd);

        fd = post("/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"logprobs\":2}");
        asked.events->on_text(asked.user, "Hü", logprobs);
        asked.events->on_text(asked.user, "Hü", logprobs);
        asked.events->on_end(asked.user, "stop", &usage);
        json = parse(hear(fd, "}\n", &closed));
        assert_string_equal(at(json, "choices.0.logprobs.tokens.1")->valuestring, "Hü");
        assert_true(at(json, "choices.0.logprobs.token_logprobs.1")->valuedouble == -0.5);
        assert_true(at(json, "choices.0.logprobs.top_logprobs.1.x")->valuedouble == -9999);
        assert_int_equal(at(json, "choices.0.logprobs.text_offset.1")->valueint, 2);
        cJSON_Delete(json);
        (void) close(fd);

        fd = post("/v1/chat/completions", CHAT(",\"logprobs\":true,\"stream\":true"));
        asked.events->on_text(asked.user, "Hü", logprobs);
        asked.events->on_text(asked.user, "Hü", logprobs);
        const char *heard = hear(fd, NULL, &closed);
        const char *second = strstr(strstr(heard, "\"logprobs\":{") + 1,
                                    "\"logprobs\":{\"content\":[{\"token\":\"Hü\",\"logprob\":-0.5,\"bytes\":[72,195,188],");
        assert_non_null(second);
        asked.events->on_end(asked.user, "stop", &usage);
        (void) close(fd);
        cJSON_Delete(logprobs);
}

static void test_overlong_prompt(void **state) {
        struct failure f = { .status = 400,
                             .kind = "exceed_context_size_error",
                             .message = "too long",
                             .should_retry = -1,
                             .n_prompt_tokens = 900,
                             .n_ctx = 512 };
        bool closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(""));
        asked.events->on_failed(asked.user, &f);
        const char *heard = hear(fd, "}}\n", &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 400 ", 13));
        assert_null(strstr(heard, "x-should-retry"));
        assert_string_equal(
                body_of(heard),
                "{\"error\":{\"message\":\"too long\",\"type\":\"exceed_context_size_error\",\"param\":null,\"code\":null,"
                "\"n_prompt_tokens\":900,\"n_ctx\":512}}\n");
        (void) close(fd);
}

/* --- bodies that are refused before any model is bothered --- */

static const struct {
        const char *path, *body, *param, *message;
} refused[] = {
        { "/v1/chat/completions", "", NULL, "the body is empty" },
        { "/v1/chat/completions", " \n", NULL, "the body is empty" },
        { "/v1/chat/completions", "{", NULL, "not valid JSON" },
        { "/v1/chat/completions", "{} x", NULL, "not valid JSON (at byte 2)" },
        { "/v1/chat/completions", "[]", NULL, "must be a JSON object" },
        { "/v1/chat/completions", "{\"model\":\"\xff\"}", NULL, "not valid UTF-8" },
        { "/v1/chat/completions", "{\"model\":\"a\\u0000b\"}", NULL, "the body holds a NUL character" },
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
        { "/v1/chat/completions", CHAT(",\"n\":2"), "n", "'n' must be 1" },
        { "/v1/chat/completions", CHAT(",\"n\":1.5"), "n", "'n' must be a whole number" },
        { "/v1/chat/completions", CHAT(",\"stream\":\"yes\""), "stream", "'stream' must be true or false" },
        { "/v1/chat/completions", CHAT(",\"stream_options\":1"), "stream_options", "'stream_options' must be an object" },
        { "/v1/chat/completions", CHAT(",\"temperature\":\"hot\""), "temperature", "'temperature' must be a number" },
        { "/v1/chat/completions", CHAT(",\"temperature\":1e999"), "temperature", "'temperature' must be a number" },
        { "/v1/chat/completions", CHAT(",\"max_tokens\":1e999"), "max_tokens", "'max_tokens' must be a whole number" },
        { "/v1/chat/completions", CHAT(",\"logprobs\":3"), "logprobs", "'logprobs' must be true or false" },
        { "/v1/completions", "{\"model\":\"a\"}", "prompt", "'prompt' must be a string or an array of token ids" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[]}", "prompt", "'prompt' must be a string or an array of token ids" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[1,\"x\"]}", "prompt",
          "'prompt' must be a string or an array of token ids" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":[\"x\",\"y\"]}", "prompt",
          "'prompt' holds several prompts; send one request for each" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"logprobs\":true}", "logprobs",
          "'logprobs' must be a whole number" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"echo\":true}", "echo", "'echo' is not offered" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"suffix\":\"y\"}", "suffix", "'suffix' is not offered" },
        { "/v1/completions", "{\"model\":\"a\",\"prompt\":\"x\",\"best_of\":3}", "best_of", "'best_of' must be 1" },
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
        assert_int_equal(at(asked.body, "prompt.1")->valueint, 2);
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
        assert_non_null(strstr(hear(fd, "}}\n", &closed), "the body holds more than 1048576 values"));
        text_done(&body);
        (void) close(fd);
}

/* --- the rest of the surface --- */

/* All forms of input become one; what comes back leaves in the form that was asked for. */
static void test_embeddings(void **state) {
        static const struct {
                const char *input, *asked;
        } rows[] = {
                { "\"x\"", "[\"x\"]" },
                { "[\"x\",\"y\"]", "[\"x\",\"y\"]" },
                { "[1,2]", "[[1,2]]" },
                { "[[1],[2,3]]", "[[1],[2,3]]" },
        };
        cJSON *vectors = cJSON_Parse("[[1,-2.5],[0.100000001,3]]");
        char body[256];
        bool closed;

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                for (unsigned base64 = 0; base64 < 2; base64++) {
                        (void) snprintf(body, sizeof body, "{\"model\":\"a\",\"dimensions\":2,%s\"input\":%s}",
                                        base64 ? "\"encoding_format\":\"base64\"," : "", rows[i].input);
                        int fd = post("/v1/embeddings", body);
                        char *input = cJSON_PrintUnformatted(cJSON_GetObjectItem(asked.body, "input"));
                        assert_string_equal(input, rows[i].asked);
                        free(input);
                        assert_int_equal(asked.kind, ASK_EMBED);
                        asked.events->on_embedding(asked.user, vectors);
                        asked.events->on_end(asked.user, "stop", &(struct ask_usage){ .prompt_tokens = 5 });
                        const char *heard = hear(fd, "}}\n", &closed);
                        assert_non_null(strstr(heard, base64 ? "\"index\":0,\"embedding\":\"AACAPwAAIMA=\"}"
                                                             : "\"index\":0,\"embedding\":[1,-2.5]}"));
                        assert_non_null(strstr(heard, base64 ? "\"index\":1,\"embedding\":\"zczMPQAAQEA=\"}"
                                                             : "\"index\":1,\"embedding\":[0.100000001,3]}"));
                        assert_non_null(strstr(heard, "\"model\":\"a\",\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}\n"));
                        (void) close(fd);
                }
        cJSON_Delete(vectors);
        int fd = post("/v1/embeddings", "{\"model\":\"a\",\"input\":\"x\"}"); /* the client leaves */
        unsigned before = cancels;
        (void) close(fd);
        turn_for(5);
        assert_int_equal(cancels, before + 1);
        refuses = true;
        fd = post("/v1/embeddings", "{\"model\":\"a\",\"input\":\"x\"}");
        refuses = false;
        check_refusal(hear(fd, "}}\n", &closed));
        (void) close(fd);
}

static void test_routes(void **state) {
        static const struct {
                const char *method, *path, *status, *contains;
        } rows[] = {
                { "GET", "/", "200", "Headroom is running" },
                { "HEAD", "/", "200", "Content-Length: 20\r\n" },
                { "GET", "/health", "200", "{\"status\":\"ok\"," },
                { "HEAD", "/health", "200", "application/json" },
                { "GET", "/v1/models", "200",
                  "{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"object\":\"model\",\"created\":7,\"owned_by\":\"headroom\"," },
                { "GET", "/v1/models/a", "200", "{\"id\":\"a\",\"object\":\"model\"" },
                { "GET", "/v1/models/org/b:q4", "200", "\"status\":\"ready\",\"context_length\":4096" },
                { "GET", "/v1/models/org%2fb%3Aq4", "200", "{\"id\":\"org/b:q4\"" },
                { "GET", "/v1/models/alias?x=1", "200", "\"aliases\":[\"alias\"]" },
                { "GET", "/v1/models/nope", "404", "\"param\":\"model\",\"code\":\"model_not_found\"" },
                { "GET", "/v1/models/", "404", "not_found" },
                { "GET", "/v2", "404", "not_found" },
                { "GET", "/v1/chat/completions", "405", "Allow: POST, OPTIONS\r\n" },
                { "DELETE", "/v1/models", "405", "Allow: GET, HEAD, OPTIONS\r\n" },
                { "OPTIONS", "/v1/chat/completions", "204", "Access-Control-Allow-Methods: POST, OPTIONS\r\n" },
                { "OPTIONS", "/v1/models", "204", "Access-Control-Allow-Origin: *\r\n" },
                { "OPTIONS", "*", "204", "Allow: GET, HEAD, POST, OPTIONS\r\n" },
                { "GET", "/v1/embeddings", "405", "Allow: POST, OPTIONS\r\n" },
                { "GET", "/control/status", "404", "not_found" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const char *heard = get(rows[i].method, rows[i].path);
                if (strncmp(heard + 9, rows[i].status, 3) != 0 || !strstr(heard, rows[i].contains))
                        fail_msg("%s %s answered by %s", rows[i].method, rows[i].path, heard);
        }
        tick_ms_ago = API_TICK_AGE_MAX_MS + 1;
        const char *heard = get("GET", "/health");
        assert_true(!strncmp(heard, "HTTP/1.1 503 ", 13));
        assert_non_null(strstr(heard, "{\"status\":\"stalled\","));
        tick_ms_ago = 0;
        assert_true(!strncmp(get("GET", "/health"), "HTTP/1.1 200 ", 13));
        governor_ms_ago = API_TICK_AGE_MAX_MS + 1; /* the fleet gets on, the governor does not */
        assert_true(!strncmp(get("GET", "/health"), "HTTP/1.1 503 ", 13));
        governor_ms_ago = 0;
}

static void check_governor(int fd) {
        static const struct {
                const char *target, *contains;
        } rows[] = {
                { "events", "{\"after\":0,\"model\":null}" },
                { "events?after=12", "{\"after\":12,\"model\":null}" },
                { "events?model=alias&after=3", "{\"after\":3,\"model\":\"org/b:q4\"}" },
                { "events?model=org%2Fb:q4", "{\"after\":0,\"model\":\"org/b:q4\"}" },
                { "events?after=x", "'after' must be the number of an event" },
                { "events?after=-1", "'after' must be the number of an event" },
                { "events?after=123456789012345678901234567890", "'after' must be the number of an event" },
                { "events?model=nobody", "model_not_found" },
                { "events?model=%ff", "this is no name of a model" },
                { "explain?model=alias", "{\"index\":1}" },
                { "explain", "name a model" },
                { "record", "limits reserve=1GiB min_residency" },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char request[128];
                bool closed;
                (void) snprintf(request, sizeof request, "GET /control/%s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].target);
                say_text(fd, request);
                turn_for(5);
                if (!strstr(hear(fd, rows[i].contains, &closed), rows[i].contains))
                        fail_msg("%s is not answered by %s", rows[i].target, rows[i].contains);
        }
}

static void test_control(void **state) {
        bool closed;

        (void) state;
        surface = api_on_control;
        assert_true(!strncmp(get("GET", "/control/status"), "HTTP/1.1 403 ", 13)); /* TCP has no peer credentials */
        char path[] = "/tmp/headroom-api-XXXXXX";
        int fds[2];
        assert_int_equal(close(mkstemp(path)), 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(http_server_listen_unix(server, path, 0660), 0);
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        strcpy(name.sun_path, path);
        for (int i = 0; i < 2; i++) {
                fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
                assert_int_equal(connect(fds[i], (struct sockaddr *) &name, sizeof name), 0);
                assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        }
        static const char status[] = "GET /control/status HTTP/1.1\r\nHost: x\r\n\r\n";
        say_text(fds[0], status);
        cJSON *json = parse(hear(fds[0], "]}", &closed));
        assert_true(at(json, "budget_bytes")->valuedouble == 8589934592);
        assert_string_equal(at(json, "listen")->valuestring, "127.0.0.1:1");
        assert_string_equal(at(json, "models.1.aliases.0")->valuestring, "alias");
        assert_string_equal(at(json, "models.1.last_stderr")->valuestring, "?!");
        assert_true(cJSON_IsNull(at(json, "models.0.pid")) && cJSON_IsNull(at(json, "models.0.last_error")));
        assert_string_equal(at(json, "governor.rung")->valuestring, "calm");
        cJSON_Delete(json);
        check_governor(fds[0]);

        static const char unload[] =
                "POST /control/unload HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n{\"model\":\"alias\",\"force\":true}";
        say_text(fds[0], unload);
        turn_for(5);
        assert_string_equal(verb.model, "alias");
        assert_true(verb.force);
        verb.on_done(verb.user, NULL);
        assert_string_equal(body_of(hear(fds[0], "}", &closed)), "{\"model\":\"org/b:q4\",\"state\":\"ready\"}");
        say_text(fds[0], unload);
        turn_for(5);
        verb.on_done(verb.user, &cooldown);
        check_refusal(hear(fds[0], "}}\n", &closed));
        say_text(fds[1], unload);
        turn_for(5);
        (void) close(fds[1]); /* leaves before it is done */
        turn_for(5);
        verb.on_done(verb.user, NULL);
        assert_int_equal(api_running(api), 0);
        static const char nobody[] = "POST /control/load HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"model\":\"nope\"}";
        say_text(fds[0], nobody);
        assert_non_null(strstr(hear(fds[0], "}}\n", &closed), "model_not_found"));
        (void) close(fds[0]);
        turn_for(5);
}

static void test_stopping(void **state) {
        bool is_idle = false, closed;

        (void) state;
        int fd = post("/v1/chat/completions", CHAT(""));
        api_stop(api, on_empty, &is_idle);
        int late = post("/v1/chat/completions", CHAT(""));
        const char *heard = hear(late, "}}\n", &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 503 ", 13));
        assert_non_null(strstr(heard, "\"code\":\"shutting_down\""));
        assert_false(is_idle);
        asked.events->on_end(asked.user, "stop", &usage);
        assert_true(is_idle);
        assert_non_null(strstr(hear(fd, "}\n", &closed), "200 OK"));
        (void) close(fd);
        (void) close(late);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_stream_exactly),
                TEST(test_stream_of_calls),
                TEST(test_whole_of_calls),
                TEST(test_class),
                TEST(test_stream_without_words_or_usage),
                TEST(test_completion_stream),
                TEST(test_stream_waits_then_fails),
                TEST(test_stream_fails_before_anything_was_sent),
                TEST(test_client_leaves_a_stream),
                TEST(test_client_leaves_before_its_answer),
                TEST(test_slow_reader_pauses_its_ask),
                TEST(test_whole_answer),
                TEST(test_logprobs),
                TEST(test_overlong_prompt),
                TEST(test_refused_bodies),
                TEST(test_accepted_bodies),
                TEST(test_too_many_values),
                TEST(test_embeddings),
                TEST(test_routes),
                TEST(test_control),
                TEST(test_stopping),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
