/*
 * test_request_memory.c - a request while memory is gone: whichever allocation fails, it is the engine that has none, and never the
 * client who asked wrongly.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/request/tokens.h"
#include "tests/unit/engine/request/request_fixture.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL 0 /* the sanitizers have their own malloc */
#else
#define CAN_FAIL 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
#endif

static unsigned long left = 0; /* allocations until one fails; 0: none does */
static bool failed, for_good;  /* and all that follow */

#if CAN_FAIL
static bool fails(void) {
        if (left == 0)
                return failed && for_good;
        if (--left > 0)
                return false;
        errno = ENOMEM;
        return failed = true;
}

void *malloc(size_t size) {
        return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
        return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
        return fails() ? NULL : __libc_realloc(old, size);
}
#endif

static int open_filling_model(void **state) {
        static const struct infill_tokens infill = { { 10, 11, 12, 13, 14, 15 } };

        (void) state;
        if (open_model_at("tests/demo_model/headroom-demo.gguf", 512) < 0)
                return -1;
        rules.infill = &infill;
        return 0;
}

#define CONVERSATION \
        "\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi \\u0000\"}]}]"
static const struct {
        enum request_kind kind;
        const char *body;
        tokens_reader *look; /* what of it is asked of the vocabulary alone; NULL: it is a request */
} bodies[] = {
        { REQUEST_CHAT, "{" CONVERSATION ",\"stop\":[\"x\",\"y\"],\"logit_bias\":{\"5\":1}}", NULL },
        { REQUEST_CHAT, "{" CONVERSATION ",\"chat_template_kwargs\":{\"a\":[1]}}", NULL },
        { REQUEST_CHAT, "{" CONVERSATION ",\"response_format\":{\"type\":\"json_object\"}}", NULL },
        { REQUEST_COMPLETION, "{\"prompt\":\"Hello there \\u0000\",\"grammar\":\"root ::= [a-z]+ (\\\"x\\\" | \\\"y\\\"){2,5}\"}",
          NULL },
        { REQUEST_COMPLETION,
          "{\"prompt\":[1,2,3],\"json_schema\":{\"type\":\"array\",\"items\":{\"enum\":[\"a\",1,null]},\"maxItems\":3,"
          "\"prefixItems\":[{\"pattern\":\"^[a-c]{2}$\"},{\"type\":\"number\",\"minimum\":3}]}}",
          NULL },
        { REQUEST_COMPLETION,
          "{\"prompt\":\"Hello\",\"suffix\":\"there\",\"input_extra\":[{\"filename\":\"a\",\"text\":\"b \\u0000\"}]}", NULL },
        { REQUEST_EMBED, "{\"input\":[\"a b\",[1,2]],\"truncate\":true}", NULL },
        { REQUEST_EMBED, "{\"query\":\"a \\u0000\",\"documents\":[\"b\",{\"text\":\"c\"}]}", NULL },
        { REQUEST_CHAT, "{" CONVERSATION ",\"with_pieces\":true}", tokens_of_text },
        { REQUEST_COMPLETION, "{\"content\":\"Hello \\u0000\",\"with_pieces\":true}", tokens_of_text },
        { REQUEST_COMPLETION, "{\"tokens\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]}",
          tokens_to_text },
        { REQUEST_CHAT, "{" CONVERSATION ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}",
          tokens_of_template },
};

static int look(tokens_reader *reader, const cJSON *json, struct request_error *error) {
        struct text out = { 0 };
        uint32_t count;
        int result = reader(&rules, json, &out, &count, error);
        text_done(&out);
        return result;
}

#define PAIR "Is {query} in {document}?"

/* What is asked of a model that ranks: this one is taken for one. */
static int read_rank(const cJSON *json, struct request *r, struct request_error *error) {
        rules.ranker = model;
        model->rank_prompt = (struct gguf_string){ PAIR, sizeof(PAIR) - 1 };
        int result = request_read_rank(&rules, 9, json, r, error);
        rules.ranker = NULL;
        return result;
}

/* Reads BODY with the AT-th allocation failing. False: there are not so many. */
static bool read_without(size_t body, unsigned long at) {
        cJSON *json = json_read(bodies[body].body, strlen(bodies[body].body), NULL);
        struct request r = { 0 };
        struct request_error error = { .reason = REASON_NONE };
        assert_non_null(json);
        failed = false;
        left = at;
        int result =
                strstr(bodies[body].body, "query") ? read_rank(json, &r, &error)
                : bodies[body].look                ? look(bodies[body].look, json, &error)
                : bodies[body].kind == REQUEST_EMBED
                        ? request_read_embed(&rules, 9, json, &r, &error)
                        : request_read(&rules, &(struct request_asked){ .id = 9, .kind = bodies[body].kind }, json, &r, &error);
        left = 0;
        bool was_failed = failed;
        failed = false;
        if (result < 0 && !was_failed)
                fail_msg("%s: %s", bodies[body].body, error.message);
        if (result < 0 && error.reason != REASON_OUT_OF_MEMORY)
                fail_msg("%s: without allocation %lu: %s", bodies[body].body, at, error.message);
        if (result == 0)
                request_done(&r);
        cJSON_Delete(json);
        return was_failed;
}

static void nobody_else_is_blamed(void **state) {
        (void) state;
        if (!CAN_FAIL)
                skip();
        for (size_t body = 0; body < sizeof(bodies) / sizeof(bodies[0]); body++)
                for (int good = 0; good < 2; good++) {
                        unsigned long at = 1;
                        for_good = good;
                        while (read_without(body, at))
                                at++;
                        assert_true(at > 3);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_else_is_blamed) };
        return cmocka_run_group_tests(tests, open_filling_model, close_model);
}
