/* test_perplexity.c - what a token costs, means and their errors, how a text is cut, and what is remembered of a model. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/model/fingerprint.h"
#include "engine/cli/perplexity.h"
#include "engine/model/perplexity_record.h"
#include "engine/cli/single.h"

static void check_near(double a, double b) {
        if (!(fabs(a - b) <= 1e-6 * (1 + fabs(b))))
                fail_msg("%.9g is not %.9g", a, b);
}

static void test_losses(void **state) {
        (void) state;
        static const struct {
                const char *what;
                float logits[4];
                uint32_t token;
                double loss;
        } rows[] = {
                { "four that are alike", { 1, 1, 1, 1 }, 2, 1.3862943611198906 },
                { "odds of e to 1, among two that are possible", { 0, 1, -1000, -1000 }, 1, 0.31326168751822286 },
                { "logits that overflow a power of e", { 1000, 1001, 0, 0 }, 0, 1.3132616875182228 },
                { "one that is next to impossible", { 0, 90, 0, 0 }, 3, 90 },
                { "a model that gives no numbers", { NAN, NAN, NAN, NAN }, 0, INFINITY },
                { "a token without a chance", { -INFINITY, 0, 0, 0 }, 0, INFINITY },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                double loss = perplexity_loss(rows[i].logits, 4, rows[i].token);
                if (isinf(rows[i].loss) ? !isinf(loss) : fabs(loss - rows[i].loss) > 1e-6 * (1 + rows[i].loss))
                        fail_msg("%s: %.9g is not %.9g", rows[i].what, loss, rows[i].loss);
        }
}

static void test_means(void **state) {
        (void) state;
        struct running_mean m = { 0 };
        check_near(running_mean_error(&m), 0);
        static const double values[] = { 2, 4, 4, 4, 5, 5, 7, 9 }; /* sum of squared distances from 5: 32 */
        for (size_t i = 0; i < 8; i++)
                running_mean_add(&m, values[i]);
        check_near(m.mean, 5);
        check_near(running_mean_error(&m), sqrt(32.0 / 7 / 8));
        m = (struct running_mean){ 0 };
        for (unsigned i = 0; i < 1000; i++) /* a large common part takes no digits from the spread */
                running_mean_add(&m, 1e9 + i % 2);
        check_near(m.mean, 1e9 + 0.5);
        if (fabs(running_mean_error(&m) - sqrt(250.0 / 999 / 1000)) > 1e-6)
                fail_msg("the spread is lost: %g", running_mean_error(&m));
}

static void test_cuts(void **state) {
        (void) state;
        static const struct {
                const char *what;
                uint64_t tokens;
                uint32_t context;
                uint64_t chunks_max;
                int result;
                struct perplexity_cut cut;
        } rows[] = {
                { "two chunks and a rest", 1100, 512, 0, 0, { 512, 256, 255, 2, 510 } },
                { "exactly one", 512, 512, 0, 0, { 512, 256, 255, 1, 255 } },
                { "a text shorter than a chunk is one", 100, 512, 0, 0, { 100, 50, 49, 1, 49 } },
                { "an odd length", 30, 9, 0, 0, { 9, 4, 4, 3, 12 } },
                { "no more than asked for", 5120, 512, 3, 0, { 512, 256, 255, 3, 765 } },
                { "the least there can be", 4, 512, 0, 0, { 4, 2, 1, 1, 1 } },
                { "nothing would count", 3, 512, 0, -EINVAL, { 0 } },
                { "no text", 0, 512, 0, -EINVAL, { 0 } },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct perplexity_cut cut = { 0 };
                int r = perplexity_cut(rows[i].tokens, rows[i].context, rows[i].chunks_max, &cut);
                const struct perplexity_cut *want = &rows[i].cut;
                if (r != rows[i].result || cut.context != want->context || cut.first != want->first ||
                    cut.counted != want->counted || cut.chunks != want->chunks || cut.total != want->total)
                        fail_msg("%s: %d, %u %u %u %llu %llu", rows[i].what, r, cut.context, cut.first, cut.counted,
                                 (unsigned long long) cut.chunks, (unsigned long long) cut.total);
                /* The last token that counts is the chunk's last. */
                if (r == 0)
                        assert_int_equal(cut.first + cut.counted, cut.context - 1);
        }
}

static void write_text(const char *path, const char *text) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void test_records(void **state) {
        (void) state;
        char folder[] = "/tmp/test_perplexity.XXXXXX";
        assert_non_null(mkdtemp(folder));
        assert_int_equal(setenv("XDG_STATE_HOME", folder, 1), 0);
        struct perplexity_record r = { .text = "wiki.txt",
                                       .measured = "2026-01-31T12:00:00Z",
                                       .tokens = 9,
                                       .counted = 5,
                                       .context = 512 },
                                 back;
        r.kv[KV_F16] = (struct perplexity_of_kv){ .known = true, .perplexity = 6.25, .error = 0.5 };
        r.kv[KV_Q4_0] = (struct perplexity_of_kv){ true, 6.5, 0.5, true, 0.03125, 0.25 };
        assert_int_equal(perplexity_record_load(7, &back), -ENOENT);
        assert_int_equal(perplexity_record_save(7, &r), 0);
        assert_int_equal(perplexity_record_save(7, &r), 0); /* again, in the place of the first */
        assert_int_equal(perplexity_record_load(7, &back), 0);
        assert_string_equal(back.text, "wiki.txt");
        assert_string_equal(back.measured, r.measured);
        assert_true(back.context == 512 && back.counted == 5 && back.tokens == 9);
        assert_true(back.kv[KV_F16].known && back.kv[KV_F16].perplexity == 6.25 && !back.kv[KV_F16].compared);
        assert_true(!back.kv[KV_Q8_0].known && back.kv[KV_Q4_0].compared && back.kv[KV_Q4_0].difference == 0.03125);
        assert_int_equal(perplexity_record_load(8, &back), -ENOENT);

        static const char *const bad[] = { "",
                                           "{",
                                           "[]",
                                           "7",
                                           "{\"kv\":7}",
                                           "{\"counted\":-1,\"kv\":{\"f16\":{}}}",
                                           "{\"counted\":5,\"kv\":{\"f16\":{\"perplexity\":-1}}}",
                                           "{\"counted\":1e99,\"kv\":{\"f16\":{\"perplexity\":2}}}" };
        char *path = perplexity_record_path(7);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                write_text(path, bad[i]);
                if (perplexity_record_load(7, &back) != -EBADMSG)
                        fail_msg("accepted: %s", bad[i]);
        }
        (void) unlink(path);
        for (unsigned i = 0; i < 3; i++) { /* perplexity, headroom, and what was made here */
                *strrchr(path, '/') = '\0';
                assert_int_equal(rmdir(path), 0);
        }
        free(path);
}

static void test_identity(void **state) {
        (void) state;
        char a[] = "/tmp/test_perplexity.XXXXXX", b[] = "/tmp/test_perplexity.XXXXXX";
        int fds[2] = { mkstemp(a), mkstemp(b) };
        assert_true(fds[0] >= 0 && fds[1] >= 0);
        uint8_t *bytes = calloc(1, 100000);
        for (size_t i = 0; i < 100000; i++)
                bytes[i] = (uint8_t) (i * 7 + i / 251);
        assert_int_equal(write(fds[0], bytes, 100000), 100000);
        assert_int_equal(write(fds[1], bytes, 100000), 100000);
        uint64_t one, other, both, longer;
        assert_int_equal(model_identity(&fds[0], 1, &one), 0);
        assert_int_equal(model_identity_of_path(b, &other), 0);
        assert_true(one == other); /* whatever it is called */
        assert_int_equal(model_identity(fds, 2, &both), 0);
        assert_true(one != both);
        assert_int_equal(write(fds[1], bytes, 1), 1);
        assert_int_equal(model_identity(&fds[1], 1, &longer), 0);
        assert_true(longer != one);
        assert_int_equal(pwrite(fds[0], "x", 1, 10), 1);
        assert_int_equal(model_identity(&fds[0], 1, &other), 0);
        assert_true(other != one);
        assert_int_equal(model_identity_of_path("/nowhere/at-all.gguf", &other), -ENOENT);
        free(bytes);
        (void) close(fds[0]), (void) close(fds[1]);
        (void) unlink(a), (void) unlink(b);
}

/* Logits of hidden states taken together are those that each token's own pass gives, bit for bit. */
static void test_logits_of_hidden_states(void **state) {
        (void) state;
        enum { COUNT = 21, ROWS = 4 };
        struct gguf_error error;
        struct single s;
        const struct single_config config = {
                .path = "tests/demo_model/headroom-demo-small.gguf", .threads = 2, .tokens_max = COUNT, .logits = ROWS
        };
        if (single_open(&s, &config, &error) < 0)
                fail_msg("%s", error.text);
        uint32_t n_vocab = s.model->hparams.n_vocab, n_embd = s.model->hparams.n_embd;
        int32_t tokens[COUNT];
        float *one_by_one = malloc((size_t) COUNT * n_vocab * sizeof(float));
        for (int32_t i = 0; i < COUNT; i++) {
                const float *logits;
                tokens[i] = 300 + i * 41;
                assert_int_equal(single_feed(&s, &tokens[i], 1, &logits), 0);
                memcpy(one_by_one + (size_t) i * n_vocab, logits, n_vocab * sizeof(float));
        }
        single_rewind(&s, 0);
        assert_int_equal(kv_sequence_grow(s.cache, &s.sequence, COUNT), 0);
        struct transformer_item item = { .sequence = &s.sequence, .tokens = tokens, .count = COUNT, .want = WANT_HIDDEN };
        transformer_run(s.transformer, &item, 1);
        for (uint32_t at = 0, rows; at < COUNT; at += rows) {
                rows = COUNT - at < ROWS ? COUNT - at : ROWS;
                const float *logits = transformer_logits(s.transformer, item.result + (size_t) at * n_embd, rows);
                assert_memory_equal(logits, one_by_one + (size_t) at * n_vocab, rows * n_vocab * sizeof(float));
        }
        free(one_by_one);
        single_close(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_losses),  cmocka_unit_test(test_means),    cmocka_unit_test(test_cuts),
                cmocka_unit_test(test_records), cmocka_unit_test(test_identity), cmocka_unit_test(test_logits_of_hidden_states),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
