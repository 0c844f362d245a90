/* test_prefill_pace.c - prompts beside answers, on machines of every speed, against a clock that counts what is computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/engine/scheduler/scheduler_fixture.h"
#include "engine/base/bounds.h"
#include "engine/scheduler/internal.h"

/* A step reads all weights, works for each token, and for each reads the KV of those before it. */
struct machine {
        const char *name;
        double weights_us, token_us, stored_us;
};

static const struct machine machines[] = {
        { "a server", 2000, 50, 0.01 },
        { "a laptop", 40000, 3000, 0.5 },
        { "a small board", 900000, 20000, 2 },
        { "no weights to speak of", 10, 5, 0.2 },
        { "slower than the bound for one token", 3000000, 400000, 10 },
};
#define MACHINES (sizeof(machines) / sizeof(machines[0]))

static double cost_us(const struct machine *m, uint32_t tokens, double depth) {
        return tokens * (m->token_us + m->stored_us * depth);
}

/* Of ANSWERS, each of which has read so many tokens. */
static double answers_us(const struct machine *m, uint32_t answers) {
        return m->weights_us + cost_us(m, answers, 500);
}

static double run_prompt(struct prefill_pace *p, const struct machine *m, uint32_t answers, uint32_t from, uint32_t to) {
        double all_us = 0;
        for (uint32_t depth = from; depth < to;) {
                struct pace_step step = { .answers = answers, .depth = depth };
                uint32_t allowed = prefill_pace_allows(p, &step, PREFILL_ALONE_US);
                step.prompts = allowed < to - depth ? allowed : to - depth;
                double prompt_us = cost_us(m, step.prompts, depth + step.prompts / 2.0) + (answers ? 0 : m->weights_us);
                double us = prompt_us + (answers ? answers_us(m, answers) : 0);
                if (answers && step.prompts > 1 && prompt_us > PREFILL_STALL_US * 1.01)
                        fail_msg("%s: %u tokens at %u beside %u answers took %.0f us", m->name, step.prompts, depth, answers, us);
                prefill_pace_note(p, &step, (uint64_t) us);
                depth += step.prompts;
                all_us += us;
        }
        return all_us;
}

static void decode(struct prefill_pace *p, const struct machine *m, uint32_t answers) {
        for (int i = 0; i < 8; i++) {
                const struct pace_step step = { .answers = answers };
                prefill_pace_note(p, &step, (uint64_t) answers_us(m, answers));
        }
}

/* What the prompt would take in steps that are as long as they may be. */
static double ideal_us(const struct machine *m, uint32_t answers, uint32_t tokens) {
        double work_us = cost_us(m, tokens, tokens / 2.0);
        return work_us + work_us / PREFILL_STALL_US * answers_us(m, answers);
}

static void test_the_first_prompt(void **state) {
        (void) state;
        for (size_t i = 0; i < MACHINES; i++)
                for (uint32_t answers = 1; answers <= 16; answers *= 4) {
                        struct prefill_pace p = { 0 };
                        decode(&p, &machines[i], answers);
                        double us = run_prompt(&p, &machines[i], answers, 0, 8192);
                        if (us > 1.6 * ideal_us(&machines[i], answers, 8192) + 20 * answers_us(&machines[i], answers))
                                fail_msg("%s: a prompt took %.1f s, where %.1f s would do", machines[i].name, us / 1e6,
                                         ideal_us(&machines[i], answers, 8192) / 1e6);
                }
}

/* Speed was learnt where prompts cost least: with nobody waiting, at the beginning of a text, with few answers. */
static void test_what_was_learnt_elsewhere(void **state) {
        (void) state;
        for (size_t i = 0; i < MACHINES; i++) {
                struct prefill_pace p = { 0 };
                (void) run_prompt(&p, &machines[i], 0, 0, 4096);
                decode(&p, &machines[i], 1);
                (void) run_prompt(&p, &machines[i], 1, 0, 300);
                (void) run_prompt(&p, &machines[i], 1, 30000, 31000); /* a prefix was known */
                (void) run_prompt(&p, &machines[i], 1, 0, 3000);
        }
}

/* A machine that becomes ten times slower is noticed by one step. */
static void test_a_machine_slows_down(void **state) {
        (void) state;
        struct machine before = machines[1], after = before;
        after.token_us *= 10, after.weights_us *= 10, after.stored_us *= 10;
        struct prefill_pace p = { 0 };
        decode(&p, &before, 1);
        (void) run_prompt(&p, &before, 1, 0, 2000);
        struct pace_step step = { .answers = 1, .depth = 2000 };
        step.prompts = prefill_pace_allows(&p, &step, PREFILL_ALONE_US);
        assert_true(step.prompts > 20);
        prefill_pace_note(&p, &step, (uint64_t) (answers_us(&after, 1) + cost_us(&after, step.prompts, 2000)));
        (void) run_prompt(&p, &after, 1, 2000, 2400);

        /* Or that is told before. */
        p = (struct prefill_pace){ 0 };
        decode(&p, &before, 1);
        (void) run_prompt(&p, &before, 1, 0, 2000);
        prefill_pace_scale(&p, 0.1);
        (void) run_prompt(&p, &after, 1, 2000, 2400);
}

/* --- the scheduler itself, by a clock of its tokens --- */

static struct scheduler *counted;
static uint64_t counted_us, counted_tokens, token_us;

static uint64_t count_us(void) {
        uint64_t tokens = 0;
        for (uint32_t i = 0; i < counted->running_count; i++)
                tokens += counted->running[i]->kv.tokens_count;
        if (tokens > counted_tokens)
                counted_us += (tokens - counted_tokens) * token_us;
        counted_tokens = tokens;
        return counted_us;
}

static void test_answers_go_on_beside_a_prompt(void **state) {
        (void) state;
        static const uint64_t speeds[] = { 100, 5000, 90000, 500000 };
        for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
                struct fixture *f = open_fixture(2048, 2, 512);
                counted = f->engine.scheduler;
                counted->config.now_us = count_us;
                counted_us = counted_tokens = 0;
                token_us = speeds[i];
                assert_int_equal(submit(f, 0, bodies[4]), 0);
                for (int n = 0; n < 4; n++)
                        step(f);
                assert_int_equal(submit(f, 1, bodies[6]), 0);
                while (!f->told[1].pieces && !f->told[0].ends) {
                        uint64_t begun_us = counted_us, made = scheduler_statistics(counted).tokens_decoded;
                        step(f);
                        double us = (double) (counted_us - begun_us), token = (double) token_us;
                        assert_true(us <= PREFILL_STALL_US + token || us <= 2 * token); /* a token of each at least */
                        assert_true(scheduler_statistics(counted).tokens_decoded > made);
                }
                run_dry(f);
                check_as_alone(&f->told[0], 4);
                check_as_alone(&f->told[1], 6);
                close_fixture(f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_first_prompt),
                cmocka_unit_test(test_what_was_learnt_elsewhere),
                cmocka_unit_test(test_a_machine_slows_down),
                cmocka_unit_test(test_answers_go_on_beside_a_prompt),
        };
        return cmocka_run_group_tests(tests, answer_alone, NULL);
}
