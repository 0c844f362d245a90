/* test_pooling.c - which pooling a file asks for, and that a text's vector does not depend on how it was cut. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/pooling.h"
#include "engine/random.h"
#include "tests/gguf_writer.h"

#define TOKENS 23u
#define WIDTH  40u

static void test_what_files_say(void **state) {
        (void) state;
        static const struct {
                const char *what;
                int64_t type; /* -1: nothing, -2: a text */
                enum pooling pooling;
                bool refused;
        } rows[] = {
                { "nothing", -1, POOLING_MEAN, false },
                { "left open", 0, POOLING_MEAN, false },
                { "mean", 1, POOLING_MEAN, false },
                { "the first token", 2, POOLING_FIRST, false },
                { "the last token", 3, POOLING_LAST, false },
                { "a ranking", 4, POOLING_RANK, true },
                { "something newer", 5, POOLING_OTHER, true },
                { "a text", -2, POOLING_OTHER, true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct gguf_writer w = { 0 };
                gguf_write_begin(&w, 3);
                if (rows[i].type >= 0)
                        gguf_write_u32(&w, "llama.pooling_type", (uint32_t) rows[i].type);
                if (rows[i].type == -2)
                        gguf_write_string(&w, "llama.pooling_type", "mean");
                gguf_write_u32(&w, "other.pooling_type", 2); /* of no concern */
                gguf_write_end(&w);
                struct gguf *g;
                struct gguf_error error;
                if (gguf_open_memory(&(struct gguf_memory){ w.bytes, w.length }, 1, &g, &error) < 0)
                        fail_msg("%s", error.text);
                if (pooling_of(g, "llama") != rows[i].pooling || !pooling_refusal(rows[i].pooling) == rows[i].refused)
                        fail_msg("%s", rows[i].what);
                gguf_close(g);
                free(w.bytes);
        }
}

/* In runs of random lengths, as passes are cut. */
static void pool(enum pooling p, const float *hidden, struct random *dice, uint32_t dimensions, float *vector) {
        double sum[WIDTH] = { 0 };
        for (uint32_t at = 0, count; at < TOKENS; at += count) {
                count = dice ? 1 + random_u32(dice) % (TOKENS - at) : TOKENS;
                pooling_add(p, sum, hidden + at * WIDTH, count, WIDTH, at, TOKENS);
        }
        pooling_finish(sum, dimensions, vector);
}

static void check_near(double a, double b) {
        if (!(fabs(a - b) < 1e-6))
                fail_msg("%g is not near %g", a, b);
}

static void test_vectors(void **state) {
        (void) state;
        float hidden[TOKENS * WIDTH], vector[WIDTH], again[WIDTH], few[WIDTH];
        struct random dice = random_seeded(5);
        for (uint32_t i = 0; i < TOKENS * WIDTH; i++)
                hidden[i] = (float) (random_unit(&dice) * 6 - 3);
        for (enum pooling p = POOLING_MEAN; p <= POOLING_LAST; p++) {
                pool(p, hidden, NULL, WIDTH, vector);
                for (unsigned round = 0; round < 20; round++) {
                        pool(p, hidden, &dice, WIDTH, again);
                        assert_memory_equal(vector, again, sizeof(vector));
                }
                double expected[WIDTH] = { 0 }, squares = 0, part = 0;
                for (uint32_t d = 0; d < WIDTH; d++) {
                        for (uint32_t t = 0; t < TOKENS; t++)
                                if (p == POOLING_MEAN || t == (p == POOLING_FIRST ? 0 : TOKENS - 1))
                                        expected[d] += (double) hidden[t * WIDTH + d];
                        squares += expected[d] * expected[d];
                        part += d < 7 ? expected[d] * expected[d] : 0;
                }
                pool(p, hidden, &dice, 7, few);
                for (uint32_t d = 0; d < WIDTH; d++)
                        check_near((double) vector[d], expected[d] / sqrt(squares));
                for (uint32_t d = 0; d < 7; d++) /* the first seven, of length 1 again */
                        check_near((double) few[d], expected[d] / sqrt(part));
        }
        memset(hidden, 0, sizeof(hidden));
        pool(POOLING_MEAN, hidden, NULL, WIDTH, vector);
        for (uint32_t d = 0; d < WIDTH; d++)
                assert_true(vector[d] == 0); /* and not undefined */
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_what_files_say), cmocka_unit_test(test_vectors) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
