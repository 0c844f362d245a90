/* test_throughput.c - the usual speed, and what must not look like thrashing; and pacing, against a clock that we turn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/scheduler/throttle.h"
#include "engine/scheduler/throughput.h"
#include "policy/base/random.h"

/* A machine: a step reads all weights, works for each token and reads the KV of each stored token; with a fifth of noise. */
struct machine {
        struct throughput throughput;
        struct random random;
        uint64_t now_us;
        double slower; /* times */
};

static void make_step(struct machine *m, uint32_t batch, uint64_t stored) {
        double us = (20000 + 1500.0 * batch + 2.0 * (double) stored) * m->slower * (0.9 + 0.2 * random_unit(&m->random));
        m->now_us += (uint64_t) us;
        throughput_note(&m->throughput, &(struct throughput_step){ batch, batch, stored, (uint64_t) us }, m->now_us);
}

static void make_steps(struct machine *m, unsigned count, uint32_t batch, uint64_t stored) {
        while (count-- > 0)
                make_step(m, batch, stored);
}

static struct machine machine(void) {
        return (struct machine){ .random = random_seeded(3), .now_us = 1, .slower = 1 };
}

/* Now over usual. */
static double relative(const struct machine *m) {
        double usual = throughput_usual(&m->throughput);
        assert_true(usual > 0);
        return throughput_now(&m->throughput, m->now_us) / usual;
}

static void check_near(double a, double b) {
        if (!(fabs(a - b) < 0.12))
                fail_msg("%g is not near %g", a, b);
}

static void test_unknown_at_first(void **state) {
        (void) state;
        struct machine m = machine();
        assert_true(throughput_now(&m.throughput, 5) == 0 && throughput_usual(&m.throughput) == 0);
        make_steps(&m, THROUGHPUT_SAMPLES_FIRST, 1, 100);
        assert_true(throughput_now(&m.throughput, m.now_us) > 0);
        assert_true(throughput_usual(&m.throughput) == 0); /* nothing to be compared with yet */
        make_steps(&m, 20, 1, 100);
        check_near(relative(&m), 1);
        assert_true(throughput_now(&m.throughput, m.now_us + THROUGHPUT_FRESH_US) == 0);
        throughput_forget(&m.throughput);
        assert_true(throughput_usual(&m.throughput) == 0);
}

/* Eight answers at once give each of them less, and all together more; a long context is slow for all: neither is thrashing. */
static void test_batch_and_context_do_not_fool_it(void **state) {
        (void) state;
        struct machine m = machine();
        static const struct {
                uint32_t batch;
                uint64_t stored;
        } kinds[] = { { 1, 100 }, { 8, 3000 }, { 2, 30000 }, { 1, 9000 }, { 16, 60000 } };
        for (unsigned round = 0; round < 3; round++)
                for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                        make_steps(&m, 30, kinds[i].batch, kinds[i].stored);
        for (unsigned i = 0; i < 500; i++) {
                size_t k = random_u32(&m.random) % 5;
                make_step(&m, kinds[k].batch, kinds[k].stored);
                check_near(relative(&m), 1);
        }
        make_steps(&m, 100, 1, 100);
        double short_one = throughput_now(&m.throughput, m.now_us);
        check_near(relative(&m), 1);
        make_steps(&m, 100, 1, 9000);
        assert_true(throughput_now(&m.throughput, m.now_us) < short_one / 1.5); /* as such they differ */
        check_near(relative(&m), 1);
}

/* A box that thrashes shows at once, does not become usual, and is over at once. */
static void test_thrashing_shows_and_is_not_learned(void **state) {
        (void) state;
        struct machine m = machine();
        make_steps(&m, 200, 2, 500);
        double usual = throughput_usual(&m.throughput);
        m.slower = 30;
        make_steps(&m, 1, 2, 500);
        assert_true(relative(&m) < 0.5);
        make_steps(&m, 100, 2, 500);
        assert_true(relative(&m) < 0.06);
        check_near(throughput_usual(&m.throughput) / usual, 1);
        m.slower = 1;
        make_steps(&m, 300, 2, 500);
        check_near(relative(&m), 1);
}

/* A somewhat lower speed, as with a lower precision of the KV, becomes usual. */
static void test_lasting_change_is_learned(void **state) {
        (void) state;
        struct machine m = machine();
        make_steps(&m, 200, 1, 500);
        m.slower = 1.5;
        make_steps(&m, 20, 1, 500);
        assert_true(relative(&m) < 0.8);
        make_steps(&m, 300, 1, 500);
        check_near(relative(&m), 1);
}

/* ---- pacing ---- */

/* Share of the time that was spent computing, in thousandths, by a worker whose timer is late by up to LATE_US. */
static uint32_t share(uint32_t duty, uint64_t step_us, uint64_t late_us) {
        struct throttle p;
        struct random r = random_seeded(duty);
        uint64_t now = 1000, worked = 0, begun = now;
        throttle_init(&p, now);
        throttle_set_duty(&p, duty);
        for (unsigned i = 0; i < 400; i++) {
                uint64_t rest;
                while ((rest = throttle_rest_us(&p, now)) > 0) {
                        assert_true(rest <= THROTTLE_REST_US_MAX);
                        now += random_u32(&r) % 3 ? rest + random_u32(&r) % (late_us + 1) : rest / 2; /* a frame may wake it */
                }
                uint64_t took = step_us / 2 + random_u32(&r) % step_us;
                throttle_worked(&p, now, now + took);
                now += took;
                worked += took;
        }
        return (uint32_t) (worked * 1000 / (now + throttle_rest_us(&p, now) - begun));
}

static void test_duty_is_kept(void **state) {
        (void) state;
        static const uint32_t duties[] = { 1000, 900, 500, 200, 50 };
        static const uint64_t step_us[] = { 300, 20000, 120000 };
        for (size_t d = 0; d < 5; d++)
                for (size_t s = 0; s < 3; s++) {
                        uint32_t measured = share(duties[d], step_us[s], 100);
                        if (measured < duties[d] * 9 / 10 || measured > duties[d] * 11 / 10)
                                fail_msg("duty %u, steps of %u us: %u", duties[d], (unsigned) step_us[s], measured);
                }
}

static void test_rests_are_bounded(void **state) {
        (void) state;
        struct throttle p;
        throttle_init(&p, 10);
        throttle_set_duty(&p, THROTTLE_DUTY_LEAST);
        throttle_worked(&p, 10, 10 + 3600000000u); /* a step of an hour */
        assert_int_equal(throttle_rest_us(&p, 10 + 3600000000u), THROTTLE_REST_US_MAX);
        throttle_set_duty(&p, THROTTLE_DUTY_FULL); /* full speed is at once */
        assert_int_equal(throttle_rest_us(&p, 10 + 3600000000u), 0);
}

static void test_an_idle_hour_earns_nothing(void **state) {
        (void) state;
        struct throttle p;
        uint64_t hour = 3600000000u;
        throttle_init(&p, 0);
        throttle_set_duty(&p, 500);
        assert_int_equal(throttle_rest_us(&p, hour), 0);
        throttle_worked(&p, hour, hour + 100000);
        assert_int_equal(throttle_rest_us(&p, hour + 100000), 100000 - THROTTLE_CREDIT_US_MAX);
        /* Nor does a clock that does not move. */
        assert_int_equal(throttle_rest_us(&p, hour + 100000), 100000 - THROTTLE_CREDIT_US_MAX);
        assert_int_equal(throttle_rest_us(&p, hour + 150000), 50000 - THROTTLE_CREDIT_US_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unknown_at_first),
                cmocka_unit_test(test_batch_and_context_do_not_fool_it),
                cmocka_unit_test(test_thrashing_shows_and_is_not_learned),
                cmocka_unit_test(test_lasting_change_is_learned),
                cmocka_unit_test(test_duty_is_kept),
                cmocka_unit_test(test_rests_are_bounded),
                cmocka_unit_test(test_an_idle_hour_earns_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
