/*
 * test_speculation.c - guesses at tokens change nothing of any answer, whatever becomes of them: with a real small model, whose
 * answers are compared with those of an engine that makes no guesses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/scheduler/scheduler_fixture.h"

/* Texts that repeat themselves, so that there is something to guess; of every kind that has a say in the next token. */
#define AGAIN LONG LONG
static const char *const repeating[] = {
        "{\"prompt\":\"" AGAIN "The memory budget\",\"temperature\":0,\"max_tokens\":150,\"ignore_eos\":true}",
        "{\"prompt\":\"" AGAIN
        "The memory budget\",\"temperature\":0.6,\"seed\":2,\"max_tokens\":150,\"ignore_eos\":true,\"logprobs\":3}",
        "{\"prompt\":\"" AGAIN
        "The daemon\",\"temperature\":1,\"seed\":3,\"top_k\":0,\"min_p\":0,\"max_tokens\":100,\"ignore_eos\":true}",
        "{\"prompt\":\"" AGAIN
        "A busy\",\"temperature\":0.8,\"seed\":4,\"max_tokens\":100,\"ignore_eos\":true,\"presence_penalty\":0.3,"
        "\"frequency_penalty\":0.1,\"repeat_penalty\":1.05}",
        "{\"prompt\":\"" AGAIN
        "The KV cache\",\"temperature\":0.9,\"seed\":5,\"max_tokens\":100,\"ignore_eos\":true,\"mirostat\":2}",
        "{\"prompt\":\"" AGAIN "The daemon loads\",\"temperature\":0.7,\"seed\":6,\"max_tokens\":100,\"ignore_eos\":true,"
        "\"dry_multiplier\":0.5,\"dynatemp_range\":0.3,\"xtc_probability\":0.3}",
        "{\"prompt\":\"" AGAIN
        "The memory\",\"temperature\":0,\"max_tokens\":150,\"ignore_eos\":true,\"stop\":[\"another needs room\"]}",
        "{\"prompt\":\"Numbers: 11, 11, 11, 11, 11, 11, \",\"temperature\":0.8,\"seed\":9,\"max_tokens\":100,"
        "\"grammar\":\"root ::= [0-9]{2} (\\\", \\\" [0-9]{2}){20,40} \\\".\\\"\",\"logprobs\":2}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"What is swap?\"}],\"temperature\":0.5,\"seed\":4,\"max_tokens\":200,"
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"array\",\"minItems\":5,\"maxItems\":9,"
        "\"items\":{\"type\":\"object\",\"properties\":{\"answer\":{\"enum\":[\"memory\",\"swap\"]},\"sure\":{\"type\":\"boolean\"}},"
        "\"required\":[\"answer\",\"sure\"]}}}}}",
        "{\"prompt\":\"" AGAIN "Once\",\"temperature\":0,\"max_tokens\":7,\"ignore_eos\":true,\"echo\":true,\"logprobs\":1}",
        "{\"prompt\":\"" AGAIN AGAIN "\",\"temperature\":0,\"max_tokens\":300}",
};
#define REPEATING (sizeof(repeating) / sizeof(repeating[0]))
#define OBJECTS   8u /* the one whose form repeats itself again and again */

static struct told plain[REPEATING];

static int answer_plainly(void **state) {
        (void) state;
        for (uint32_t i = 0; i < REPEATING; i++) {
                struct fixture *f = open_fixture_speculating(4096, 1, SPECULATE_OFF);
                assert_int_equal(submit(f, i, repeating[i]), 0);
                run_dry(f);
                assert_int_equal(f->told[i].ends, 1);
                assert_int_equal(scheduler_statistics(f->engine.scheduler).tokens_proposed, 0);
                plain[i] = f->told[i];
                close_fixture(f);
        }
        return answer_alone(state);
}

static void check_as_plain(const struct told *t, uint32_t body) {
        const struct told *p = &plain[body];
        assert_int_equal(t->ends, 1);
        assert_string_equal(t->text, p->text);
        assert_int_equal(t->end.finish, p->end.finish);
        assert_int_equal(t->end.completion_tokens, p->end.completion_tokens);
        assert_int_equal(t->tokens, p->tokens);
        assert_int_equal(t->logprobs, p->logprobs);
        assert_true(t->end.score == p->end.score);
}

/* Nothing that was computed for a guess is left over. */
static void check_pool(struct fixture *f) {
        scheduler_trim(f->engine.scheduler);
        struct kv_usage usage;
        kv_cache_usage(f->engine.cache, &usage);
        assert_int_equal(usage.blocks_used, 0);
}

static void test_each_alone(void **state) {
        (void) state;
        uint64_t proposed = 0, accepted = 0;
        for (uint32_t i = 0; i < REPEATING; i++) {
                struct fixture *f = open_fixture_speculating(4096, 1, SPECULATE_LOOKUP);
                assert_int_equal(submit(f, i, repeating[i]), 0);
                uint32_t steps = 0;
                for (; scheduler_has_work(f->engine.scheduler); steps++)
                        step(f);
                check_as_plain(&f->told[i], i);
                struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
                assert_int_equal(s.tokens_decoded, f->told[i].end.completion_tokens);
                assert_true(s.tokens_accepted <= s.tokens_proposed);
                if (i == OBJECTS)
                        assert_true(s.tokens_accepted > 100 && steps < 100);
                proposed += s.tokens_proposed;
                accepted += s.tokens_accepted;
                check_pool(f);
                close_fixture(f);
        }
        assert_true(accepted > 120 && accepted < proposed); /* right ones and wrong ones */
}

/*
 * A guess is met where the sampler picks the same by itself, with the draw that it would have made: so not only are tokens as likely as without, but
 * with each seed they are the same.
 */
static void test_any_seed(void **state) {
        (void) state;
        char body[600];
        for (unsigned seed = 0; seed < 12; seed++) {
                (void) snprintf(body, sizeof(body),
                                "{\"prompt\":\"One or two: \",\"temperature\":%u,\"seed\":%u,\"top_k\":0,\"max_tokens\":120,"
                                "\"grammar\":\"root ::= (\\\"one, \\\" | \\\"two, \\\"){40,60}\"}",
                                1 + seed % 2, seed);
                struct fixture *f[2];
                for (unsigned i = 0; i < 2; i++) {
                        f[i] = open_fixture_speculating(512, 1, i ? SPECULATE_LOOKUP : SPECULATE_OFF);
                        assert_int_equal(submit(f[i], 0, body), 0);
                        run_dry(f[i]);
                }
                struct scheduler_statistics s = scheduler_statistics(f[1]->engine.scheduler);
                assert_true(s.tokens_accepted > 20 && s.tokens_accepted < s.tokens_proposed);
                assert_string_equal(f[1]->told[0].text, f[0]->told[0].text);
                close_fixture(f[0]);
                close_fixture(f[1]);
        }
}

static void test_all_together(void **state) {
        (void) state;
        for (enum speculate how = SPECULATE_AUTO; how < SPECULATE_COUNT; how++) {
                struct fixture *f = open_fixture_speculating(16384, REPEATING, how);
                for (uint32_t i = 0; i < REPEATING; i++)
                        assert_int_equal(submit(f, i, repeating[i]), 0);
                run_dry(f);
                for (uint32_t i = 0; i < REPEATING; i++)
                        check_as_plain(&f->told[i], i);
                check_pool(f);
                close_fixture(f);
        }
}

/* A pool too small for all: guesses take what is free alone, and who makes room is computed again. */
static void test_in_a_small_pool(void **state) {
        (void) state;
        struct fixture *f = open_fixture_speculating(640, 4, SPECULATE_LOOKUP);
        for (uint32_t i = 0; i < REPEATING - 1; i++)
                assert_int_equal(submit(f, i, repeating[i]), 0);
        for (unsigned steps = 0; scheduler_has_work(f->engine.scheduler); steps++) {
                assert_true(steps < 100000);
                if (steps % 50 == 20) /* smaller for a while, and as it was */
                        scheduler_set_pool(f->engine.scheduler, 512, true);
                if (steps % 50 == 40)
                        scheduler_set_pool(f->engine.scheduler, 640, true);
                step(f);
        }
        for (uint32_t i = 0; i < REPEATING - 1; i++)
                check_as_plain(&f->told[i], i);
        assert_true(scheduler_statistics(f->engine.scheduler).tokens_accepted > 100);
        assert_true(scheduler_statistics(f->engine.scheduler).made_room > 0);
        check_pool(f);
        close_fixture(f);
}

/* What is remembered of an answer holds nothing that was only guessed. */
static void test_the_prefix_that_is_kept(void **state) {
        (void) state;
        struct fixture *f = open_fixture_speculating(4096, 1, SPECULATE_LOOKUP);
        for (uint64_t id = 0; id < 2; id++) {
                assert_int_equal(submit(f, id, repeating[0]), 0);
                run_dry(f);
                check_as_plain(&f->told[id], 0);
        }
        assert_true(f->told[1].cached_tokens >= 64);
        close_fixture(f);
}

/* Beside a prompt, and while the engine is paced, nothing is guessed. */
static void test_when_nothing_is_guessed(void **state) {
        (void) state;
        struct fixture *f = open_fixture_speculating(4096, 2, SPECULATE_AUTO);
        scheduler_set_step_us(f->engine.scheduler, 1000);
        assert_int_equal(submit(f, 0, repeating[0]), 0);
        run_dry(f);
        check_as_plain(&f->told[0], 0);
        assert_int_equal(scheduler_statistics(f->engine.scheduler).tokens_proposed, 0);
        close_fixture(f);
}

/* Requests come, go, are suspended and cancelled at any time. */
static void test_storm(void **state) {
        (void) state;
        for (uint64_t seed = 1; seed <= 3; seed++) {
                struct storm s = { .f = open_fixture_speculating(1024, 4, SPECULATE_LOOKUP), .rng = random_seeded(seed) };
                while (s.next < 60) {
                        uint32_t dice = random_u32(&s.rng) % 16;
                        uint64_t id = s.next ? random_u32(&s.rng) % s.next : 0;
                        if (dice < 3)
                                storm_submit(&s);
                        else if (dice == 3 && s.next)
                                storm_cancel(&s, id);
                        else if (dice == 4 && s.next)
                                scheduler_suspend(s.f->engine.scheduler, id, -1);
                        else if (dice == 5 && s.next && !s.f->told[id].ends && !s.cancelled[id])
                                scheduler_restore(s.f->engine.scheduler, id);
                        else
                                step(s.f);
                }
                for (uint64_t id = 0; id < s.next; id++)
                        if (!s.f->told[id].ends && !s.cancelled[id])
                                scheduler_restore(s.f->engine.scheduler, id);
                storm_end(&s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_alone),
                cmocka_unit_test(test_any_seed),
                cmocka_unit_test(test_all_together),
                cmocka_unit_test(test_in_a_small_pool),
                cmocka_unit_test(test_the_prefix_that_is_kept),
                cmocka_unit_test(test_when_nothing_is_guessed),
                cmocka_unit_test(test_storm),
        };
        return cmocka_run_group_tests(tests, answer_plainly, NULL);
}
