/* test_pool.c - a KV pool that grows and shrinks while it is used: the answers stay what they are, and the limit holds after each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/engine/scheduler/scheduler_fixture.h"

static struct scheduler_pool pool_of(const struct fixture *f) {
        return scheduler_pool(f->engine.scheduler);
}

static void set_pool(struct fixture *f, uint32_t tokens, bool makes_room) {
        scheduler_set_pool(f->engine.scheduler, tokens, makes_room);
        assert_true(kv_cache_blocks(f->engine.cache).used <= kv_cache_blocks(f->engine.cache).limit);
}

/* As a daemon that has room would; returns how often the pool grew. */
static unsigned run_growing(struct fixture *f) {
        unsigned grown = 0;
        for (unsigned steps = 0; steps < 100000; steps++) {
                struct scheduler_pool pool = pool_of(f);
                if (scheduler_has_work(f->engine.scheduler)) {
                        step(f);
                } else if (pool.needed > pool.limit) {
                        set_pool(f, pool.limit + KV_BLOCK_TOKENS, false);
                        grown++;
                } else {
                        break;
                }
        }
        return grown;
}

static void test_one_that_needs_more_waits_and_grows(void **state) {
        (void) state;
        struct fixture *f = open_fixture(1024, 4, 256);
        set_pool(f, 64, false);
        assert_int_equal(submit(f, 0, bodies[10]), 0); /* 420 tokens */
        run_dry(f);
        assert_int_equal(f->told[0].ends, 0);
        struct scheduler_pool pool = pool_of(f);
        assert_int_equal(pool.limit, 64);
        assert_int_equal(pool.most, 1024);
        assert_true(pool.needed > 64 && pool.wanted >= pool.needed);
        assert_true(run_growing(f) >= 4);
        check_as_alone(&f->told[0], 10);
        close_fixture(f);
}

static void test_all_who_could_run_are_counted(void **state) {
        (void) state;
        struct fixture *f = open_fixture(4096, 2, 256);
        set_pool(f, 64, false);
        for (uint64_t id = 0; id < 3; id++)
                assert_int_equal(submit(f, id, bodies[4]), 0);        /* 64 tokens and a prompt: two blocks */
        assert_int_equal(pool_of(f).needed, 2 * 2 * KV_BLOCK_TOKENS); /* two of them have places */
        (void) run_growing(f);
        for (uint64_t id = 0; id < 3; id++)
                check_as_alone(&f->told[id], 4);
        close_fixture(f);
}

static void test_less_takes_prefixes_first_and_who_runs_only_when_told_so(void **state) {
        (void) state;
        struct fixture *f = open_fixture(2048, 2, 256);
        assert_int_equal(submit(f, 0, bodies[1]), 0);
        run_dry(f);
        assert_int_equal(submit(f, 1, bodies[10]), 0);
        for (int i = 0; i < 150; i++)
                step(f);
        struct scheduler_pool before = pool_of(f);
        assert_true(before.used >= 128 && before.wanted > before.needed); /* the prefix is kept */
        set_pool(f, 1, false);
        struct scheduler_pool pool = pool_of(f);
        assert_int_equal(pool.used, before.used);
        assert_int_equal(pool.limit, before.used);
        assert_int_equal(pool.wanted, pool.needed);
        assert_int_equal(scheduler_statistics(f->engine.scheduler).made_room, 0);
        set_pool(f, 64, true);
        pool = pool_of(f);
        assert_int_equal(pool.limit, 64);
        assert_int_equal(pool.used, 0);
        assert_true(pool.needed > before.used);
        assert_int_equal(scheduler_statistics(f->engine.scheduler).made_room, 1);
        assert_true(run_growing(f) > 0);
        check_as_alone(&f->told[1], 10);
        close_fixture(f);
}

/* Sizes at random, also far too small ones, in the middle of everything. */
static void test_storm(void **state) {
        (void) state;
        for (uint64_t seed = 1; seed <= 3; seed++) {
                struct storm s = { .f = open_fixture(1024, 3, 64), .rng = random_seeded(seed) };
                for (unsigned turn = 0; turn < 700; turn++) {
                        uint32_t rng = random_u32(&s.rng) % 24;
                        if (rng < 2 && s.next < IDS_MAX)
                                storm_submit(&s);
                        else if (rng == 2)
                                set_pool(s.f, 64 * (1 + random_u32(&s.rng) % 16), random_u32(&s.rng) % 2);
                        else if (rng == 3 && s.next)
                                storm_cancel(&s, random_u32(&s.rng) % s.next);
                        else
                                step(s.f);
                        struct kv_blocks blocks = kv_cache_blocks(s.f->engine.cache);
                        assert_true(blocks.used <= blocks.limit);
                }
                (void) run_growing(s.f);
                storm_end(&s);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_that_needs_more_waits_and_grows),
                cmocka_unit_test(test_all_who_could_run_are_counted),
                cmocka_unit_test(test_less_takes_prefixes_first_and_who_runs_only_when_told_so),
                cmocka_unit_test(test_storm),
        };
        return cmocka_run_group_tests(tests, answer_alone, NULL);
}
