/* test_api_ollama.c - Ollama's paths: what reaches the fleet of what is asked there, and how a client hears of a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/daemon/api/api_fixture.h"

#define OLLAMA_CHAT(MORE) "{\"model\":\"a:latest\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" MORE "}"

static void test_a_chat(void **state) {
        bool closed;

        (void) state;
        int fd = post("/api/chat", CHAT(",\"keep_alive\":\"5m\",\"options\":{\"num_predict\":7}"));
        assert_int_equal(asked.kind, REQUEST_CHAT);
        assert_int_equal(asked.keep_alive_ms, 300000);
        assert_int_equal(at(asked.body, "max_tokens")->valueint, 7);
        assert_true(cJSON_IsTrue(at(asked.body, "stream")));
        asked.events->on_start(asked.user, 5, 3, NULL);
        asked.events->on_text(asked.user, "Hi", NULL);
        asked.events->on_failed(asked.user, &cooldown);
        const char *heard = hear(fd, NULL, &closed);
        assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(heard, "Content-Type: application/x-ndjson\r\n"));
        assert_non_null(strstr(heard, "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n"));
        assert_non_null(strstr(heard, "{\"error\":\"wait \\\"a\\\" while\\n\"}\n"));
        assert_true(closed);
        (void) close(fd);
}

/* A stream that has to wait says nothing of it at once, so that what fails has its true status. */
static void test_a_failure_before_the_first_word(void **state) {
        bool closed;

        (void) state;
        int fd = post("/api/generate", "{\"model\":\"a\",\"prompt\":\"x\"}");
        asked.events->on_waiting(asked.user, "loading");
        asked.events->on_failed(asked.user, &cooldown);
        const char *heard = hear(fd, "}\n", &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 503 Service Unavailable\r\n", 34));
        assert_non_null(strstr(heard, "Retry-After: 120\r\nx-should-retry: true\r\n"));
        assert_string_equal(body_of(heard), "{\"error\":\"wait \\\"a\\\" while\\n\"}\n");
        (void) close(fd);
}

static void test_kinds(void **state) {
        static const struct {
                const char *path, *body;
                enum request_kind kind;
        } rows[] = { { "/api/generate", "{\"model\":\"a\",\"prompt\":\"x\"}", REQUEST_CHAT },
                     { "/api/generate", "{\"model\":\"a\",\"prompt\":\"x\",\"raw\":true}", REQUEST_COMPLETION },
                     { "/api/embed", "{\"model\":\"a\",\"input\":[\"x\",\"y\"]}", REQUEST_EMBED },
                     { "/api/embeddings", "{\"model\":\"a\",\"prompt\":\"x\"}", REQUEST_EMBED } };

        (void) state;
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
                int fd = post(rows[i].path, rows[i].body);
                assert_int_equal(submits, i + 1);
                assert_int_equal(asked.kind, rows[i].kind);
                assert_int_equal(asked.keep_alive_ms, -1);
                asked.events->on_failed(asked.user, &cooldown);
                (void) close(fd);
        }
}

static void test_the_model_alone(void **state) {
        bool closed;

        (void) state;
        int fd = post("/api/generate", "{\"model\":\"a\",\"keep_alive\":60}");
        assert_int_equal(asked.kind, REQUEST_LOAD);
        assert_null(asked.body);
        assert_int_equal(asked.keep_alive_ms, 60000);
        asked.events->on_end(asked.user, "load", &(struct request_usage){ 0 });
        assert_non_null(strstr(hear(fd, "\"load\"}\n", &closed), "\"response\":\"\",\"done\":true,\"done_reason\":\"load\"}\n"));
        (void) close(fd);
        fd = post("/api/chat", "{\"model\":\"a\",\"keep_alive\":0}");
        assert_non_null(strstr(hear(fd, "\"unload\"}\n", &closed), "\"done\":true,\"done_reason\":\"unload\"}\n"));
        assert_string_equal(job.model, "a");
        (void) close(fd);
        fd = post("/api/chat", "{\"model\":\"org/b:q4\",\"keep_alive\":0}");
        assert_non_null(strstr(hear(fd, "}\n", &closed), "{\"error\":\"model 'org/b:q4' is pinned: it stays loaded\"}\n"));
        assert_int_equal(submits, 1);
        (void) close(fd);
}

static void test_an_unknown_model(void **state) {
        bool closed;

        (void) state;
        int fd = post("/api/chat", OLLAMA_CHAT(""));
        const char *heard = hear(fd, "}\n", &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 404 Not Found\r\n", 24));
        assert_non_null(strstr(
                heard, "{\"error\":\"model \\\"a:latest\\\" not found, try pulling it first; there is no model 'a:latest'"));
        assert_int_equal(submits, 0);
        (void) close(fd);
}

static void test_methods(void **state) {
        (void) state;
        assert_non_null(strstr(get("DELETE", "/api/delete"), "HTTP/1.1 501 "));
        assert_non_null(strstr(get("HEAD", "/api/blobs/sha256:1"), "HTTP/1.1 501 "));
        assert_non_null(strstr(get("DELETE", "/api/tags"), "HTTP/1.1 405 "));
        assert_non_null(strstr(get("OPTIONS", "/api/delete"), "Allow: POST, DELETE, OPTIONS\r\n"));
        assert_non_null(strstr(get("GET", "/api/blobs/"), "HTTP/1.1 404 "));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_chat),
                TEST(test_a_failure_before_the_first_word),
                TEST(test_kinds),
                TEST(test_the_model_alone),
                TEST(test_an_unknown_model),
                TEST(test_methods),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
