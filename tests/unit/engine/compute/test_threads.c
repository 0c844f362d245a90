/* test_threads.c - every thread works once a run, the width may change between runs, and waiting costs nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/compute/threads.h"

#define WIDTH_MAX 7u

struct tally {
        atomic_uint runs[WIDTH_MAX];
        uint32_t width; /* as the threads saw it; written by thread 0 alone */
        uint64_t plain; /* written by one thread in one run, read by another in the next */
};

static void count_run(void *context, uint32_t thread, uint32_t width) {
        struct tally *t = context;
        atomic_fetch_add(&t->runs[thread], 1);
        if (thread == 0)
                t->width = width;
        if (thread == width - 1)
                t->plain++;
}

static void every_thread_works_once_a_run(void **state) {
        (void) state;
        struct threads *t;
        struct tally tally = { .width = 0 };
        assert_int_equal(threads_new(WIDTH_MAX, &t), 0);
        for (unsigned run = 0; run < 2000; run++)
                threads_run(t, count_run, &tally);
        for (unsigned i = 0; i < WIDTH_MAX; i++)
                assert_int_equal(atomic_load(&tally.runs[i]), 2000);
        assert_int_equal(tally.width, WIDTH_MAX);
        assert_int_equal(tally.plain, 2000);
        threads_free(t);
}

static void the_width_changes_between_runs(void **state) {
        (void) state;
        struct threads *t;
        struct tally tally = { .width = 0 };
        uint32_t expected[WIDTH_MAX] = { 0 };
        assert_int_equal(threads_new(WIDTH_MAX, &t), 0);
        for (uint32_t run = 0; run < 1000; run++) {
                uint32_t width = run * 7919 % 9; /* 0 and 8 are clamped */
                threads_set_width(t, width);
                width = width < 1 ? 1 : width > WIDTH_MAX ? WIDTH_MAX : width;
                assert_int_equal(threads_width(t), width);
                threads_run(t, count_run, &tally);
                assert_int_equal(tally.width, width);
                for (uint32_t i = 0; i < width; i++)
                        expected[i]++;
        }
        for (uint32_t i = 0; i < WIDTH_MAX; i++)
                assert_int_equal(atomic_load(&tally.runs[i]), expected[i]);
        assert_int_equal(threads_width_max(t), WIDTH_MAX);
        threads_free(t);
}

static void sleep_ms(long ms) {
        struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
        (void) nanosleep(&t, NULL);
}

static double processor_s(void) {
        return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

static void idle_threads_cost_nothing_and_wake_again(void **state) {
        (void) state;
        struct threads *t;
        struct tally tally = { .width = 0 };
        assert_int_equal(threads_new(4, &t), 0);
        threads_run(t, count_run, &tally);
        sleep_ms(50); /* the bounded spin is over */
        double before = processor_s();
        sleep_ms(300);
        assert_true(processor_s() - before < 0.03);
        for (int i = 0; i < 20; i++) {
                sleep_ms(2);
                threads_run(t, count_run, &tally);
        }
        assert_int_equal(atomic_load(&tally.runs[3]), 21);
        threads_free(t);
}

static void slow_thread(void *context, uint32_t thread, uint32_t width) {
        (void) width;
        if (thread == 1)
                sleep_ms(20);
        atomic_fetch_add((atomic_uint *) context, 1);
}

static void the_caller_waits_for_the_slowest(void **state) {
        (void) state;
        struct threads *t;
        atomic_uint done = 0;
        assert_int_equal(threads_new(3, &t), 0);
        for (unsigned run = 1; run <= 5; run++) {
                threads_run(t, slow_thread, &done);
                assert_int_equal(atomic_load(&done), 3 * run);
        }
        threads_free(t);
}

static void absurd_widths_are_refused(void **state) {
        (void) state;
        struct threads *t = NULL;
        assert_int_equal(threads_new(0, &t), -EINVAL);
        assert_int_equal(threads_new(THREADS_MAX + 1, &t), -EINVAL);
        assert_null(t);
        threads_free(NULL);
        assert_int_equal(threads_new(1, &t), 0);
        threads_free(t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_thread_works_once_a_run),
                cmocka_unit_test(the_width_changes_between_runs),
                cmocka_unit_test(idle_threads_cost_nothing_and_wake_again),
                cmocka_unit_test(the_caller_waits_for_the_slowest),
                cmocka_unit_test(absurd_widths_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
