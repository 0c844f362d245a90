/*
 * test_embedding.c - an engine with an embedding model: texts go through as a whole whatever the chunk is, each gets the
 * vector that it gets alone, in the way the file asks for, and nobody is promised an answer.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tiny_model.h"
#include "tests/unit/engine/scheduler/scheduler_fixture.h"

static struct fixture *open_tiny(struct tiny_model model, uint32_t ctx, uint32_t chunk) {
        struct fixture *f = calloc(1, sizeof(*f));
        struct gguf_writer w = tiny_model_bytes(model);
        int fd = tiny_file(w.bytes, w.length);
        struct engine_config config = engine_config_default();
        config.model_fds = &fd;
        config.model_fds_count = 1;
        config.ctx = ctx;
        config.threads = 2;
        config.prefill_chunk = chunk;
        config.sink = (struct scheduler_sink){ f,           on_start, on_text, on_end, on_embedding, on_error, on_suspended,
                                               on_restored, NULL,     NULL,    NULL };
        struct gguf_error error;
        if (engine_open(&f->engine, &config, &error) < 0)
                fail_msg("%s", error.text);
        (void) close(fd);
        gguf_write_done(&w);
        return f;
}

/* Lists of COUNT tokens that begin with FIRST. */
static void submit_ids(struct fixture *f, uint64_t id, const uint32_t counts[2], uint32_t first) {
        char text[4096];
        int used = snprintf(text, sizeof(text), "[");
        for (uint32_t i = 0; i < 2 && counts[i]; i++) {
                used += snprintf(text + used, sizeof(text) - (size_t) used, "%s[", i ? "," : "");
                for (uint32_t t = 0; t < counts[i]; t++)
                        used += snprintf(text + used, sizeof(text) - (size_t) used, "%s%u", t ? "," : "", (first + t * t) % 64);
                used += snprintf(text + used, sizeof(text) - (size_t) used, "]");
        }
        (void) snprintf(text + used, sizeof(text) - (size_t) used, "]");
        submit_embed(f, id, text);
}

static const enum arch archs[] = { ARCH_BERT, ARCH_NOMIC_BERT };

/* Long ones and short ones, two at once, in an engine whose chunk is shorter than any, before and after an emergency. */
static void texts_go_through_as_a_whole(void **state) {
        (void) state;
        static const uint32_t counts[5][2] = { { 200, 3 }, { 256, 0 }, { 1, 256 }, { 31, 32 }, { 7, 0 } };
        for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++) {
                struct fixture *f = open_tiny((struct tiny_model){ .arch = archs[i], .heads_kv = 4 }, 256, 8);
                uint32_t n = f->engine.rules.n_embd;
                assert_int_equal(scheduler_prefill_chunk_max(f->engine.scheduler), 256); /* the longest text */
                for (uint32_t id = 0; id < 5; id++)
                        submit_ids(f, id, counts[id], id);
                run_dry(f);
                engine_downshift_now(&f->engine);
                for (uint32_t id = 0; id < 5; id++) {
                        submit_ids(f, 5 + id, counts[id], id);
                        run_dry(f); /* alone, and with keys and values in less precision */
                        assert_int_equal(f->told[id].embeddings, 1);
                        assert_int_equal(f->told[5 + id].embeddings, 1);
                        for (uint32_t v = 0; v < 2 && counts[id][v]; v++) {
                                double near = 0, squares = 0;
                                for (uint32_t d = 0; d < n; d++) {
                                        near += (double) f->told[id].vectors[v][d] * (double) f->told[5 + id].vectors[v][d];
                                        squares += (double) f->told[id].vectors[v][d] * (double) f->told[id].vectors[v][d];
                                }
                                assert_true(fabs(squares - 1) < 1e-5 && near > 0.98);
                        }
                }
                close_fixture(f);
        }
}

static void neighbours_change_no_bit(void **state) {
        (void) state;
        static const uint32_t counts[3][2] = { { 60, 100 }, { 17, 0 }, { 100, 5 } };
        for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++) {
                struct fixture *f = open_tiny((struct tiny_model){ .arch = archs[i], .type = TENSOR_Q8_0 }, 128, 64);
                for (uint32_t id = 0; id < 3; id++)
                        submit_ids(f, id, counts[id], id);
                run_dry(f);
                for (uint32_t id = 0; id < 3; id++) {
                        submit_ids(f, 3 + id, counts[id], id);
                        run_dry(f);
                        assert_memory_equal(f->told[id].vectors, f->told[3 + id].vectors, sizeof(f->told[id].vectors));
                }
                close_fixture(f);
        }
}

/* The vectors follow from the hidden states of one pass. */
static void pooling_is_what_the_file_says(void **state) {
        (void) state;
        static const struct {
                uint32_t stored;
                enum pooling used;
        } rows[] = { { 1, POOLING_MEAN }, { 2, POOLING_CLS }, { 3, POOLING_LAST } };
        const uint32_t counts[2] = { 20, 0 };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct fixture *f = open_tiny((struct tiny_model){ .arch = ARCH_BERT, .pooling = rows[i].stored }, 64, 8);
                uint32_t n = f->engine.rules.n_embd, first = rows[i].used == POOLING_LAST ? 19 : 0;
                uint32_t end = rows[i].used == POOLING_CLS ? 1 : 20;
                assert_int_equal(f->engine.rules.pooling, rows[i].used);
                submit_ids(f, 0, counts, 5);
                run_dry(f);
                int32_t tokens[20];
                for (int32_t t = 0; t < 20; t++)
                        tokens[t] = (5 + t * t) % 64;
                struct kv_sequence s = { 0 };
                struct transformer_item item = { .sequence = &s, .tokens = tokens, .count = 20, .want = WANT_HIDDEN };
                assert_int_equal(kv_sequence_grow(f->engine.cache, &s, 20), 0);
                transformer_run(f->engine.transformer, &item, 1);
                double sum[VECTOR_MAX] = { 0 }, squares = 0;
                for (uint32_t d = 0; d < n; d++) {
                        for (uint32_t t = first; t < end; t++)
                                sum[d] += (double) item.result[t * n + d];
                        squares += sum[d] * sum[d];
                }
                for (uint32_t d = 0; d < n; d++)
                        assert_true(fabs((double) f->told[0].vectors[0][d] - sum[d] / sqrt(squares)) < 1e-6);
                kv_sequence_done(f->engine.cache, &s);
                close_fixture(f);
        }
}

static void no_text_is_promised(void **state) {
        (void) state;
        struct fixture *f = open_tiny((struct tiny_model){ .arch = ARCH_BERT }, 0, 8);
        struct request r;
        struct request_error error;
        cJSON *body = cJSON_Parse("{\"prompt\":\"t1\"}"), *wanted = cJSON_CreateObject(), *list = cJSON_CreateArray();
        assert_int_equal(request_read(&f->engine.rules, &(struct request_asked){ .kind = REQUEST_COMPLETION }, body, &r, &error), -EINVAL);
        assert_true(error.reason == REASON_INVALID_REQUEST && strstr(error.message, "/v1/embeddings"));
        cJSON_AddItemToArray(cJSON_AddArrayToObject(wanted, "input"), list);
        for (int i = 0; i < 513; i++)
                cJSON_AddItemToArray(list, cJSON_CreateNumber(1));
        assert_int_equal(f->engine.rules.n_ctx, 512); /* as many positions as it has learned */
        assert_int_equal(request_read_embed(&f->engine.rules, 0, wanted, &r, &error), -EINVAL);
        assert_true(strstr(error.message, "513 tokens") != NULL);
        cJSON_Delete(body);
        cJSON_Delete(wanted);
        close_fixture(f);
        f = open_tiny((struct tiny_model){ .arch = ARCH_BERT }, 100000, 8);
        assert_int_equal(f->engine.rules.n_ctx, 512);
        close_fixture(f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(texts_go_through_as_a_whole),
                cmocka_unit_test(neighbours_change_no_bit),
                cmocka_unit_test(pooling_is_what_the_file_says),
                cmocka_unit_test(no_text_is_promised),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
