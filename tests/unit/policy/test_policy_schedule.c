/*
 * test_policy_schedule.c - a box in virtual time: models come and go as policy says, requests arrive by dice, and a checker
 * that knows nothing of policy's ways looks on.
 *
 * It asserts, over thousands of virtual minutes: the budget holds at every step; nobody busy or pinned is cut; every
 * request is answered within a bound; and the number of loads stays far below the number of requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/admission.h"

#define GIB(n)  ((uint64_t) (n) << 30)
#define MODELS  6
#define STEP_MS 50

enum state { ABSENT, WAITING, LOADING, READY, DRAINING, STOPPING };

struct sim_model {
        /* Properties. */
        uint64_t bytes;
        uint64_t load_ms, stop_ms, answer_ms;
        uint32_t parallel;
        int priority;
        bool pinned;
        uint32_t chance;  /* of a request in one step, in 10000 */
        uint32_t clients; /* at most so many requests at once */
        /* State. */
        enum state state;
        uint64_t until_ms, ready_ms, last_end_ms;
        bool asked;
        uint32_t waiting, running;
        uint64_t waiting_since[64]; /* oldest first */
        uint64_t running_until[64];
        uint64_t loads, answers, longest_wait_ms;
};

struct sim {
        struct admission_limits limits;
        struct sim_model models[MODELS];
        uint32_t count;
        uint64_t now_ms;
        uint32_t seed;
};

static uint32_t dice(struct sim *s, uint32_t sides) {
        s->seed = s->seed * 1664525 + 1013904223;
        return (s->seed >> 8) % sides;
}

static bool holds_memory(const struct sim_model *m) {
        return m->state == LOADING || m->state == READY || m->state == DRAINING || m->state == STOPPING;
}

static void arrive(struct sim *s, struct sim_model *m) {
        if (m->waiting + m->running < m->clients && dice(s, 10000) < m->chance)
                m->waiting_since[m->waiting++] = s->now_ms;
}

static void answer(struct sim *s, struct sim_model *m) {
        for (uint32_t i = 0; i < m->running;) {
                if (m->running_until[i] > s->now_ms) {
                        i++;
                        continue;
                }
                m->running_until[i] = m->running_until[--m->running];
                m->last_end_ms = s->now_ms;
                m->asked = true;
                m->answers++;
        }
        while (m->state == READY && m->waiting > 0 && m->running < m->parallel) {
                uint64_t waited = s->now_ms - m->waiting_since[0];
                m->longest_wait_ms = waited > m->longest_wait_ms ? waited : m->longest_wait_ms;
                memmove(m->waiting_since, m->waiting_since + 1, --m->waiting * sizeof(m->waiting_since[0]));
                m->running_until[m->running++] = s->now_ms + m->answer_ms / 2 + dice(s, (uint32_t) m->answer_ms);
        }
}

static void live(struct sim *s, struct sim_model *m) {
        if (m->state == ABSENT && m->waiting > 0)
                m->state = WAITING;
        if (m->state == LOADING && m->until_ms <= s->now_ms) {
                m->state = READY;
                m->ready_ms = s->now_ms;
                m->last_end_ms = 0;
                m->asked = false;
        }
        answer(s, m);
        if (m->state == DRAINING && m->running == 0) {
                m->state = STOPPING;
                m->until_ms = s->now_ms + m->stop_ms;
        } else if (m->state == STOPPING && m->until_ms <= s->now_ms) {
                m->state = ABSENT;
        }
}

static struct account account_of(const struct sim_model *m, uint32_t id, bool promised) {
        static const enum account_state states[] = {
                [LOADING] = ACCOUNT_LOADING, [DRAINING] = ACCOUNT_DRAINING, [STOPPING] = ACCOUNT_STOPPING
        };
        enum account_state state = promised            ? ACCOUNT_PROMISED
                                   : m->state == READY ? (m->running + m->waiting > 0 ? ACCOUNT_BUSY : ACCOUNT_IDLE)
                                                       : states[m->state];
        return (struct account){ .id = id,
                                 .state = state,
                                 .pinned = m->pinned,
                                 .asked = m->asked,
                                 .priority = m->priority,
                                 .bytes = m->bytes,
                                 .weights_bytes = m->bytes,
                                 .taken_bytes = m->bytes,
                                 .loaded_ms = m->ready_ms,
                                 .last_end_ms = m->last_end_ms,
                                 .load_ms = m->load_ms };
}

static void follow(struct sim *s, struct sim_model *m, const struct admission *a) {
        if (a->verdict == VERDICT_ADMIT) {
                m->state = LOADING;
                m->until_ms = s->now_ms + m->load_ms;
                m->loads++;
        }
        for (uint32_t i = 0; i < a->victims_count; i++) {
                struct sim_model *victim = &s->models[a->victims[i]];
                assert_int_equal(victim->state, READY);
                assert_false(victim->pinned);
                victim->state = DRAINING;
        }
        assert_true(a->verdict != VERDICT_NEVER && a->verdict != VERDICT_SHORT);
}

static void decide(struct sim *s) {
        bool seen[MODELS] = { 0 }, promised[MODELS] = { 0 };
        for (;;) {
                struct sim_model *next = NULL;
                for (uint32_t i = 0; i < s->count; i++) {
                        struct sim_model *m = &s->models[i];
                        if (m->state == WAITING && !seen[i] && (!next || m->waiting_since[0] < next->waiting_since[0]))
                                next = m;
                }
                if (!next)
                        return;
                uint32_t index = (uint32_t) (next - s->models), count = 0;
                seen[index] = true;
                struct account accounts[2 * MODELS];
                for (uint32_t i = 0; i < s->count; i++) {
                        if (holds_memory(&s->models[i]) || promised[i])
                                accounts[count++] = account_of(&s->models[i], i, promised[i]);
                }
                const struct admission_snapshot now = { s->now_ms, GIB(1000), accounts, count, false };
                const struct admission_want want = { next->bytes, next->bytes, next->priority, next->waiting_since[0] };
                struct admission a = policy_admission(&s->limits, &now, &want);
                follow(s, next, &a);
                promised[index] = a.promised;
        }
}

static void check_budget(const struct sim *s) {
        uint64_t held = 0;
        for (uint32_t i = 0; i < s->count; i++)
                held += holds_memory(&s->models[i]) ? s->models[i].bytes : 0;
        assert_true(held <= s->limits.budget_bytes);
}

static void run(struct sim *s, uint64_t minutes) {
        for (uint64_t end = s->now_ms + minutes * 60000; s->now_ms < end; s->now_ms += STEP_MS) {
                for (uint32_t i = 0; i < s->count; i++) {
                        arrive(s, &s->models[i]);
                        live(s, &s->models[i]);
                }
                decide(s);
                check_budget(s);
        }
}

static struct sim sim_of(uint64_t budget_gib, uint64_t residency_ms, uint32_t seed) {
        return (struct sim){ .limits = { GIB(budget_gib), GIB(1000), 0, GIB(2000), .min_residency_ms = residency_ms },
                             .now_ms = 1000000,
                             .seed = seed };
}

static void add(struct sim *s, uint64_t gib, uint32_t chance, uint32_t clients, uint64_t answer_ms) {
        s->models[s->count++] = (struct sim_model){ .bytes = GIB(gib),
                                                    .load_ms = 500 * gib,
                                                    .stop_ms = 100,
                                                    .answer_ms = answer_ms,
                                                    .parallel = 4,
                                                    .chance = chance,
                                                    .clients = clients };
}

static void check_waits(const struct sim *s, uint64_t bound_ms, const char *what) {
        for (uint32_t i = 0; i < s->count; i++) {
                const struct sim_model *m = &s->models[i];
                uint64_t waits = m->waiting > 0 ? s->now_ms - m->waiting_since[0] : 0;
                if (m->longest_wait_ms > bound_ms || waits > bound_ms)
                        fail_msg("%s: a request for model %u waited %llu ms (bound %llu)", what, i,
                                 (unsigned long long) (waits > m->longest_wait_ms ? waits : m->longest_wait_ms),
                                 (unsigned long long) bound_ms);
        }
}

static void two_hot_models_share_the_box(void **state) {
        (void) state;
        for (uint32_t seed = 1; seed <= 5; seed++) {
                struct sim s = sim_of(10, 15000, seed);
                add(&s, 8, 5000, 8, 1000);
                add(&s, 8, 5000, 8, 1000);
                run(&s, 30);
                check_waits(&s, 60000, "two hot models");
                assert_true(s.models[0].answers > 1000 && s.models[1].answers > 1000);
                /* At most one change in a residency. */
                assert_true(s.models[0].loads + s.models[1].loads <= 30 * 60 / 15 + 2);
                uint64_t more = s.models[0].answers > s.models[1].answers ? s.models[0].answers : s.models[1].answers;
                assert_true(more < (s.models[0].answers + s.models[1].answers) * 6 / 10);
        }
}

static void a_rare_model_beside_a_hot_one(void **state) {
        (void) state;
        struct sim s = sim_of(10, 15000, 7);
        add(&s, 8, 9000, 16, 800);
        add(&s, 8, 5, 2, 800);
        run(&s, 120);
        check_waits(&s, 40000, "a rare model");
        assert_true(s.models[1].answers > 50);
        assert_true(s.models[1].loads <= s.models[1].answers);
}

static void a_large_one_among_many_small_ones_is_not_starved(void **state) {
        (void) state;
        for (uint32_t seed = 1; seed <= 5; seed++) {
                struct sim s = sim_of(12, 10000, seed);
                add(&s, 12, 20, 2, 2000);
                for (int i = 0; i < 5; i++)
                        add(&s, 3, 2000, 4, 700);
                run(&s, 60);
                check_waits(&s, 120000, "a large one among small ones");
                assert_true(s.models[0].answers > 20);
                for (int i = 1; i < 6; i++)
                        assert_true(s.models[i].answers > 500);
        }
}

static void long_answers_end_before_the_change(void **state) {
        (void) state;
        struct sim s = sim_of(10, 5000, 3);
        add(&s, 8, 3000, 4, 60000);
        add(&s, 8, 100, 4, 500);
        run(&s, 60);
        /* An answer takes up to 90 s, and nothing cuts it. */
        check_waits(&s, 300000, "long answers");
}

static void few_requests_cause_few_loads(void **state) {
        (void) state;
        struct sim s = sim_of(10, 30000, 9);
        add(&s, 4, 20, 4, 500);
        add(&s, 4, 20, 4, 500);
        run(&s, 60);
        assert_int_equal(s.models[0].loads, 1);
        assert_int_equal(s.models[1].loads, 1);
}

/* A single client that goes to and fro must not wait out a residency each time. */
static void a_lone_client_that_alternates_is_served_at_the_speed_of_loading(void **state) {
        (void) state;
        struct sim s = sim_of(10, 60000, 11);
        add(&s, 8, 0, 1, 500);
        add(&s, 8, 0, 1, 500);
        for (int round = 0; round < 20; round++) {
                struct sim_model *m = &s.models[round % 2];
                uint64_t answers = m->answers, began = s.now_ms;
                m->waiting_since[m->waiting++] = s.now_ms;
                while (m->answers == answers && s.now_ms - began < 100000) {
                        live(&s, &s.models[0]);
                        live(&s, &s.models[1]);
                        decide(&s);
                        check_budget(&s);
                        s.now_ms += STEP_MS;
                }
                /* Idle for as long as a load (4 s), the load itself (4 s), the answer. */
                assert_true(s.now_ms - began < 10000);
        }
}

static void whatever_the_dice_say(void **state) {
        (void) state;
        for (uint32_t seed = 1; seed <= 60; seed++) {
                struct sim s = sim_of(16, 1000 * (seed % 20), seed);
                uint32_t count = 2 + dice(&s, MODELS - 1);
                for (uint32_t i = 0; i < count; i++) {
                        add(&s, 1 + dice(&s, 14), dice(&s, 3000), 1 + dice(&s, 8), 200 + dice(&s, 3000));
                        s.models[i].priority = (int) dice(&s, 3) - 1;
                        s.models[i].parallel = 1 + dice(&s, 4);
                }
                s.models[0].pinned = seed % 7 == 0 && s.models[0].bytes <= GIB(1);
                for (uint32_t i = 1; i < count && s.models[0].pinned; i++)
                        s.models[i].bytes = s.models[i].bytes > GIB(12) ? GIB(12) : s.models[i].bytes;
                run(&s, 20);
                char what[32];
                (void) snprintf(what, sizeof(what), "seed %u", seed);
                check_waits(&s, 600000, what);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(two_hot_models_share_the_box),
                cmocka_unit_test(a_rare_model_beside_a_hot_one),
                cmocka_unit_test(a_large_one_among_many_small_ones_is_not_starved),
                cmocka_unit_test(long_answers_end_before_the_change),
                cmocka_unit_test(few_requests_cause_few_loads),
                cmocka_unit_test(a_lone_client_that_alternates_is_served_at_the_speed_of_loading),
                cmocka_unit_test(whatever_the_dice_say),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
