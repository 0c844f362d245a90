/* test_api.c - what a client reads when it waits for whole answers, and of the rest of the surface: routes, control, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "daemon/control/control.h"
#include "tests/unit/daemon/api/api_fixture.h"

/* --- whole answers --- */

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
        assert_int_equal(at(json, "usage.completion_tokens_details.reasoning_tokens")->valueint, 1);
        assert_true(!strncmp(at(json, "id")->valuestring, "chatcmpl-", 9) && strlen(at(json, "id")->valuestring) == 33);
        cJSON_Delete(json);
        (void) close(fd);
}

static const char *const frame = "[{\"token\":\"Hü\",\"bytes\":[72,195,188],\"logprob\":-0.5,\"top\":[{\"token\":\"Hü\","
                                 "\"bytes\":[72,195,188],\"logprob\":-0.5},"
                                 "{\"token\":\"x\",\"logprob\":null}]}]";

static void read_fingerprint(const char *body, char ret[16]) {
        bool closed;
        int fd = post("/v1/chat/completions", body);

        asked.events->on_end(asked.user, "stop", &usage);
        cJSON *json = parse(hear(fd, "}\n", &closed));
        (void) snprintf(ret, 16, "%s", at(json, "system_fingerprint")->valuestring);
        cJSON_Delete(json);
        (void) close(fd);
}

/* Of the same model the same, of another another. */
static void test_fingerprint(void **state) {
        char one[16], again[16], alias[16], other[16];

        (void) state;
        read_fingerprint(CHAT(""), one);
        read_fingerprint(CHAT(",\"seed\":1"), again);
        read_fingerprint("{\"model\":\"alias\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", alias);
        read_fingerprint("{\"model\":\"org/b:q4\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", other);
        assert_true(!strncmp(one, "fp_", 3) && strlen(one) == 13);
        assert_string_equal(one, again);
        assert_string_equal(alias, other);
        assert_string_not_equal(one, other);
}

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
                             .advice = "",
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

/* --- the rest of the surface --- */

/* All forms of input become one; what comes back leaves in the form that was asked for. */
static void test_embeddings(void **state) {
        static const char *const inputs[] = { "\"x\"", "[\"x\",\"y\"]", "[1,2]", "[[1],[2,3]]" };
        cJSON *vectors = cJSON_Parse("[[1,-2.5],[0.100000001,3]]");
        char body[256];
        bool closed;

        (void) state;
        for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
                for (unsigned base64 = 0; base64 < 2; base64++) {
                        (void) snprintf(body, sizeof body, "{\"model\":\"a\",\"dimensions\":2,%s\"input\":%s}",
                                        base64 ? "\"encoding_format\":\"base64\"," : "", inputs[i]);
                        int fd = post("/v1/embeddings", body);
                        char *input = cJSON_PrintUnformatted(cJSON_GetObjectItem(asked.body, "input"));
                        assert_string_equal(input, inputs[i]);
                        free(input);
                        assert_int_equal(asked.kind, REQUEST_EMBED);
                        for (int v = 0; v < 2; v++)
                                asked.events->on_embedding(asked.user, cJSON_GetArrayItem(vectors, v));
                        asked.events->on_end(asked.user, "stop", &(struct request_usage){ .prompt_tokens = 5 });
                        const char *heard = hear(fd, "}}\n", &closed);
                        assert_non_null(strstr(heard, base64 ? "\"index\":0,\"embedding\":\"AACAPwAAIMA=\"}"
                                                             : "\"index\":0,\"embedding\":[1,-2.5]}"));
                        assert_non_null(strstr(heard, base64 ? "\"index\":1,\"embedding\":\"zczMPQAAQEA=\"}"
                                                             : "\"index\":1,\"embedding\":[0.100000001,3]}"));
                        assert_non_null(strstr(heard, "\"model\":\"a\",\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}\n"));
                        (void) close(fd);
                }
        int fd = post("/v1/embeddings", "{\"model\":\"a\",\"input\":[\"x\",\"y\"]}"); /* no room for its answer: told at once */
        size_t most = bulk_account.max;
        bulk_account.max = bulk_account.used;
        asked.events->on_embedding(asked.user, cJSON_GetArrayItem(vectors, 0));
        bulk_account.max = most;
        assert_int_equal(cancels, 1);
        assert_non_null(strstr(hear(fd, "}}\n", &closed), "\"code\":\"request_memory\""));
        (void) close(fd);
        turn_for(5);
        cJSON_Delete(vectors);
        fd = post("/v1/embeddings", "{\"model\":\"a\",\"input\":\"x\"}"); /* the client leaves */
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

/* The best first; of equals the one that was named first. */
static void test_ranks(void **state) {
        static const double scores[] = { -0.5, 2.25, -0.5, 7 };
        bool closed;

        (void) state;
        int fd = post("/rerank", "{\"model\":\"a\",\"query\":\"q\",\"documents\":[\"x\",{\"text\":\"y\"},\"z\",\"w\\u00e4\"],"
                                 "\"top_n\":3,\"return_documents\":true}");
        assert_int_equal(asked.kind, REQUEST_RANK);
        for (int i = 0; i < 4; i++) {
                cJSON *score = cJSON_CreateDoubleArray(&scores[i], 1);
                asked.events->on_embedding(asked.user, score);
                cJSON_Delete(score);
        }
        asked.events->on_end(asked.user, "stop", &(struct request_usage){ .prompt_tokens = 9 });
        assert_string_equal(
                body_of(hear(fd, "]}\n", &closed)),
                "{\"model\":\"a\",\"object\":\"list\",\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9},\"results\":["
                "{\"index\":3,\"relevance_score\":7,\"document\":{\"text\":\"w\\u00e4\"}},"
                "{\"index\":1,\"relevance_score\":2.25,\"document\":{\"text\":\"y\"}},"
                "{\"index\":0,\"relevance_score\":-0.5,\"document\":{\"text\":\"x\"}}]}\n");
        (void) close(fd);
        fd = post("/v2/rerank", "{\"model\":\"a\",\"query\":\"q\",\"documents\":[]}");
        assert_non_null(strstr(hear(fd, "}}\n", &closed), "\"param\":\"documents\""));
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
                { "GET", "/props?model=alias", "200",
                  "{\"default_generation_settings\":{\"n_ctx\":4096},\"total_slots\":2,\"model_alias\":\"org/b:q4\",\"model_path\":\"a.gguf\","
                  "\"modalities\":{\"vision\":false,\"audio\":false},\"build_info\":\"headroom " },
                { "GET", "/v1/props?model=a", "200", "{\"default_generation_settings\":{},\"total_slots\":2," },
                { "GET", "/props?model=a", "200", "\"is_sleeping\":true}" },
                { "GET", "/props?model=nope", "404", "\"code\":\"model_not_found\"" },
                { "GET", "/props", "400", "'model' is missing" },
                { "GET", "/slots?model=org%2fb:q4", "200",
                  "[{\"id\":0,\"n_ctx\":4096,\"is_processing\":true},{\"id\":1,\"n_ctx\":4096,\"is_processing\":false}]" },
                { "GET", "/slots?model=a", "200", "\r\n\r\n[]" },
                { "GET", "/v1/models/nope", "404", "\"param\":\"model\",\"code\":\"model_not_found\"" },
                { "GET", "/v1/models/", "200", "{\"object\":\"list\"" },
                { "GET", "//v1//models//a/", "200", "{\"id\":\"a\"" },
                { "GET", "/models", "200", "{\"object\":\"list\"" },
                { "GET", "/openai/v1/models/org/b:q4", "200", "{\"id\":\"org/b:q4\"" },
                { "GET", "/openai/deployments/a/models", "200", "{\"object\":\"list\"" },
                { "GET", "/openai/deployments/a", "404", "not_found" },
                { "GET", "/v1", "404", "not_found" },
                { "GET", "/v2", "404", "not_found" },
                { "GET", "/v1/chat/completions", "405", "Allow: POST, OPTIONS\r\n" },
                { "DELETE", "/v1/models", "405", "Allow: GET, HEAD, OPTIONS\r\n" },
                { "OPTIONS", "/v1/chat/completions", "204", "Allow: POST, OPTIONS\r\n" },
                { "OPTIONS", "/v1/models", "204", "Allow: GET, HEAD, OPTIONS\r\n" },
                { "OPTIONS", "*", "204", "Allow: GET, HEAD, POST, OPTIONS\r\n" },
                { "GET", "/v1/embeddings", "405", "Allow: POST, OPTIONS\r\n" },
                { "POST", "/v1/audio/speech", "501", "\"code\":\"not_offered\"" },
                { "POST", "/images/generations", "501", "x-should-retry: false\r\n" },
                { "GET", "/control/status", "404", "not_found" },
                { "POST", "/control/trace", "404", "not_found" }, /* not for clients */
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

/* Who refuses does not matter: a client reads what it knows. */
static void test_forms_of_refusals(void **state) {
        static const struct {
                const char *line, *headers, *status, *begins;
        } rows[] = {
                { "GET /api/chat", "", "405", "{\"error\":\"this path takes only POST, OPTIONS\"}\n" },
                { "GET /api/nothing", "", "404", "{\"error\":\"there is nothing at this path (" },
                { "GET /v1/messages", "", "405",
                  "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"this" },
                { "GET //messages/nothing", "", "404", "{\"error\":{\"message\":\"there is nothing" },
                { "GET /v1/messages/nothing", "", "404", "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\"," },
                { "POST /api/chat", "Origin: https://evil.com\r\n", "403", "{\"error\":\"" },
                { "POST /messages", "Content-Length: 99999999\r\n", "413",
                  "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\"," },
                { "POST /v1/chat/completions", "Content-Length: 99999999\r\n", "413",
                  "{\"error\":{\"message\":\"the body is larger" },
                { "POST /api/chat", "Content-Encoding: gzip\r\n", "415", "{\"error\":\"" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char request[256];
                bool closed;
                int fd = connect_client();
                (void) snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n", rows[i].line,
                                rows[i].headers);
                say_text(fd, request);
                const char *heard = hear(fd, "}\n", &closed), *body = strstr(heard, "\r\n\r\n");
                if (strncmp(heard + 9, rows[i].status, 3) != 0 || !body ||
                    strncmp(body + 4, rows[i].begins, strlen(rows[i].begins)) != 0)
                        fail_msg("%s answered by %s", rows[i].line, heard);
                (void) close(fd);
        }
}

/* What a page may do is settled in front of the routes; here is what the answers tell its browser. */
/* Azure's clients name the model in the path alone. */
static void test_deployments(void **state) {
        (void) state;
        int fd = post("/openai/deployments/org%2fb:q4/chat/completions?api-version=2024-10-21",
                      "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
        assert_string_equal(asked.model, "org/b:q4");
        assert_int_equal(asked.kind, REQUEST_CHAT);
        (void) close(fd);
        fd = post("/openai/deployments/alias/embeddings?api-version=1", "{\"input\":\"x\",\"model\":\"a\"}");
        assert_string_equal(asked.model, "alias");
        assert_int_equal(asked.kind, REQUEST_EMBED);
        (void) close(fd);
        turn_for(5);
}

static void test_pages(void **state) {
        static const char listed[] = "Origin: https://page.example\r\n",
                          names[] = "Access-Control-Allow-Origin: https://page.example\r\n";
        static const struct {
                const char *line, *headers, *status, *contains; /* CONTAINS NULL: nothing about access */
        } rows[] = {
                { "OPTIONS /v1/chat/completions", listed, "204", "Access-Control-Allow-Methods: POST, OPTIONS\r\n" },
                { "OPTIONS /v1/models", listed, "204", names },
                { "GET /v1/models", listed, "200", names },
                { "GET /v2", listed, "404", names }, /* so that the page can read what is wrong */
                { "OPTIONS /v1/models", "", "204", NULL },
                { "GET /v1/models", "Origin: http://x\r\n", "200", NULL },
                { "OPTIONS /v1/models", "Origin: https://evil.com\r\n", "403", NULL },
                { "GET /health", "Origin: null\r\n", "403", NULL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char request[256];
                bool closed;
                int fd = connect_client();
                (void) snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n", rows[i].line,
                                rows[i].headers);
                say_text(fd, request);
                const char *heard = hear(fd, NULL, &closed);
                (void) close(fd);
                if (strncmp(heard + 9, rows[i].status, 3) != 0 ||
                    (rows[i].contains ? !strstr(heard, rows[i].contains) : !!strstr(heard, "Access-Control")))
                        fail_msg("%s %s answered by %s", rows[i].line, rows[i].headers, heard);
        }
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

/* Weights are read for a model that is loaded, while memory is calm. */
static void check_weights(int fd) {
        static const struct {
                const char *query, *contains;
                enum rung rung;
        } rows[] = {
                { "", "model_not_found", RUNG_CALM },
                { "?model=nobody", "model_not_found", RUNG_CALM },
                { "?model=alias", "the weights cannot be read: No such file", RUNG_TRIM }, /* to look is always allowed */
                { "?model=alias&warm_from=0", "the weights cannot be read: No such file", RUNG_CALM },
                { "?model=alias&warm_from=1", "the weights cannot be read: No such file",
                  RUNG_CALM }, /* again: the first is over */
                { "?model=alias&warm_from=0", "memory_held", RUNG_TRIM },
                { "?model=alias&warm_from=0", "memory_held", RUNG_LAST },
                { "?model=a&warm_from=0", "the model is not loaded", RUNG_CALM },
                { "?model=alias&warm_from=-1", "must be a number of bytes", RUNG_CALM },
                { "?model=alias&warm_from=1x", "must be a number of bytes", RUNG_CALM },
                { "?model=alias&warm_from=123456789012345678901234567890", "must be a number of bytes", RUNG_CALM },
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char request[128];
                bool closed;
                governor_planned.rung = rows[i].rung;
                (void) snprintf(request, sizeof request, "GET /control/weights%s HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].query);
                say_text(fd, request);
                turn_for(5);
                if (!strstr(hear(fd, rows[i].contains, &closed), rows[i].contains))
                        fail_msg("%s is not answered by %s", rows[i].query, rows[i].contains);
        }
        governor_planned.rung = RUNG_CALM;
}

static void ask_trace(int fd, const char *path, const char *body) {
        char request[256];

        (void) snprintf(request, sizeof request, "POST /control/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", path,
                        strlen(body), body);
        say_text(fd, request);
        turn_for(5);
}

static void check_refused_traces(int fd) {
        static const struct {
                const char *path, *body;
                enum reason answer;
                const char *status, *contains;
        } rows[] = {
                { "trace", "{\"model\":\"nobody\"}", REASON_NONE, "404", "model_not_found" },
                { "trace", "{\"minutes\":5}", REASON_NONE, "400", "\"param\":\"model\"" },
                { "trace", "{\"model\":\"a\",\"minutes\":0}", REASON_NONE, "400",
                  "'minutes' must be a whole number from 1 to 60" },
                { "trace", "{\"model\":\"a\",\"minutes\":61}", REASON_NONE, "400", "\"param\":\"minutes\"" },
                { "trace", "{\"model\":\"a\",\"minutes\":1.5}", REASON_NONE, "400", "\"param\":\"minutes\"" },
                { "trace", "{\"model\":\"a\",\"minutes\":\"5\"}", REASON_NONE, "400", "\"param\":\"minutes\"" },
                { "trace", "{\"model\":\"a\"}", REASON_TRACED, "409", "\"code\":\"traced\"" },
                { "trace", "{\"model\":\"a\"}", REASON_TOO_MANY_TRACES, "409", "\"code\":\"too_many_traces\"" },
                { "trace/stop", "{\"model\":\"a\"}", REASON_NOT_TRACED, "409", "\"code\":\"not_traced\"" },
                { "trace/stop", "{\"model\":\"nobody\"}", REASON_NONE, "404", "model_not_found" },
                { "trace/stop", "[]", REASON_NONE, "400", "invalid_request_error" },
        };

        bool closed;

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                traced.answer = rows[i].answer;
                ask_trace(fd, rows[i].path, rows[i].body);
                const char *heard = hear(fd, "}}\n", &closed);
                if (strncmp(heard + 9, rows[i].status, 3) != 0 || !strstr(heard, rows[i].contains))
                        fail_msg("%s %s answered by %s", rows[i].path, rows[i].body, heard);
                assert_int_equal(api_running(api), 0);
        }
        traced.answer = REASON_NONE;
}

static void check_traces(int fd) {
        struct trace_info info = { "/s/traces/x.jsonl", 1000, 61000, 3, 0, 512 };
        bool closed;

        check_refused_traces(fd);
        ask_trace(fd, "trace", "{\"model\":\"alias\"}");
        assert_int_equal(traced.model, 1);
        assert_int_equal(traced.minutes, 10);
        traced.on_done(traced.user, 0, &info);
        assert_string_equal(body_of(hear(fd, "}", &closed)),
                            "{\"model\":\"org/b:q4\",\"path\":\"/s/traces/x.jsonl\",\"begun_unix_ms\":1000,"
                            "\"until_unix_ms\":61000,\"lines\":3,\"dropped\":0,\"bytes\":512}");
        ask_trace(fd, "trace", "{\"model\":\"a\",\"minutes\":60}");
        assert_int_equal(traced.minutes, 60);
        traced.on_done(traced.user, -EROFS, &info);
        const char *heard = hear(fd, "}}", &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 500 "));
        assert_non_null(strstr(
                heard, "/s/traces/x.jsonl cannot be made: Read-only file system\",\"type\":\"server_error\",\"param\":null,"
                       "\"code\":\"trace_failed\",\"advice\":"));
        ask_trace(fd, "trace/stop", "{\"model\":\"a\"}");
        assert_int_equal(traced.minutes, 0);
        traced.on_done(traced.user, 0, &info);
        assert_non_null(strstr(hear(fd, "}", &closed), "\"lines\":3"));
        trace_shown = info;
        say_text(fd, "GET /control/models HTTP/1.1\r\nHost: x\r\n\r\n");
        cJSON *json = parse(hear(fd, "]}", &closed));
        assert_true(cJSON_IsNull(at(json, "models.0.trace")));
        assert_string_equal(at(json, "models.1.trace.path")->valuestring, "/s/traces/x.jsonl");
        assert_int_equal(at(json, "models.1.trace.until_unix_ms")->valueint, 61000);
        cJSON_Delete(json);
        trace_shown = (struct trace_info){ 0 };
}

static void test_control(void **state) {
        bool closed;

        (void) state;
        surface = control_on_request;
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
        check_weights(fds[0]);
        check_traces(fds[0]);

        static const char unload[] =
                "POST /control/unload HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n{\"model\":\"alias\",\"force\":true}";
        say_text(fds[0], unload);
        turn_for(5);
        assert_string_equal(job.model, "alias");
        assert_true(job.force);
        job.on_done(job.user, NULL);
        assert_string_equal(body_of(hear(fds[0], "}", &closed)), "{\"model\":\"org/b:q4\",\"state\":\"ready\"}");
        say_text(fds[0], unload);
        turn_for(5);
        job.on_done(job.user, &cooldown);
        check_refusal(hear(fds[0], "}}\n", &closed));
        say_text(fds[1], unload);
        turn_for(5);
        (void) close(fds[1]); /* leaves before it is done */
        turn_for(5);
        job.on_done(job.user, NULL);
        assert_int_equal(api_running(api), 0);
        static const char protect[] =
                "POST /control/protect HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n{\"model\":\"alias\",\"time\":\"%s\"}";
        static const struct {
                const char *time, *answer;
                uint64_t ms;
        } times[] = { { "10m", "{\"model\":\"org/b:q4\",\"state\":\"ready\",\"protected_ms\":600000}", 600000 },
                      { "24d", "'time' must be a time such as 10m", 600000 },
                      { "000", "{\"model\":\"org/b:q4\",\"state\":\"ready\",\"protected_ms\":0}", 0 } };
        for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
                char text[256];
                (void) snprintf(text, sizeof text, protect, times[i].time);
                say_text(fds[0], text);
                assert_non_null(strstr(hear(fds[0], "}", &closed), times[i].answer));
                assert_int_equal(protected_ms, times[i].ms);
                turn_for(5);
        }
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

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_whole_answer), TEST(test_fingerprint),
                TEST(test_logprobs),     TEST(test_overlong_prompt),
                TEST(test_embeddings),   TEST(test_ranks),
                TEST(test_routes),       TEST(test_deployments),
                TEST(test_pages),        TEST(test_forms_of_refusals),
                TEST(test_control),      TEST(test_stopping),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
