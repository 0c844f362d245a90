/*
 * test_sampler.c - the sampler against a slow one that sorts everything, and the rules it promises.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/sampling/sampler.h"
#include "policy/base/random.h"

#define VOCAB 1000u
#define DRAWS 6000u

static float logits[VOCAB];
static struct sampler_scratch *scratch;

static int make_scratch(void **state) {
        (void) state;
        return sampler_scratch_new(VOCAB, &scratch);
}

static int free_scratch(void **state) {
        (void) state;
        sampler_scratch_free(scratch);
        return 0;
}

static void fill_logits(uint64_t seed, double spread) {
        struct random r = random_seeded(seed);
        for (uint32_t i = 0; i < VOCAB; i++)
                logits[i] = (float) (spread * (random_unit(&r) + random_unit(&r) + random_unit(&r) - 1.5));
}

static int32_t pick_once(const struct sampling *p) {
        struct sampler *s;
        assert_int_equal(sampler_new(p, VOCAB, &s), 0);
        int32_t id = sampler_pick(s, scratch, logits);
        sampler_free(s);
        return id;
}

/* --- the slow way: every probability, fully sorted --- */

static double slow_logit[VOCAB], slow_p[VOCAB];
static uint32_t slow_order[VOCAB];

static int by_logit(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
        if (slow_logit[x] != slow_logit[y])
                return slow_logit[x] < slow_logit[y] ? 1 : -1;
        return x < y ? -1 : 1;
}

static void slow_probabilities(const struct sampling *p) {
        for (uint32_t i = 0; i < VOCAB; i++) {
                slow_logit[i] = (double) logits[i] / p->temperature;
                slow_order[i] = i;
                slow_p[i] = 0;
        }
        qsort(slow_order, VOCAB, sizeof(slow_order[0]), by_logit);
        uint32_t k = p->top_k && p->top_k < VOCAB ? p->top_k : VOCAB;
        double greatest = slow_logit[slow_order[0]], all = 0, sum = 0, kept = 0;
        for (uint32_t i = 0; i < k; i++)
                all += exp(slow_logit[slow_order[i]] - greatest);
        uint32_t count = 0;
        while (count < k && (p->top_p >= 1 || count == 0 || sum < (double) p->top_p * all))
                sum += exp(slow_logit[slow_order[count++]] - greatest);
        for (uint32_t i = 0; i < count; i++) {
                double w = exp(slow_logit[slow_order[i]] - greatest);
                if (w >= (double) p->min_p)
                        kept += slow_p[slow_order[i]] = w;
        }
        for (uint32_t i = 0; i < VOCAB; i++)
                slow_p[i] /= kept;
}

static void test_draws_follow_the_slow_distribution(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *what;
                float temperature;
                uint32_t top_k;
                float top_p, min_p;
                double spread;
        } rows[] = {
                { "nothing cut",                     1.0f, 0,    1.0f,  0.0f,  8 },
                { "hot",                             2.0f, 0,    1.0f,  0.0f,  8 },
                { "top-k",                           1.0f, 5,    1.0f,  0.0f,  8 },
                { "top-k of everything",             1.0f, 1000, 1.0f,  0.0f,  8 },
                { "top-k beyond everything",         1.0f, 9999, 0.5f,  0.0f,  8 },
                { "top-p alone",                     0.7f, 0,    0.9f,  0.0f,  8 },
                { "top-p of a flat distribution",    1.0f, 0,    0.99f, 0.0f,  0.01 },
                { "top-p 0 leaves one",              1.0f, 0,    0.0f,  0.0f,  8 },
                { "min-p alone",                     1.0f, 0,    1.0f,  0.2f,  8 },
                { "min-p 1 leaves the likeliest",    1.0f, 0,    1.0f,  1.0f,  8 },
                { "all together: top-k is shortest", 1.5f, 3,    0.99f, 0.01f, 8 },
                { "all together: top-p is shortest", 0.8f, 40,   0.5f,  0.01f, 8 },
                { "all together: min-p is shortest", 0.8f, 40,   0.95f, 0.3f,  8 },
        };
        /* clang-format on */
        for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
                fill_logits(row, rows[row].spread);
                struct sampling p = sampling_default();
                p.temperature = rows[row].temperature;
                p.top_k = rows[row].top_k;
                p.top_p = rows[row].top_p;
                p.min_p = rows[row].min_p;
                p.seed = row;
                slow_probabilities(&p);
                struct sampler *s;
                assert_int_equal(sampler_new(&p, VOCAB, &s), 0);
                static uint32_t counts[VOCAB];
                memset(counts, 0, sizeof(counts));
                for (uint32_t i = 0; i < DRAWS; i++)
                        counts[sampler_pick(s, scratch, logits)]++;
                sampler_free(s);
                for (uint32_t i = 0; i < VOCAB; i++) {
                        double expected = slow_p[i] * DRAWS, deviation = sqrt(expected) + 1;
                        if ((slow_p[i] == 0 && counts[i]) || fabs(counts[i] - expected) > 5.5 * deviation)
                                fail_msg("%s: token %u drawn %u times, expected %.1f", rows[row].what, i, counts[i], expected);
                }
        }
}

static void test_greedy_is_the_first_of_the_greatest(void **state) {
        (void) state;
        fill_logits(1, 4);
        logits[700] = logits[300] = 50;
        struct sampling p = sampling_default();
        p.temperature = 0;
        assert_int_equal(pick_once(&p), 300);
        p.repeat_penalty = 1.1f; /* the copying way gives the same */
        assert_int_equal(pick_once(&p), 300);
}

static void test_not_a_number_is_never_chosen(void **state) {
        (void) state;
        for (float temperature = 0; temperature < 3; temperature += 1.5f) {
                for (uint32_t top_k = 0; top_k < 100; top_k += 40) {
                        struct sampling p = sampling_default();
                        p.temperature = temperature;
                        p.top_k = top_k;
                        for (uint32_t i = 0; i < VOCAB; i++)
                                logits[i] = i == 77 ? 1.0f : i % 2 ? NAN : -INFINITY;
                        assert_int_equal(pick_once(&p), 77);
                        logits[77] = NAN;
                        int32_t any = pick_once(&p);
                        assert_true(any >= 0 && (uint32_t) any < VOCAB);
                        logits[77] = INFINITY;
                        assert_int_equal(pick_once(&p), 77);
                }
        }
}

static void test_seed_decides(void **state) {
        (void) state;
        fill_logits(3, 1);
        struct sampling p = sampling_default();
        uint32_t same = 0;
        for (uint64_t seed = 0; seed < 200; seed++) {
                p.seed = seed;
                int32_t id = pick_once(&p);
                assert_int_equal(id, pick_once(&p));
                p.seed = seed + 1;
                same += id == pick_once(&p);
        }
        assert_true(same < 50);
}

static void test_biases(void **state) {
        (void) state;
        fill_logits(4, 1);
        logits[10] = 20;
        struct token_bias biases[] = { { 10, -INFINITY }, { 11, 60 }, { 12, 30 }, { 12, 50 } };
        struct sampling p = sampling_default();
        p.biases = biases;
        p.biases_count = 4;
        for (int t = 0; t < 2; t++) {
                p.temperature = t ? 0.5f : 0;
                p.biases_count = 4;
                assert_int_equal(pick_once(&p), 12);
                p.biases_count = 2;
                assert_int_equal(pick_once(&p), 11);
                p.biases_count = 1;
                assert_int_not_equal(pick_once(&p), 10);
        }
}

/* Greedy with two tokens far above the rest: which of them wins tells what the penalty did. */
static int32_t pick_after(const struct sampling *p, float first, float second, const char *history) {
        memset(logits, 0, sizeof(logits));
        for (uint32_t i = 0; i < VOCAB; i++)
                logits[i] = -100;
        logits[0] = first;
        logits[1] = second;
        struct sampler *s;
        assert_int_equal(sampler_new(p, VOCAB, &s), 0);
        /* a, b: that token in the answer; A, B: in the prompt; -: another token in the answer. */
        for (const char *h = history; *h; h++)
                sampler_note(s, strchr("aA", *h) ? 0 : strchr("bB", *h) ? 1 : 2, strchr("ab-", *h) != NULL);
        int32_t id = sampler_pick(s, scratch, logits);
        sampler_free(s);
        return id;
}

static void test_penalties(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *what;
                float repeat, presence, frequency;
                uint32_t last_n;
                float a, b;
                const char *history;
                int32_t expect;
        } rows[] = {
                { "none",                                     1,    0,  0,  64, 5,  4,  "aaaa", 0 },
                { "repetition divides a positive logit",      2,    0,  0,  64, 5,  4,  "a",    1 },
                { "repetition multiplies a negative logit",   2,    0,  0,  64, -3, -4, "a",    1 },
                { "repetition counts once",                   1.2f, 0,  0,  64, 5,  4,  "aaaaaa", 0 },
                { "repetition sees the prompt",               2,    0,  0,  64, 5,  4,  "A",    1 },
                { "repetition forgets outside the window",    2,    0,  0,  2,  5,  4,  "a--",  0 },
                { "repetition remembers inside the window",   2,    0,  0,  2,  5,  4,  "aa-",  1 },
                { "a window of nothing",                      2,    0,  0,  0,  5,  4,  "a",    0 },
                { "under 1 repetition is sought",             0.5f, 0,  0,  64, 5,  4,  "b",    1 },
                { "presence",                                 1,    2,  0,  64, 5,  4,  "a",    1 },
                { "presence counts once",                     1,    .9f, 0, 64, 5,  4,  "aaa",  0 },
                { "presence does not see the prompt",         1,    2,  0,  64, 5,  4,  "A",    0 },
                { "frequency counts each",                    1,    0, .4f, 64, 5,  4,  "aaa",  1 },
                { "frequency: twice is not enough",           1,    0, .4f, 64, 5,  4,  "aa",   0 },
                { "negative frequency seeks",                 1,    0, -1,  64, 5,  4,  "bb",   1 },
                { "frequency sees beyond the window",         1,    0, .4f, 2,  5,  4,  "aaa---", 1 },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct sampling p = sampling_default();
                p.temperature = 0;
                p.repeat_penalty = rows[i].repeat;
                p.presence_penalty = rows[i].presence;
                p.frequency_penalty = rows[i].frequency;
                p.repeat_last_n = rows[i].last_n;
                if (pick_after(&p, rows[i].a, rows[i].b, rows[i].history) != rows[i].expect)
                        fail_msg("%s", rows[i].what);
        }
}

/* A pick that is not allowed, then one among those that are: as often as their own softmax says. */
static void test_among_allowed(void **state) {
        (void) state;
        uint32_t allowed[(VOCAB + 31) / 32] = { 0 };
        static uint32_t counts[VOCAB];
        struct sampling p = sampling_default();
        p.temperature = 1;
        p.top_k = 0;
        p.top_p = 1;
        p.min_p = 0;
        fill_logits(11, 2.0);
        double sum = 0;
        for (uint32_t id = 0; id < VOCAB; id++) {
                counts[id] = 0;
                if (id % 7 != 3)
                        continue;
                allowed[id / 32] |= 1u << (id % 32);
                sum += exp((double) logits[id]);
        }
        struct sampler *s;
        assert_int_equal(sampler_new(&p, VOCAB, &s), 0);
        const uint32_t draws = 60000;
        for (uint32_t i = 0; i < draws; i++) {
                int32_t id = sampler_pick(s, scratch, logits);
                if (id % 7 != 3)
                        id = sampler_pick_among(s, scratch, logits, allowed);
                assert_true(id >= 0 && id % 7 == 3);
                counts[id]++;
        }
        for (uint32_t id = 3; id < VOCAB; id += 7) {
                double expected = draws * exp((double) logits[id]) / sum;
                assert_true(fabs(counts[id] - expected) < 6 * sqrt(expected) + 6);
        }
        sampler_free(s);
}

/* Greedy: the first of the greatest of them. Bans count; where nothing is left, nothing is picked. */
static void test_among_few(void **state) {
        (void) state;
        uint32_t allowed[(VOCAB + 31) / 32] = { 0 };
        struct token_bias bans[] = { { 5, -INFINITY }, { 40, -INFINITY } };
        struct sampling p = sampling_default();
        fill_logits(12, 2.0);
        logits[5] = 50;
        allowed[5 / 32] |= 1u << 5;
        for (unsigned greedy = 0; greedy < 2; greedy++) {
                for (uint32_t count = 0; count <= 2; count++) {
                        allowed[40 / 32] |= 1u << (40 % 32);
                        p.temperature = greedy ? 0 : 1;
                        p.biases = bans;
                        p.biases_count = count;
                        struct sampler *s;
                        assert_int_equal(sampler_new(&p, VOCAB, &s), 0);
                        for (unsigned i = 0; i < 50; i++)
                                assert_int_equal(sampler_pick_among(s, scratch, logits, allowed), count == 0   ? 5
                                                                                                  : count == 1 ? 40
                                                                                                               : -1);
                        sampler_free(s);
                }
        }
}

static void test_logprobs(void **state) {
        (void) state;
        for (uint64_t seed = 0; seed < 50; seed++) {
                fill_logits(seed, 6);
                logits[5] = logits[6];
                struct sampling p = sampling_default();
                p.temperature = 1;
                p.top_k = 0;
                p.top_p = 1;
                p.min_p = 0;
                slow_probabilities(&p);
                struct logprob top[LOGPROBS_TOP_MAX];
                float chosen = sampler_logprobs(logits, VOCAB, 123, top, LOGPROBS_TOP_MAX);
                assert_true(fabs(chosen - log(slow_p[123])) < 1e-5);
                for (uint32_t i = 0; i < LOGPROBS_TOP_MAX; i++) {
                        assert_int_equal(top[i].id, slow_order[i]);
                        assert_true(fabs(top[i].value - log(slow_p[slow_order[i]])) < 1e-5);
                }
                assert_true(sampler_logprobs(logits, VOCAB, 123, NULL, 0) == chosen);
        }
}

static void what_is_no_number_is_seen(void **state) {
        float some[37];
        (void) state;
        for (uint32_t i = 0; i < 37; i++)
                some[i] = i % 2 ? 3e38f : -1e-40f;
        assert_true(sampler_logits_are_numbers(some, 37));
        const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
        for (uint32_t k = 0; k < 4 * 37; k++) {
                float before = some[k % 37];
                some[k % 37] = bad[k / 37];
                assert_false(sampler_logits_are_numbers(some, 37));
                some[k % 37] = before;
        }
}

/* The picks of a seed, as they were before there were other samplers (chain.h): who asks for none of those gets the same text. */
static void test_picks_stay_what_they_were(void **state) {
        (void) state;
        static const struct {
                uint32_t top_k;
                float top_p, min_p, repeat, presence;
                uint32_t digest; /* FNV-1a of 300 picks */
        } rows[] = {
                { 40, 0.95f, 0.05f, 1, 0, 4222062382u },
                { 40, 0.95f, 0.05f, 1.1f, 0.5f, 1832753922u },
                { 0, 0.9f, 0.05f, 1, 0, 3519689250u },
                { 0, 1, 0.1f, 1, 0, 1648919406u },
        };
        struct random r = random_seeded(7);
        for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
                struct sampling p = sampling_default();
                p.seed = 11;
                p.top_k = rows[row].top_k;
                p.top_p = rows[row].top_p;
                p.min_p = rows[row].min_p;
                p.repeat_penalty = rows[row].repeat;
                p.presence_penalty = rows[row].presence;
                struct sampler *s;
                assert_int_equal(sampler_new(&p, VOCAB, &s), 0);
                uint32_t digest = 2166136261u;
                for (unsigned i = 0; i < 300; i++) {
                        for (uint32_t k = 0; k < VOCAB; k++)
                                logits[k] = (float) (8 * (random_unit(&r) + random_unit(&r) - 1));
                        int32_t id = sampler_pick(s, scratch, logits);
                        sampler_note(s, id, true);
                        digest = (digest ^ (uint32_t) id) * 16777619u;
                }
                assert_int_equal(digest, rows[row].digest);
                sampler_free(s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_no_number_is_seen),
                cmocka_unit_test(test_draws_follow_the_slow_distribution),
                cmocka_unit_test(test_greedy_is_the_first_of_the_greatest),
                cmocka_unit_test(test_not_a_number_is_never_chosen),
                cmocka_unit_test(test_seed_decides),
                cmocka_unit_test(test_picks_stay_what_they_were),
                cmocka_unit_test(test_biases),
                cmocka_unit_test(test_penalties),
                cmocka_unit_test(test_among_allowed),
                cmocka_unit_test(test_among_few),
                cmocka_unit_test(test_logprobs),
        };
        return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
