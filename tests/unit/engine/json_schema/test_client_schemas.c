/*
 * test_client_schemas.c - what the libraries of clients make of ordinary types: client_schemas.jsonl, as zod 4.6 and 3.25 (by
 * zod-to-json-schema 3.25) and pydantic 2.13 wrote them.
 *
 * Each is compiled; a value that it means is let through, one that it does not mean is not. All but those with "relaxed" are held whole.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/grammar/matcher.h"
#include "engine/json_schema/schema.h"

#define ROWS          "tests/unit/engine/json_schema/client_schemas.jsonl"
#define EACH_AT_LEAST 40u

static bool is_whole(const struct grammar *g, const cJSON *value) {
        struct matcher *m;
        char *text = cJSON_PrintUnformatted(value);
        bool fits = true;
        assert_int_equal(matcher_new(g, &m), 0);
        for (const char *c = text; *c && fits; c++) {
                fits = matcher_push(m, (uint8_t) *c);
                matcher_commit(m);
        }
        fits = fits && matcher_may_end(m);
        matcher_free(m);
        free(text);
        return fits;
}

static void check_values(const cJSON *row, const char *name, const struct grammar *g) {
        const cJSON *rejects = cJSON_GetObjectItem(row, "rejects");
        if (!is_whole(g, cJSON_GetObjectItem(row, "accepts")))
                fail_msg("%s: what it means is not let through", name);
        if (rejects && is_whole(g, rejects))
                fail_msg("%s: what it does not mean is let through", name);
}

static void check_row(const cJSON *row) {
        const cJSON *schema = cJSON_GetObjectItem(row, "schema");
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(row, "name"));
        const char *relaxed = cJSON_GetStringValue(cJSON_GetObjectItem(row, "relaxed"));
        struct schema_relaxed told = { 0 };
        struct grammar_error error;
        struct grammar *g;
        int strict = schema_compile(schema, NULL, &g, &error);
        if (relaxed ? strict != -EINVAL : strict < 0)
                fail_msg("%s: %s", name, strict < 0 ? error.text : "held, and expected to be relaxed");
        if (strict == 0)
                grammar_free(g);
        if (schema_compile(schema, &told, &g, &error) < 0)
                fail_msg("%s: %s", name, error.text);
        if (strcmp(told.places, relaxed ? relaxed : "") != 0)
                fail_msg("%s: relaxed is '%s', not '%s'", name, told.places, relaxed ? relaxed : "");
        check_values(row, name, g);
        grammar_free(g);
}

static void test_rows(void **state) {
        (void) state;
        unsigned zod = 0, pydantic = 0;
        char *line = NULL;
        size_t size = 0;
        FILE *file = fopen(ROWS, "r");
        assert_non_null(file);
        while (getline(&line, &size, file) > 0) {
                cJSON *row = cJSON_Parse(line);
                if (!row)
                        fail_msg("no JSON: %s", line);
                check_row(row);
                const char *library = cJSON_GetStringValue(cJSON_GetObjectItem(row, "library"));
                zod += !strncmp(library, "zod", 3);
                pydantic += !strncmp(library, "pydantic", 8);
                cJSON_Delete(row);
        }
        free(line);
        (void) fclose(file);
        assert_true(zod >= EACH_AT_LEAST && pydantic >= EACH_AT_LEAST);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
