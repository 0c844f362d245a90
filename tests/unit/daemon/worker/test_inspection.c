/* test_inspection.c - what `headroom-engine inspect` prints is checked like any stranger's words; so are frames of refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "daemon/requests/failure.h"
#include "daemon/worker/inspection.h"

#define KV "\"kv_bytes_per_token\":{\"f16\":2048,\"q8_0\":1088,\"q4_0\":576}"

static const struct row {
        const char *what, *text, *sentence; /* NULL: accepted */
} rows[] = {
        { "as it is",
          "{\"name\":\"m\",\"architecture\":\"llama\",\"weights_bytes\":5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_"
          "train\":8," KV "}",
          NULL },
        { "a type that the heads do not fit",
          "{\"weights_bytes\":5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8,\"kv_bytes_per_token\":{\"f16\":1,"
          "\"q8_0\":0,\"q4_0\":0}}",
          NULL },
        { "the same, said by null",
          "{\"weights_bytes\":5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8,\"kv_bytes_per_token\":{\"f16\":1,\"q8_0\":null,\"q4_0\":"
          "null}}",
          NULL },
        { "not supported", "{\"weights_bytes\":5,\"unsupported\":\"architecture 'mamba' is not known\"}",
          "architecture 'mamba' is not known" },
        { "no model", "{\"weights_bytes\":5,\"no_model\":\"a projector\",\"unsupported\":\"x\"}", "it is a projector" },
        { "nothing", "", "not a summary" },
        { "no JSON", "Segmentation fault", "not a summary" },
        { "an array", "[1]", "not a summary" },
        { "cut", "{\"weights_bytes\":5", "not a summary" },
        { "no weights", "{\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8," KV "}", "left out" },
        { "weights of nothing", "{\"weights_bytes\":0,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8," KV "}",
          "left out" },
        { "negative", "{\"weights_bytes\":-5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8," KV "}", "absurd" },
        { "beyond all machines", "{\"weights_bytes\":1e30,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8," KV "}",
          "absurd" },
        { "a text for a number", "{\"weights_bytes\":\"5\",\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8," KV "}",
          "left out" },
        { "no KV sizes", "{\"weights_bytes\":5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8}", "left out" },
        { "one KV size is missing",
          "{\"weights_bytes\":5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8,\"kv_bytes_per_token\":{\"f16\":1}}",
          "left out" },
};

static void summaries(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct inspected result = { .weights_bytes = 99 };
                char sentence[256] = "";
                int r = inspection_parse(rows[i].text, strlen(rows[i].text), &result, sentence, sizeof(sentence));
                int expected = rows[i].sentence && !strcmp(rows[i].what, "no model") ? -ENOEXEC : -EBADMSG;
                if (rows[i].sentence ? r != expected || !strstr(sentence, rows[i].sentence) || result.weights_bytes != 99
                                     : r != 0 || result.weights_bytes != 5)
                        fail_msg("%s: %d, %s", rows[i].what, r, sentence);
        }
}

/* Of a stranger's words what is none of ours is left out, and what is wrong says nothing. */
static void what_a_model_can_do(void **state) {
        (void) state;
#define SIZES "\"weights_bytes\":5,\"scratch_bytes\":6,\"overhead_bytes\":7,\"n_ctx_train\":8," KV
        static const char
                all[] = "{" SIZES
                        ",\"architecture\":\"qwen3\",\"quantization\":\"Q4_K_M\",\"parameters\":8000000000,\"n_layer\":36,"
                        "\"makes_text\":true,\"pooling\":\"none\",\"takes_tools\":true,\"reasons\":true,\"fills_gaps\":true}",
                wrong[] = "{" SIZES
                          ",\"architecture\":7,\"parameters\":\"x\",\"n_layer\":1e12,\"makes_text\":false,\"pooling\":\"none\"}";
        struct inspected result;
        char sentence[256];
        assert_int_equal(inspection_parse(all, strlen(all), &result, sentence, sizeof(sentence)), 0);
        assert_string_equal(result.architecture, "qwen3");
        assert_string_equal(result.quantization, "Q4_K_M");
        assert_true(result.parameters == 8000000000 && result.n_layer == 36 && result.n_embd == 0);
        assert_true(result.makes_text && result.takes_tools && result.reasons && result.fills_gaps && !result.embeds);
        assert_int_equal(inspection_parse(wrong, strlen(wrong), &result, sentence, sizeof(sentence)), 0);
        assert_string_equal(result.architecture, "");
        assert_true(result.parameters == 0 && result.n_layer == 0);
        assert_true(result.embeds && !result.makes_text && !result.takes_tools && !result.reasons);
}

static struct failure told(const char *json) {
        struct failure f;
        cJSON *frame = cJSON_Parse(json);
        assert_non_null(frame);
        failure_from_frame(&f, frame);
        cJSON_Delete(frame);
        return f;
}

static void refusals_of_an_engine(void **state) {
        (void) state;
        struct failure f = told("{\"reason\":\"context_length_exceeded\",\"param\":\"messages\","
                                "\"message\":\"too long\",\"n_prompt_tokens\":700,\"n_ctx\":512}");
        assert_int_equal(f.status, 400);
        assert_string_equal(f.kind, "exceed_context_size_error");
        assert_string_equal(f.code, "context_length_exceeded");
        assert_string_equal(f.param, "messages");
        assert_string_equal(f.message, "too long");
        assert_int_equal(f.n_prompt_tokens, 700);
        assert_int_equal(f.n_ctx, 512);
        /* What is wrong in it is replaced by what does no harm. */
        f = told("{\"reason\":\"too_hot\",\"message\":null,\"n_prompt_tokens\":-1,\"n_ctx\":512}");
        assert_int_equal(f.status, 500);
        assert_string_equal(f.kind, "server_error");
        assert_true(strlen(f.message) > 0);
        assert_int_equal(f.n_prompt_tokens, -1);
        assert_int_equal(f.n_ctx, -1);
        assert_int_equal(told("{\"reason\":7}").reason, REASON_ENGINE_ERROR);
        assert_int_equal(told("{\"reason\":\"<script>\"}").reason, REASON_ENGINE_ERROR);
        assert_int_equal(told("{\"reason\":\"engine_full\"}").status, 503);
}

static void retry_after_is_what_clients_obey(void **state) {
        (void) state;
        struct failure f;
        failure_set(&f, REASON_LOAD_COOLDOWN, "x %d", 5);
        assert_string_equal(f.message, "x 5");
        assert_string_equal(f.code, "load_cooldown");
        const struct {
                uint64_t ms;
                unsigned s;
        } times[] = { { 0, 1 }, { 1, 1 }, { 1000, 1 }, { 1001, 2 }, { 119500, 120 }, { 300000, 120 }, { UINT64_MAX, 120 } };
        for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
                failure_set_retry_after(&f, times[i].ms);
                assert_int_equal(f.retry_after_s, times[i].s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(summaries),
                cmocka_unit_test(what_a_model_can_do),
                cmocka_unit_test(refusals_of_an_engine),
                cmocka_unit_test(retry_after_is_what_clients_obey),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
