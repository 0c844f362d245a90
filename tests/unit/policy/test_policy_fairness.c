/*
 * test_policy_fairness.c - ten minutes in virtual time of two models that do not fit together, asked by twenty clients at random times: how long
 * each class waits, how often is loaded, and the same with the rules switched off as a configuration can do it.
 *
 * HEADROOM_FIGURES=1 prints the figures. The dice are our own, so they are the same on every machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/loads.h"
#include "policy/admission/wait.h"
#include "policy/base/random.h"

#define GIB(n)          ((uint64_t) (n) << 30)
#define STEP_MS         20u
#define MINUTES         10u
#define CLIENTS         20u
#define LOAD_MS         2000u
#define THINK_MS        2000.0  /* of a client of the first model, on average */
#define OTHERS_THINK_MS 15000.0 /* ... of the second */
#define ANSWER_MS       1500.0  /* on average */
#define ANSWER_MAX      8000u
#define PARALLEL        4u
#define REQUESTS        8192u
#define AGE_MS          60000u
#define RESIDENCY       10000u

enum life { ABSENT, WAITING, LOADING, READY, DRAINING };

struct request {
        uint64_t asked_ms, place_ms, until_ms;
        uint32_t client, model;
        bool batch, waits, runs;
};

struct model {
        enum life life;
        uint32_t generation, running, waiting;
        uint64_t until_ms, loaded_ms, last_end_ms;
};

struct world {
        struct limits limits;
        uint64_t batch_age_ms;
        struct random arrivals, answers;
        uint64_t now_ms, next_ms[CLIENTS];
        struct model models[2];
        struct request requests[REQUESTS];
        uint32_t count;
        uint32_t loads, swaps_too_soon;
        uint64_t waits[2][REQUESTS]; /* by class, of those that began */
        uint32_t began[2];
};

static double exponential(struct random *dice, double mean) {
        return -mean * log(1 - random_unit(dice));
}

/* Of the twenty, twelve keep to the first model and eight to the second; every fourth is batch. */
static void ask(struct world *w, uint32_t c) {
        bool is_batch = c % 4 == 0;
        w->requests[w->count++] = (struct request){ .asked_ms = w->now_ms,
                                                    .place_ms = policy_place_ms(w->now_ms, is_batch, w->batch_age_ms),
                                                    .client = c,
                                                    .model = c % 5 >= 3,
                                                    .batch = is_batch,
                                                    .waits = true };
}

/* Each asks when it has thought about the answer before, for a time without memory. */
static void arrive(struct world *w) {
        for (uint32_t c = 0; c < CLIENTS; c++) {
                if (w->next_ms[c] > w->now_ms || w->now_ms >= MINUTES * 60000 || w->count == REQUESTS)
                        continue;
                w->next_ms[c] = UINT64_MAX;
                ask(w, c);
        }
}

static uint64_t think_ms(struct world *w, uint32_t client) {
        return 1 + (uint64_t) exponential(&w->arrivals, client % 5 >= 3 ? OTHERS_THINK_MS : THINK_MS);
}

static struct request *first(struct world *w, uint32_t model) {
        struct request *found = NULL;
        for (uint32_t i = 0; i < w->count; i++) {
                struct request *r = &w->requests[i];
                if (r->waits && r->model == model && (!found || r->place_ms < found->place_ms))
                        found = r;
        }
        return found;
}

static void count(struct world *w, uint32_t index) {
        struct model *m = &w->models[index];
        m->running = m->waiting = 0;
        for (uint32_t i = 0; i < w->count; i++) {
                struct request *r = &w->requests[i];
                if (r->model != index)
                        continue;
                if (r->runs && r->until_ms <= w->now_ms) {
                        r->runs = false;
                        m->last_end_ms = w->now_ms;
                        w->next_ms[r->client] = w->now_ms + think_ms(w, r->client);
                }
                m->running += r->runs;
                m->waiting += r->waits;
        }
}

static void begin(struct world *w, uint32_t index) {
        struct model *m = &w->models[index];
        for (struct request *r; m->life == READY && m->running < PARALLEL && (r = first(w, index));) {
                uint64_t answer_ms = (uint64_t) exponential(&w->answers, ANSWER_MS) + 100;
                w->waits[r->batch][w->began[r->batch]++] = w->now_ms - r->asked_ms;
                r->waits = false;
                r->runs = true;
                r->until_ms = w->now_ms + (answer_ms < ANSWER_MAX ? answer_ms : ANSWER_MAX);
                m->running++;
                m->waiting--;
        }
}

static void live(struct world *w, uint32_t index) {
        struct model *m = &w->models[index];
        count(w, index);
        if (m->life == ABSENT && m->waiting > 0)
                m->life = WAITING;
        if (m->life == LOADING && m->until_ms <= w->now_ms) {
                m->life = READY;
                m->loaded_ms = w->now_ms;
                m->last_end_ms = 0;
        }
        if (m->life == DRAINING && m->running == 0)
                m->life = m->waiting > 0 ? WAITING : ABSENT;
        begin(w, index);
}

static void view(struct world *w, struct snapshot *s) {
        static const enum account_state states[] = { [LOADING] = ACCOUNT_LOADING, [DRAINING] = ACCOUNT_DRAINING };
        *s = (struct snapshot){ .now_ms = w->now_ms, .ram_bytes = GIB(64), .available_bytes = GIB(40) };
        for (uint32_t i = 0; i < 2; i++) {
                const struct model *m = &w->models[i];
                if (m->life == WAITING)
                        s->wants[s->wants_count++] = (struct want){ .id = i,
                                                                    .since_ms = first(w, i)->place_ms,
                                                                    .load_ms = LOAD_MS,
                                                                    .forms_count = 1,
                                                                    .forms = { { GIB(8), GIB(7) } } };
                if (m->life < LOADING)
                        continue;
                bool is_busy = m->running + m->waiting > 0;
                s->models[s->models_count++] =
                        (struct model_view){ .id = i,
                                             .generation = m->generation,
                                             .state = m->life == READY ? is_busy ? ACCOUNT_BUSY : ACCOUNT_IDLE : states[m->life],
                                             .running = m->running,
                                             .waiting = m->waiting,
                                             .loaded_ms = m->loaded_ms,
                                             .last_end_ms = m->last_end_ms,
                                             .load_ms = LOAD_MS,
                                             .bytes = GIB(8),
                                             .weights_bytes = GIB(7),
                                             .taken_bytes = GIB(8) };
        }
}

static void decide(struct world *w) {
        static struct snapshot snapshot;
        static struct plan plan;
        static struct loads_past past;
        view(w, &snapshot);
        plan = (struct plan){ 0 };
        policy_loads(&w->limits, &snapshot, &past, &plan);
        for (uint32_t i = 0; i < plan.unloads_count; i++) {
                struct model *m = &w->models[plan.unloads[i].model];
                assert_int_equal(m->life, READY);
                w->swaps_too_soon += m->running + m->waiting > 0 && w->now_ms - m->loaded_ms < w->limits.min_residency_ms;
                m->life = DRAINING;
        }
        for (uint32_t i = 0; i < plan.loads_count; i++) {
                struct model *m = &w->models[plan.loads[i].model];
                if (plan.loads[i].verdict != VERDICT_ADMIT)
                        continue;
                m->life = LOADING;
                m->generation++;
                m->until_ms = w->now_ms + LOAD_MS;
                w->loads++;
        }
}

static bool anybody_left(const struct world *w) {
        for (uint32_t i = 0; i < w->count; i++)
                if (w->requests[i].waits || w->requests[i].runs)
                        return true;
        return w->now_ms < MINUTES * 60000;
}

static void run(struct world *w) {
        w->arrivals = random_seeded(12);
        w->answers = random_seeded(13);
        w->now_ms = STEP_MS;
        for (uint32_t c = 0; c < CLIENTS; c++)
                w->next_ms[c] = think_ms(w, c);
        for (; anybody_left(w) && w->now_ms < 3 * MINUTES * 60000; w->now_ms += STEP_MS) {
                arrive(w);
                live(w, 0);
                live(w, 1);
                decide(w);
        }
}

static int by_size(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
        return x < y ? -1 : x > y;
}

static void sort_waits(struct world *w) {
        for (int k = 0; k < 2; k++)
                qsort(w->waits[k], w->began[k], sizeof(uint64_t), by_size);
}

static uint64_t longest(const struct world *w, int k) {
        return w->waits[k][w->began[k] - 1];
}

static double percentile(const struct world *w, int class, unsigned percent) {
        return w->began[class] > 0 ? (double) w->waits[class][(w->began[class] - 1) * percent / 100] / 1000 : 0;
}

static void tell(struct world *w, const char *what) {
        sort_waits(w);
        if (!getenv("HEADROOM_FIGURES"))
                return;
        for (int class = 0; class < 2; class ++)
                printf("%-14s %-11s %5u answered; waited p50 %5.1f s, p90 %5.1f s, p99 %5.1f s, most %5.1f s\n", what,
                       class ? "batch" : "interactive", w->began[class], percentile(w, class, 50), percentile(w, class, 90),
                       percentile(w, class, 99), percentile(w, class, 100));
        printf("%-14s %.1f loads a minute\n", what, w->loads / (double) MINUTES);
}

/*
 * Of an interactive request: the turn of the other model, the answers that run by then and a load; and as there may be more of them than one turn
 * answers, the same once more. One of the batch class stands behind for its age besides.
 */
#define BOUND_MS (2u * (RESIDENCY + ANSWER_MAX + LOAD_MS))

static void nobody_waits_beyond_the_bound(void **state) {
        (void) state;
        static struct world rules, plain;
        rules = (struct world){ .limits = { .budget_bytes = GIB(12),
                                            .weights_permille = 900,
                                            .reserve_bytes = GIB(1),
                                            .min_residency_ms = RESIDENCY,
                                            .wait_ms = 300000 },
                                .batch_age_ms = AGE_MS };
        plain = (struct world){ .limits = { .budget_bytes = GIB(12),
                                            .weights_permille = 900,
                                            .reserve_bytes = GIB(1),
                                            .turn_ms = INT64_MAX,
                                            .wait_ms = 300000 },
                                .batch_age_ms = INT64_MAX };
        run(&rules);
        run(&plain);
        tell(&rules, "rules");
        tell(&plain, "plain LRU");
        assert_int_equal(rules.began[0] + rules.began[1], rules.count); /* none is lost */
        assert_int_equal(plain.began[0] + plain.began[1], plain.count);
        assert_true(rules.began[0] > 300 && rules.began[1] > 50);
        assert_true(longest(&rules, 0) <= BOUND_MS && longest(&rules, 1) <= BOUND_MS + AGE_MS);
        assert_true(rules.loads <= MINUTES * 60000 / RESIDENCY);
        assert_int_equal(rules.swaps_too_soon, 0);
        /* The rules are what holds it. */
        assert_true(longest(&plain, 0) > BOUND_MS && longest(&plain, 1) > BOUND_MS + AGE_MS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nobody_waits_beyond_the_bound),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
