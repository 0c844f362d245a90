/* test_siblings.c - several answers to one prompt: it is computed once, and each answer is what it would be alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/engine/scheduler/scheduler_fixture.h"

#define SEED    40u
#define GROUPS  3u /* prompts */
#define MEMBERS 8u /* answers to each */

/* Prompts that end within a block, with a block, and with their first tokens; the last must keep to a form. */
static const char *const prompts[GROUPS] = {
        "\"prompt\":\"" LONG "What is swap?\",\"max_tokens\":40,\"ignore_eos\":true,\"logprobs\":1",
        "\"messages\":[{\"role\":\"user\",\"content\":\"" LONG LONG "\"}],\"max_tokens\":70,\"ignore_eos\":true",
        "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":40,\"response_format\":{\"type\":\"json_schema\","
        "\"json_schema\":{\"schema\":{\"type\":\"array\",\"items\":{\"enum\":[1,22,333]},\"maxItems\":9}}}",
};

static char alone_text[GROUPS][MEMBERS][4096];
static struct output_stream_end alone_told[GROUPS][MEMBERS];

static void submit_member(struct fixture *f, uint64_t id, uint32_t prompt, uint32_t choice, uint64_t group) {
        char body[4096];
        (void) snprintf(body, sizeof(body), "{\"temperature\":1.2,\"seed\":%u,%s}", SEED, prompts[prompt]);
        f->group = group;
        f->choice = choice;
        assert_int_equal(submit(f, id, body), 0);
        f->group = f->choice = 0;
}

static int answer_members_alone(void **state) {
        (void) state;
        for (uint32_t i = 0; i < GROUPS * MEMBERS; i++) {
                struct fixture *f = open_fixture(1024, 1, 256);
                submit_member(f, 0, i / MEMBERS, i % MEMBERS, 0);
                run_dry(f);
                assert_int_equal(f->told[0].ends, 1);
                memcpy(alone_text[i / MEMBERS][i % MEMBERS], f->told[0].text, sizeof(f->told[0].text));
                alone_told[i / MEMBERS][i % MEMBERS] = f->told[0].end;
                close_fixture(f);
        }
        return answer_alone(state);
}

static void check_member(const struct told *t, uint32_t prompt, uint32_t choice) {
        assert_int_equal(t->ends, 1);
        assert_string_equal(t->text, alone_text[prompt][choice]);
        assert_int_equal(t->end.finish, alone_told[prompt][choice].finish);
        assert_int_equal(t->end.completion_tokens, alone_told[prompt][choice].completion_tokens);
        assert_int_equal(t->end.prompt_tokens, alone_told[prompt][choice].prompt_tokens);
}

/* All but its last token, whose numbers each answer begins with. */
static void test_a_prompt_is_computed_once(void **state) {
        (void) state;
        for (uint32_t prompt = 0; prompt < GROUPS; prompt++) {
                for (uint32_t chunk = 16; chunk <= 512; chunk *= 8) {
                        struct fixture *f = open_fixture(4096, MEMBERS, chunk);
                        for (uint32_t i = 0; i < MEMBERS; i++)
                                submit_member(f, i, prompt, i, 5);
                        run_dry(f);
                        uint32_t tokens = f->told[0].prompt_tokens;
                        struct scheduler_statistics s = scheduler_statistics(f->engine.scheduler);
                        assert_int_equal(s.tokens_prefilled, tokens + MEMBERS - 1);
                        assert_true(prompt == 2 || f->running_max == MEMBERS); /* some of that end with their first tokens */
                        assert_int_equal(f->told[0].cached_tokens, 0);
                        for (uint32_t i = 0; i < MEMBERS; i++) {
                                check_member(&f->told[i], prompt, i);
                                assert_true(i == 0 || f->told[i].cached_tokens == tokens - 1);
                        }
                        assert_string_not_equal(f->told[0].text, f->told[1].text);
                        close_fixture(f);
                }
        }
}

/* With fewer places than answers they take turns, and those that come later begin with the whole blocks that are known. */
static void test_fewer_places(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 256);
        for (uint32_t i = 0; i < MEMBERS; i++)
                submit_member(f, i, 1, i, 5);
        run_dry(f);
        for (uint32_t i = 0; i < MEMBERS; i++) {
                check_member(&f->told[i], 1, i);
                assert_true(i == 0 || f->told[i].cached_tokens >= (f->told[i].prompt_tokens - 1) / 64 * 64);
        }
        close_fixture(f);
}

/* Who stands behind those that wait for the prompt is admitted before them, and no loop runs hot where all of them wait. */
static void test_others_pass(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 4, 16);
        submit_member(f, 0, 1, 0, 5);
        submit_member(f, 1, 1, 1, 5);
        assert_int_equal(submit(f, 2, bodies[7]), 0);
        step(f);
        step(f);
        assert_int_equal(f->told[0].starts, 1);
        assert_int_equal(f->told[1].starts, 0);
        assert_int_equal(f->told[2].starts, 1);
        scheduler_pause(f->engine.scheduler, 0, true);
        for (int i = 0; i < 20; i++)
                step(f);
        assert_int_equal(f->told[2].ends, 1);
        assert_false(scheduler_has_work(f->engine.scheduler));
        scheduler_pause(f->engine.scheduler, 0, false);
        run_dry(f);
        check_member(&f->told[0], 1, 0);
        check_member(&f->told[1], 1, 1);
        close_fixture(f);
}

/* The one that computes the prompt leaves, or rests: the next computes it. */
static void test_the_first_leaves(void **state) {
        (void) state;
        for (int suspends = 0; suspends < 2; suspends++) {
                struct fixture *f = open_fixture(2048, 4, 16);
                for (uint32_t i = 0; i < 3; i++)
                        submit_member(f, i, 1, i, 5);
                step(f);
                step(f);
                if (suspends)
                        scheduler_suspend(f->engine.scheduler, 0, -1);
                else
                        scheduler_cancel(f->engine.scheduler, 0);
                run_dry(f);
                check_member(&f->told[1], 1, 1);
                check_member(&f->told[2], 1, 2);
                assert_int_equal(f->told[2].cached_tokens, f->told[2].prompt_tokens - 1);
                scheduler_restore(f->engine.scheduler, 0);
                run_dry(f);
                if (suspends)
                        check_member(&f->told[0], 1, 0);
                close_fixture(f);
        }
}

/* A pool that holds the prompt and little more: who finds no room waits or makes room, and no answer is cut or another. */
static void test_a_small_pool(void **state) {
        (void) state;
        for (uint32_t tokens = 448; tokens <= 1024; tokens += 64) {
                struct fixture *f = open_fixture(tokens, MEMBERS, 64);
                for (uint32_t i = 0; i < MEMBERS; i++)
                        submit_member(f, i, 1, i, 5);
                run_dry(f);
                for (uint32_t i = 0; i < MEMBERS; i++)
                        check_member(&f->told[i], 1, i);
                close_fixture(f);
        }
}

/* Groups among others in a pool that is too small for all, where everything happens at random. */
static void test_storm_of_groups(void **state) {
        (void) state;
        for (uint64_t seed = 0; seed < 4; seed++) {
                struct fixture *f = open_fixture(768 + 256 * (uint32_t) seed, 2 + (uint32_t) seed * 2, 8u << seed);
                struct scheduler *s = f->engine.scheduler;
                struct random rng = random_seeded(seed);
                bool cancelled[IDS_MAX] = { false };
                uint64_t next = 0;
                while (next < 12 * MEMBERS) {
                        uint64_t any = next ? random_u32(&rng) % next : 0;
                        switch (random_u32(&rng) % 24) {
                        case 0:
                                for (uint32_t i = 0; i < MEMBERS; i++, next++)
                                        submit_member(f, next, (uint32_t) (next / MEMBERS % GROUPS), i, 1 + next / MEMBERS);
                                break;
                        case 1:
                                cancelled[any] |= next && f->told[any].ends == 0;
                                scheduler_cancel(s, any);
                                break;
                        case 2: scheduler_suspend(s, any, -1); break;
                        case 3:
                        case 4: scheduler_restore(s, any); break;
                        default: step(f);
                        }
                }
                for (uint64_t id = 0; id < next; id++) /* who rests holds back none of its group for ever */
                        scheduler_restore(s, id);
                run_dry(f);
                for (uint64_t id = 0; id < next; id++) {
                        if (!cancelled[id])
                                check_member(&f->told[id], (uint32_t) (id / MEMBERS % GROUPS), (uint32_t) (id % MEMBERS));
                        else
                                assert_int_equal(f->told[id].ends, 0);
                }
                close_fixture(f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_prompt_is_computed_once),
                cmocka_unit_test(test_fewer_places),
                cmocka_unit_test(test_others_pass),
                cmocka_unit_test(test_the_first_leaves),
                cmocka_unit_test(test_a_small_pool),
                cmocka_unit_test(test_storm_of_groups),
        };
        return cmocka_run_group_tests(tests, answer_members_alone, NULL);
}
