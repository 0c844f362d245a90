/*
 * test_demo_trainer.c - the demo model's trainer: its gradient against differences, its tokenizer against
 * itself, its decoder against its forward pass, its numbers against the file format.
 */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/gguf.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/demo_model/bounds.h"
#include "tests/demo_model/course.h"
#include "tests/demo_model/gemm.h"
#include "tests/demo_model/model_file.h"
#include "tests/demo_model/net.h"
#include "tests/demo_model/q8.h"
#include "tests/demo_model/variation.h"
#include "tests/demo_model/vocabulary.h"

static const struct net_shape tiny = {
        .vocabulary = 23,
        .context = 32,
        .width = 16,
        .layers = 2,
        .heads = 4,
        .kv_heads = 2,
        .head_width = 4,
        .ff_width = 20,
        .norm_epsilon = 1e-5f,
        .rope_base = 10000.0f,
};

/* Two conversations of unequal length, some tokens without a target. */
static void fill_tiny(struct net_batch *b, uint32_t ids[], struct net_target targets[]) {
        static const uint32_t all[] = { 1, 5, 9, 2, 2, 7, 22, 3, 11, 4, 0, 8, 6 };

        memcpy(ids, all, sizeof(all));
        *b = (struct net_batch){ .tokens_count = 13, .sequences_count = 2, .ids = ids, .targets = targets };
        b->starts[1] = 8;
        b->starts[2] = 13;
        for (uint32_t t = 1; t + 1 < b->tokens_count; t++)
                if (t != 4 && t != 7)
                        targets[b->targets_count++] = (struct net_target){ t, all[t + 1] };
}

static float *random_weights(const struct net_layout *l) {
        struct random random = { 7 };
        float *weights = calloc(l->floats, sizeof(float));

        assert_non_null(weights);
        net_weights_init(l, weights, &random);
        for (size_t i = 0; i < l->floats; i++)
                weights[i] += (float) (0.2 * random_normal(&random));
        return weights;
}

/* Along a random direction within one tensor, the loss must rise as the gradient says. */
static void check_tensor(struct net_space *s, const struct net_layout *l, const struct net_tensor *t, float *weights,
                         const float *gradient, const struct net_batch *b) {
        struct random random = { 11 + t->offset };
        size_t count = t->rows * t->columns, right;
        float *direction = calloc(count, sizeof(float));
        double length = 0.0, expected = 0.0, loss[2];

        assert_non_null(direction);
        for (size_t i = 0; i < count; i++) {
                direction[i] = (float) (random_normal(&random) + 3.0 * (double) (gradient[t->offset + i] > 0.0f));
                length += (double) direction[i] * (double) direction[i];
        }
        float *saved = calloc(l->floats, sizeof(float));

        assert_non_null(saved);
        memcpy(saved, weights, l->floats * sizeof(float));
        for (int side = 0; side < 2; side++) {
                double step = (side ? 0.01 : -0.01) / sqrt(length);

                for (size_t i = 0; i < count; i++)
                        weights[t->offset + i] = saved[t->offset + i] + (float) (step * (double) direction[i]);
                loss[side] = net_loss(s, weights, b, 1.0f, NULL, &right);
        }
        memcpy(weights, saved, l->floats * sizeof(float));
        for (size_t i = 0; i < count; i++)
                expected += (double) gradient[t->offset + i] * (double) direction[i] / sqrt(length);
        double measured = (loss[1] - loss[0]) / 0.02;

        if (fabs(measured - expected) > 0.01 * fabs(expected) + 2e-3)
                fail_msg("%s: loss rises by %g, gradient says %g", t->name, measured, expected);
        free(saved);
        free(direction);
}

static void gradient_agrees_with_differences(void **state) {
        struct net_layout l;
        struct net_batch b;
        struct net_space *s;
        struct net_target targets[16];
        uint32_t ids[16];
        const char *fault;
        size_t right;

        (void) state;
        assert_int_equal(net_layout_init(&l, &tiny, &fault), 0);
        assert_int_equal(net_space_new(&l, 16, &s), 0);
        fill_tiny(&b, ids, targets);
        float *weights = random_weights(&l), *gradient = calloc(l.floats, sizeof(float));

        assert_non_null(gradient);
        (void) net_loss(s, weights, &b, 1.0f, gradient, &right);
        for (size_t i = 0; i < l.tensors_count; i++)
                check_tensor(s, &l, &l.tensors[i], weights, gradient, &b);
        free(weights);
        free(gradient);
        net_space_free(s);
}

/* Feeding a sequence token by token must rank the next tokens as the whole pass does: take the decoder's
 * choice as the target, and the pass must call it right. */
static void decoder_agrees_with_the_whole_pass(void **state) {
        static const uint32_t sequence[] = { 3, 14, 15, 9, 2, 6, 5, 3, 5, 8, 9, 7 };
        struct net_target targets[12];
        struct net_layout l;
        struct net_space *s;
        struct net_decoder *d;
        const char *fault;
        size_t right;

        (void) state;
        assert_int_equal(net_layout_init(&l, &tiny, &fault), 0);
        assert_int_equal(net_space_new(&l, 12, &s), 0);
        float *weights = random_weights(&l);

        assert_int_equal(net_decoder_new(&l, weights, &d), 0);
        for (uint32_t i = 0; i < 12; i++)
                targets[i] = (struct net_target){ i, net_decoder_next(d, sequence[i]) };
        struct net_batch b = { .tokens_count = 12,
                               .sequences_count = 1,
                               .targets_count = 12,
                               .ids = (uint32_t *) sequence,
                               .targets = targets,
                               .starts = { 0, 12 } };

        (void) net_loss(s, weights, &b, 1.0f, NULL, &right);
        assert_int_equal(right, 12);
        net_decoder_free(d);
        free(weights);
        net_space_free(s);
}

static void multiplication_agrees_with_the_definition(void **state) {
        enum { M = 19, N = 37, K = 300 };
        static float a[M * K], b[K * N], c[M * N];
        struct random random = { 5 };
        struct gemm_space s;

        (void) state;
        assert_int_equal(gemm_space_init(&s), 0);
        for (size_t i = 0; i < M * K; i++)
                a[i] = (float) random_normal(&random);
        for (size_t i = 0; i < K * N; i++)
                b[i] = (float) random_normal(&random);
        for (size_t i = 0; i < M * N; i++)
                c[i] = 1.0f;
        gemm(&s, M, N, K, matrix_turned(a, M), matrix_rows(b, N), c, N, true);
        for (size_t i = 0; i < M; i++)
                for (size_t j = 0; j < N; j++) {
                        double sum = 1.0;

                        for (size_t p = 0; p < K; p++)
                                sum += (double) a[p * M + i] * (double) b[p * N + j];
                        assert_true(fabs(sum - (double) c[i * N + j]) < 1e-3);
                }
        gemm_space_done(&s);
}

static void expect_pieces(const struct vocabulary *v, const char *text, const char *joined) {
        uint32_t ids[64];
        char spelling[VOCABULARY_SPELLING_BYTES_MAX], all[256] = "";
        long count = vocabulary_encode(v, text, ids, 64);

        assert_true(count >= 0);
        for (long i = 0; i < count; i++) {
                vocabulary_spell(v, ids[i], spelling);
                (void) strcat(strcat(all, i ? "|" : ""), spelling);
        }
        assert_string_equal(all, joined);
}

static void vocabulary_learns_frequent_pairs_and_splits_like_gpt_2(void **state) {
        struct learner *learner;
        struct vocabulary *v;
        uint32_t ids[2];

        (void) state;
        assert_int_equal(learner_new(&learner), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(learner_add(learner, "low lower lowest, it's low\nlow  low"), 0);
        assert_int_equal(vocabulary_learn(learner, 400, &v), 0);
        expect_pieces(v, "low low", "low|\xc4\xa0low");
        expect_pieces(v, "it's", "it|'s");
        expect_pieces(v, "low\nlow", "low|\xc4\x8a|low");
        expect_pieces(v, "low  low\n", "low|\xc4\xa0|\xc4\xa0low|\xc4\x8a");
        expect_pieces(v, "", "");
        assert_int_equal(vocabulary_encode(v, "xyz", ids, 2), -28 /* ENOSPC */);
        assert_int_equal(vocabulary_control_id(v, VOCABULARY_IM_END), v->size - 1);
        vocabulary_free(v);
        learner_free(learner);
}

static void half_precision_is_exact(void **state) {
        (void) state;
        for (uint32_t half = 0; half < 0x10000; half++)
                if ((half & 0x7c00) != 0x7c00)
                        assert_int_equal(q8_half_from_float(q8_half_to_float((uint16_t) half)), half);
        assert_int_equal(q8_half_from_float(65504.0f), 0x7bff);
        assert_int_equal(q8_half_from_float(65536.0f), 0x7c00);
        assert_int_equal(q8_half_from_float(1.0f + 0x1p-11f), 0x3c00); /* half way: to even */
        assert_int_equal(q8_half_from_float(1.0f + 0x3p-11f), 0x3c02);
        assert_int_equal(q8_half_from_float(0x1p-26f), 0);
}

static void q8_keeps_a_row_to_half_a_step(void **state) {
        struct random random = { 3 };
        struct q8_block block;
        float x[Q8_VALUES], y[Q8_VALUES];

        (void) state;
        for (int i = 0; i < Q8_VALUES; i++)
                x[i] = (float) random_normal(&random);
        x[7] = -6.0f;
        q8_encode(&block, x);
        q8_decode(y, &block);
        for (int i = 0; i < Q8_VALUES; i++)
                assert_true(fabsf(x[i] - y[i]) < 0.51f * 6.0f / 127.0f);
        memset(x, 0, sizeof(x));
        q8_encode(&block, x);
        q8_decode(y, &block);
        assert_memory_equal(x, y, sizeof(x));
}

static void variations_stay_in_bounds(void **state) {
        struct random random = { 9 };
        char text[QUESTION_BYTES_MAX], longest[QUESTION_BYTES_MAX];

        (void) state;
        memset(longest, 'a', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        for (int i = 0; i < 20000; i++) {
                variation_make(&random, i % 2 ? longest : "What is the KV cache?", text);
                assert_true(strlen(text) > 0 && strlen(text) < sizeof(text));
                variation_make(&random, "", text);
        }
        variation_plain("What is PSI?", text);
        assert_string_equal(text, "what is psi");
}

/* A scratch directory with a small text in it, and what is learnt from that. */
struct school {
        char directory[64], text[96], file[96], checkpoint[96];
        struct corpus *corpus;
        struct vocabulary *vocabulary;
        struct net_layout layout;
};

static void school_init(struct school *s) {
        struct net_shape hparams = { .context = SEQUENCE_TOKENS_MAX,
                                     .width = 64,
                                     .layers = 1,
                                     .heads = 2,
                                     .kv_heads = 1,
                                     .head_width = 32,
                                     .ff_width = 64,
                                     .norm_epsilon = 1e-5f,
                                     .rope_base = 10000.0f };
        struct corpus_error error;
        struct learner *learner;
        const char *fault;

        *s = (struct school){ .directory = "/tmp/demo-trainer-XXXXXX" };
        assert_non_null(mkdtemp(s->directory));
        (void) snprintf(s->text, sizeof(s->text), "%s/text", s->directory);
        (void) snprintf(s->file, sizeof(s->file), "%s/model.gguf", s->directory);
        (void) snprintf(s->checkpoint, sizeof(s->checkpoint), "%s/checkpoint", s->directory);
        FILE *text = fopen(s->text, "we");

        assert_non_null(text);
        (void) fputs("# Three answers.\nS: Be kind.\n\nQ: Why is it hot?\nQ: Why so hot?\nA: It's the sun.\n\n"
                     "Q: What is it?\nA: It is the heat, 42 degrees.\n\nQ: Who?\nA: Nobody knows it.\n",
                     text);
        assert_int_equal(fclose(text), 0);
        assert_int_equal(corpus_new(&s->corpus), 0);
        assert_int_equal(corpus_read(s->corpus, s->text, &error), 0);
        assert_int_equal(s->corpus->questions_count, 4);
        assert_int_equal(learner_new(&learner), 0);
        assert_int_equal(lesson_teach_vocabulary(s->corpus, learner), 0);
        assert_int_equal(vocabulary_learn(learner, 300, &s->vocabulary), 0);
        learner_free(learner);
        hparams.vocabulary = s->vocabulary->size;
        assert_int_equal(net_layout_init(&s->layout, &hparams, &fault), 0);
}

static void school_done(struct school *s) {
        vocabulary_free(s->vocabulary);
        corpus_free(s->corpus);
        (void) unlink(s->text);
        (void) unlink(s->file);
        (void) unlink(s->checkpoint);
        assert_int_equal(rmdir(s->directory), 0);
}

static struct course *school_course(const struct school *s, size_t threads) {
        struct course_settings settings = {
                .steps = 8, .batch = 2 * SHARDS, .threads = threads, .seed = 4, .rate = 0.01, .decay = 0.1
        };
        struct course *c;

        assert_int_equal(course_new(&settings, &s->layout, s->corpus, s->vocabulary, &c), 0);
        return c;
}

static void take_steps(struct course *c, size_t until) {
        struct course_report report;

        while (c->step < until)
                assert_int_equal(course_step(c, &report), 0);
}

static void threads_and_interruptions_change_nothing(void **state) {
        struct school s;

        (void) state;
        school_init(&s);
        struct course *whole = school_course(&s, 2), *first = school_course(&s, 1), *second = school_course(&s, 4);

        take_steps(whole, 8);
        assert_int_equal(course_load(second, s.checkpoint), -2 /* ENOENT */);
        take_steps(first, 5);
        assert_int_equal(course_save(first, s.checkpoint), 0);
        assert_int_equal(course_load(second, s.checkpoint), 0);
        take_steps(second, 8);
        assert_memory_equal(whole->weights, second->weights, s.layout.floats * sizeof(float));
        second->settings.seed++;
        assert_int_equal(course_load(second, s.checkpoint), -22 /* EINVAL */);
        course_free(whole);
        course_free(first);
        course_free(second);
        school_done(&s);
}

static void expect_same_ids(const struct tokenizer *t, const struct vocabulary *v, const char *text) {
        struct token_list theirs = { 0 };
        uint32_t ours[128];
        long count = vocabulary_encode(v, text, ours, 128);

        assert_int_equal(tokenizer_encode(t, text, strlen(text), true, false, &theirs), 0);
        assert_int_equal(theirs.count, count);
        for (long i = 0; i < count; i++)
                assert_int_equal(theirs.ids[i], ours[i]);
        token_list_done(&theirs);
}

static void the_engine_reads_the_file_as_it_was_meant(void **state) {
        struct school s;
        struct gguf_error error;
        struct tokenizer *t;
        struct gguf *g;
        struct q8_block block;
        float x[Q8_VALUES];

        (void) state;
        school_init(&s);
        float *weights = random_weights(&s.layout), *rounded = calloc(s.layout.floats, sizeof(float));

        assert_non_null(rounded);
        model_file_round(&s.layout, weights, rounded);
        assert_int_equal(model_file_write(s.file, "Test", &s.layout, weights, s.vocabulary), 0);
        int fd = open(s.file, O_RDONLY | O_CLOEXEC);

        assert_int_equal(gguf_open(&fd, 1, &g, &error), 0);
        (void) close(fd);
        assert_int_equal(gguf_tensors_count(g), s.layout.tensors_count);
        for (size_t i = 0; i < s.layout.tensors_count; i++) {
                const struct net_tensor *ours = &s.layout.tensors[i];
                const struct gguf_tensor *theirs = gguf_find_tensor(g, ours->name);

                assert_non_null(theirs);
                assert_int_equal(theirs->dims[0], ours->columns);
                assert_int_equal(theirs->dims[1], ours->rows);
                for (size_t at = 0; ours->rows > 1 && at < ours->rows * ours->columns; at += Q8_VALUES) {
                        memcpy(&block, theirs->data + at / Q8_VALUES * sizeof(block), sizeof(block));
                        q8_decode(x, &block);
                        assert_memory_equal(x, rounded + ours->offset + at, sizeof(x));
                }
        }
        assert_int_equal(tokenizer_new(g, &t, &error), 0);
        expect_same_ids(t, s.vocabulary, "Why is it so hot, 42 degrees?\n\n It's  Nobody!");
        expect_same_ids(t, s.vocabulary, "<|im_end|> they'll... \n");
        assert_true(tokenizer_is_end(t, (int32_t) vocabulary_control_id(s.vocabulary, VOCABULARY_IM_END)));
        tokenizer_free(t);
        gguf_close(g);
        free(weights);
        free(rounded);
        school_done(&s);
}

/* The trainer's objects are built for AVX2 and FMA on this architecture. */
static bool processor_suffices(void) {
#ifdef __x86_64__
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
        return true;
#endif
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(multiplication_agrees_with_the_definition),
                cmocka_unit_test(gradient_agrees_with_differences),
                cmocka_unit_test(decoder_agrees_with_the_whole_pass),
                cmocka_unit_test(vocabulary_learns_frequent_pairs_and_splits_like_gpt_2),
                cmocka_unit_test(half_precision_is_exact),
                cmocka_unit_test(q8_keeps_a_row_to_half_a_step),
                cmocka_unit_test(variations_stay_in_bounds),
                cmocka_unit_test(threads_and_interruptions_change_nothing),
                cmocka_unit_test(the_engine_reads_the_file_as_it_was_meant),
        };

        if (!processor_suffices()) {
                printf("SKIP: the trainer needs a processor with AVX2\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
