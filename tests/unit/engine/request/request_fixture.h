/* request_fixture.h - a small model and the rules of its requests; bodies of clients that are read by them. */
#ifndef HEADROOM_TESTS_UNIT_ENGINE_REQUEST_REQUEST_FIXTURE_H
#define HEADROOM_TESTS_UNIT_ENGINE_REQUEST_REQUEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/json_read.h"
#include "engine/request/request.h"

#define CTX  256u
#define CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

static struct model *model;
static struct request_rules rules;

/* Of a model that is a file of the tree. Not 0: it could not be opened. */
static inline int open_model_at(const char *path, uint32_t n_ctx) {
        struct gguf_error error;
        if (model_open_path(path, &model, &error) < 0) {
                print_error("%s\n", error.text);
                return -1;
        }
        request_rules_init(&rules, model, n_ctx, 1);
        return 0;
}

static inline int open_model(void **state) {
        (void) state;
        return open_model_at("tests/demo_model/headroom-demo-small.gguf", CTX);
}

static inline int close_model(void **state) {
        (void) state;
        request_rules_done(&rules);
        model_close(model);
        return 0;
}

static inline int read_json(enum request_kind kind, cJSON *json, struct request *r, struct request_error *error) {
        if (kind == REQUEST_EMBED && !cJSON_IsObject(json)) { /* the input alone */
                cJSON *wanted = cJSON_CreateObject();
                cJSON_AddItemToObject(wanted, "input", json);
                json = wanted;
        }
        int result = kind == REQUEST_EMBED
                             ? request_read_embed(&rules, 9, json, r, error)
                             : request_read(&rules, &(struct request_asked){ .id = 9, .kind = kind }, json, r, error);
        cJSON_Delete(json);
        if (result == 0) {
                assert_int_equal(r->id, 9);
                assert_int_equal(r->kind, kind);
        }
        return result;
}

static inline int read_text(enum request_kind kind, const char *text, struct request *r, struct request_error *error) {
        cJSON *json = json_read(text, strlen(text), NULL);
        if (!json)
                fail_msg("not JSON: %s", text);
        return read_json(kind, json, r, error);
}

static inline struct request accept(enum request_kind kind, const char *body) {
        struct request r;
        struct request_error error;
        if (read_text(kind, body, &r, &error) < 0)
                fail_msg("%s: %s", body, error.message);
        return r;
}

#endif
