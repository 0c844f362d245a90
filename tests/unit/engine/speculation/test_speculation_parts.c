/* test_speculation_parts.c - what a text says it will say next, and how much of that is worth a look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/speculation/guesses.h"
#include "policy/base/random.h"

/* ---- look-up ---- */

#define MOST SPECULATION_TOKENS_MAX

static void test_what_followed_the_last_time(void **state) {
        (void) state;
        static const struct {
                const char *text; /* a letter, a token */
                const char *guess;
                uint32_t match;
        } rows[] = {
                { "", "", 0 },
                { "abc", "", 0 },
                { "abcd", "", 0 },
                { "abcdefghijkl", "", 0 },
                { "abXabc", "", 0 },
                { "abcdefgh--abc", "defgh--", 3 },
                { "12345abcdefgh..45abc", "defgh..", 5 },
                { "abcdabcx..abc", "x..abcx", 3 }, /* the last time, not the first; round in a circle */
                { "aaaa", "aaaaaaa", 3 },
                { "ababab", "abababa", 4 },
                { "abcdefghijklmnopqrstuvw-abcdefghijklmnopqrst", "uvw-abc", NGRAM_MATCH_MAX },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ngram_index x;
                assert_int_equal(ngram_index_init(&x, 100), 0);
                int32_t ids[64], out[MOST];
                uint32_t count = (uint32_t) strlen(rows[i].text), found = 0, match = 0;
                for (uint32_t at = 0; at < count; at++) {
                        ids[at] = rows[i].text[at];
                        found = ngram_guess(&x, ids, at + 1, MOST, out, &match); /* it grows by one at a time */
                }
                assert_int_equal(found, strlen(rows[i].guess));
                for (uint32_t at = 0; at < found; at++)
                        assert_int_equal(out[at], rows[i].guess[at]);
                if (found)
                        assert_int_equal(match, rows[i].match);
                ngram_index_done(&x);
        }
}

/* In a text far longer than the index, what is guessed stands in the text, behind the very tokens that it ends with. */
static void test_a_text_that_outgrows_the_index(void **state) {
        (void) state;
        enum { LENGTH = 3 * NGRAM_PLACES_MAX };
        int32_t *ids = malloc(LENGTH * sizeof(*ids)), out[MOST];
        struct random r = random_seeded(1);
        struct ngram_index x;
        assert_int_equal(ngram_index_init(&x, UINT32_MAX), 0);
        assert_int_equal(x.mask + 1, NGRAM_PLACES_MAX);
        uint32_t guesses = 0;
        for (uint32_t count = 1; count <= LENGTH; count++) {
                ids[count - 1] = (int32_t) (random_u32(&r) % 40); /* some 64,000 runs of three */
                uint32_t match, n = ngram_guess(&x, ids, count, 1, out, &match);
                if (!n)
                        continue;
                guesses++;
                bool stands = false;
                for (uint32_t at = NGRAM_TOKENS; at < count && !stands && count % 97 == 0; at++)
                        stands = !memcmp(ids + at - NGRAM_TOKENS, ids + count - NGRAM_TOKENS, NGRAM_TOKENS * sizeof(*ids)) &&
                                 ids[at] == out[0];
                assert_true(stands || count % 97);
        }
        assert_true(guesses > LENGTH / 20);
        ngram_index_done(&x);
        free(ids);
}

static void test_meeting(void **state) {
        (void) state;
        static const int32_t ids[] = { 1, 2, 3, 4, 5, 6, 1, 2, 3 };
        struct guesses *g = guesses_new(100);
        assert_int_equal(guesses_make(g, ids, 9, 3), 3);
        assert_int_equal(g->tokens[0], 3); /* the newest, then what follows */
        assert_true(guesses_meet(g, 4));
        assert_false(guesses_meet(g, 6));
        assert_true(guesses_meet(g, 5));
        struct worth_belief before = g->belief;
        guesses_settle(g);
        assert_true(g->belief.right[WORTH_WEAK] > before.right[WORTH_WEAK] + 1);
        assert_true(g->belief.asked[WORTH_WEAK] > before.asked[WORTH_WEAK] + 2);
        assert_true(g->belief.asked[WORTH_FAIR] == before.asked[WORTH_FAIR]);
        for (int32_t token = 0; token < 8; token++)
                assert_false(guesses_meet(g, token)); /* there are none any more */
        assert_int_equal(guesses_make(g, ids, 9, 1), 1);
        assert_true(guesses_meet(g, 4));
        assert_false(guesses_meet(g, 5)); /* that was all */
        guesses_free(g);
}

/* ---- worth ---- */

/* A machine whose pass takes BASE_US and, for each column beyond FREE, EACH_US. */
struct machine {
        double base_us, each_us;
        uint32_t free;
};

static double pass_us(const struct machine *m, uint32_t columns) {
        return m->base_us + m->each_us * (columns > m->free ? columns - m->free : 0);
}

/*
 * How much longer than this machine speculating takes for 4000 tokens of one text beside OTHERS, where each guess is right with
 * probability RIGHT and MATCH tokens speak for it.
 */
static double slowdown(const struct machine *m, double right, uint32_t match, uint32_t others) {
        struct worth_costs costs = { 0 };
        struct worth_belief belief = worth_belief_first();
        enum worth_support support = worth_support_of(match);
        struct random r = random_seeded(3);
        double us = 0, plain_us = 0;
        for (uint32_t made = 0; made < 4000;) {
                struct worth_pass pass = { 1 + others, 0, 1 + others };
                uint32_t n = worth_guesses(&costs, &belief, support, MOST, &pass), good = 0;
                assert_int_equal(pass.guesses, n);
                while (good < n && random_unit(&r) < right)
                        good++;
                if (n)
                        worth_learn(&belief, support, n, good);
                double took = pass_us(m, 1 + others + n) * (0.9 + 0.2 * random_unit(&r));
                worth_note_pass(&costs, 1 + others, n, (uint64_t) took);
                us += took;
                made += 1 + good;
                /* In that time all would have made: */
                plain_us += pass_us(m, 1 + others) * (1 + others + good) / (1 + others);
        }
        return us / plain_us;
}

static void test_what_pays_is_done_and_what_does_not_is_not(void **state) {
        (void) state;
        static const struct machine memory_bound = { 40000, 6000, 3 }, compute_bound = { 40000, 40000, 1 },
                                    free = { 40000, 1, 1 };
        static const struct {
                const struct machine *machine;
                double right;
                uint32_t match, others;
                double least, most; /* of the time that it takes without */
        } rows[] = {
                { &memory_bound, 0.95, 16, 0, 0.15, 0.45 },   { &memory_bound, 0.8, 3, 0, 0.2, 0.6 },
                { &memory_bound, 0.0, 3, 0, 0.99, 1.01 },     { &memory_bound, 0.0, 16, 0, 0.99, 1.01 },
                { &memory_bound, 0.05, 8, 0, 0.9, 1.01 },     { &free, 0.5, 3, 0, 0.45, 0.8 },
                { &compute_bound, 0.9, 16, 0, 0.98, 1.015 }, /* a column costs what a pass costs */
                { &compute_bound, 0.9, 16, 15, 0.98, 1.015 }, { &compute_bound, 0.0, 3, 15, 0.98, 1.015 },
                { &memory_bound, 0.0, 3, 3, 0.99, 1.01 },     { &memory_bound, 0.9, 16, 3, 0.3, 0.985 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                double part = slowdown(rows[i].machine, rows[i].right, rows[i].match, rows[i].others);
                if (part < rows[i].least || part > rows[i].most)
                        fail_msg("row %zu: %.3f", i, part);
        }
}

static void test_costs(void **state) {
        (void) state;
        struct worth_costs c = { 0 };
        struct worth_belief b = worth_belief_first();
        struct worth_pass pass = { 1, 0, 1 };
        assert_true(worth_cost(&c, 1, 0) == 0);
        assert_int_equal(worth_guesses(&c, &b, WORTH_STRONG, MOST, &pass), 0); /* nothing is known yet */
        worth_note_pass(&c, 1, 0, 1000);
        assert_true(worth_cost(&c, 1, 0) == 1000);
        assert_true(worth_cost(&c, 1, 2) > 1000 && worth_cost(&c, 1, 2) < 2000);
        for (unsigned i = 0; i < 100; i++)
                worth_note_pass(&c, 1, i % 2 ? 3 : 7, i % 2 ? 1600 : 2000); /* 300 for any, 100 for each */
        assert_true(worth_cost(&c, 1, 3) > 1520 && worth_cost(&c, 1, 3) < 1680);
        assert_true(worth_cost(&c, 1, 7) > 1900 && worth_cost(&c, 1, 7) < 2100);
        assert_true(worth_cost(&c, 1, 1) > 1200 && worth_cost(&c, 1, 5) < 1900);
        worth_note_pass(&c, 1, 3, 1000000); /* once disturbed */
        assert_true(worth_cost(&c, 1, 3) < 2000);
        worth_note_pass(&c, 1, 0, 1000000);
        assert_true(worth_cost(&c, 1, 0) < 1130);
        assert_true(worth_cost(&c, 3, 0) == 0);
        worth_note_pass(&c, 3, 0, 1500);
        assert_true(worth_cost(&c, 3, 7) / 1500 > 0.99 * worth_cost(&c, 1, 7) / worth_cost(&c, 1, 0)); /* as beside one */
        worth_note_pass(&c, WIRE_PARALLEL_MAX, 0, 9000);
        assert_true(worth_cost(&c, WIRE_PARALLEL_MAX, 0) == 9000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_followed_the_last_time),
                cmocka_unit_test(test_a_text_that_outgrows_the_index),
                cmocka_unit_test(test_meeting),
                cmocka_unit_test(test_what_pays_is_done_and_what_does_not_is_not),
                cmocka_unit_test(test_costs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
