/*
 * fuzz_schema.c - libFuzzer's door to the schema compiler: a JSON Schema, a zero byte, and bytes that choose what is written.
 *
 * A text is written with the bytes that the grammar allows, chosen by the input: wherever it may end it must be JSON; and so must a call
 * with arguments of this schema, which are an object. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/matcher.h"
#include "engine/json_schema/schema.h"

#define TEXT_MAX 300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte from FIRST on that may follow; it is put on the path. -1: none. */
static int write_byte(struct matcher *m, uint8_t first) {
        for (unsigned i = 0; i < 256; i++)
                if (matcher_push(m, (uint8_t) (first + i)))
                        return (uint8_t) (first + i);
        return -1;
}

static void check_json(const char *text, bool call) {
        cJSON *json = cJSON_Parse(text);
        if (!json || (call && !cJSON_IsObject(cJSON_GetObjectItem(json, "arguments"))))
                abort();
        cJSON_Delete(json);
}

/* They become a header. */
static void check_places(const char *places) {
        for (; *places; places++)
                if (*places < ' ' || *places > '~')
                        abort();
}

static void write_text(const struct grammar *g, bool call, const uint8_t *choices, size_t count) {
        struct matcher *m;
        char text[TEXT_MAX + 1] = "";
        if (matcher_new(g, &m) < 0)
                abort();
        for (size_t i = 0; i < TEXT_MAX; i++) {
                if (matcher_may_end(m))
                        check_json(text, call);
                matcher_allow_work(m, MATCHER_WORK_MAX / 20);
                int byte = write_byte(m, i < count ? choices[i] : '"');
                if (byte < 0)
                        break;
                matcher_commit(m);
                text[i] = (char) byte;
                text[i + 1] = '\0';
        }
        matcher_free(m);
}

static int compile_call(const cJSON *schema, struct schema_relaxed *relaxed, struct grammar **ret, struct grammar_error *reterr) {
        struct schema_call list[] = { { "f", schema, "f", true }, { "g", schema, "g", false } };
        struct schema_calls calls = { .before = "{\"name\": \"",
                                      .between = "\", \"arguments\":",
                                      .behind = "}",
                                      .list = list,
                                      .count = 2,
                                      .relaxed = relaxed };
        struct grammar_builder b = { 0 };
        uint32_t root, wrong;
        int r = schema_read_calls(&b, &calls, &root, &wrong, reterr);
        if (r == 0)
                r = grammar_builder_compile(&b, root, ret, reterr);
        grammar_builder_done(&b);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *end = memchr(data, 0, size);
        size_t length = end ? (size_t) (end - data) : size;
        cJSON *schema = cJSON_ParseWithLength((const char *) data, length);
        struct grammar *g;
        for (unsigned call = 0; schema && call < 2; call++) {
                struct grammar_error error = { .text = "" };
                struct schema_relaxed relaxed = { .within = "f" };
                if ((call ? compile_call(schema, &relaxed, &g, &error) : schema_compile(schema, &relaxed, &g, &error)) == 0) {
                        check_places(relaxed.places);
                        write_text(g, call, end ? end + 1 : data, end ? size - length - 1 : 0);
                        grammar_free(g);
                } else if (!error.text[0]) {
                        abort();
                }
        }
        cJSON_Delete(schema);
        return 0;
}
