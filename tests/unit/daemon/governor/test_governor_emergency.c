/*
 * test_governor_emergency.c - an emergency takes no memory and opens nothing: neither its actions nor the tick that decides
 * them.
 */
#include "tests/unit/daemon/governor/governor_fixture.h"

#include "tests/unit/allocation_count.h"

static void the_counter_counts(void **state) {
        (void) state;
        allocations = opens = 0;
        void *volatile taken = malloc(100);
        int fd = open("/dev/null", O_RDONLY);
        free(taken);
        assert_int_equal(close(fd), 0);
        assert_int_equal(allocations, COUNTS);
        assert_int_equal(opens, COUNTS);
}

static void an_emergency_takes_no_memory(void **state) {
        (void) state;
        struct client c[3] = { 0 };
        w.config.budget_bytes = MIB(1000);
        for (int i = 0; i < 3; i++)
                add_model(BUSY)->kv_floor = KV_Q8_0;
        open_fleet();
        ask_for(&c[0], "a", 100000);
        ask_for(&c[1], "b", 100000);
        ask(&c[2], "c");
        eventually(c[0].text[0] && c[1].text[0] && c[2].ended && view_of(0)->kv_bytes[KV_F16] > 0);
        fleet_rehearse(w.fleet);
        struct plan plan = plan_of((struct action){ .kind = ACTION_TRIM, .model = 0 });
        plan.actions[1] = (struct action){ .kind = ACTION_DOWNSHIFT, .model = 0, .level = KV_Q8_0, .because = REASON_FORECAST };
        plan.actions[2] = (struct action){ .kind = ACTION_EVICT, .model = 2, .because = REASON_FORECAST };
        plan.actions[3] = (struct action){ .kind = ACTION_END, .model = 1, .because = REASON_FORECAST };
        plan.actions_count = 4;
        plan.emergency = plan.hold_loads = plan.hold_growth = true;
        uint32_t before = told.count;
        allocations = opens = 0;
        carry_out(&plan);
        unsigned allocated = allocations, opened = opens;
        assert_int_equal(allocated, 0);
        assert_int_equal(opened, 0);
        assert_int_equal(told.count - before, 3); /* all but the trim, which is a frame of its own and comes right after */
        eventually(c[1].failed && life_of(2) == MODEL_ABSENT && told.count - before == 4);
        eventually(view_of(0)->level > KV_F16 && view_of(0)->prefix_bytes == 0);
        assert_false(c[0].failed);
        assert_string_equal(status_of(2).last_error, ""); /* it was idle: unloaded, not in trouble */
        assert_string_equal(status_of(2).last_exit, "killed by SIGKILL");
        assert_true(w.fleet->gate.loads);
        request_cancel(c[0].request);
}

static void an_emergency_tick_takes_no_memory(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("token_ms=5\nkv_hold=8388608\nheartbeat_ms=50\n")->kv_floor = KV_Q8_0;
        open_governor();
        ask_for(&c, "a", 100000);
        eventually(c.starts && view_of(0)->kv_bytes[KV_F16] > 0);
        /* Falls so fast that there is no time for anything mild; every timer of the loop is ours, so each turn is a tick. */
        unsigned worst_allocations = 0, worst_opens = 0, emergencies = 0;
        int64_t available = 3000;
        for (int i = 0; i < 60 && emergencies < 3; i++) {
                available -= available > 250 ? 250 : 0;
                set_meminfo((uint64_t) available);
                until_for(100, false);
                uint64_t looks = governor->looks;
                allocations = opens = 0;
                governor_look(governor, fleet_clock_ms(), false); /* and nothing else of the loop */
                unsigned allocated = allocations, opened = opens;
                assert_int_equal(governor->looks, looks + 1);
                if (!governor->plan.emergency)
                        continue;
                emergencies++;
                worst_allocations = allocated > worst_allocations ? allocated : worst_allocations;
                worst_opens = opened > worst_opens ? opened : worst_opens;
        }
        assert_true(emergencies > 0);
        assert_int_equal(worst_allocations, 0);
        assert_int_equal(worst_opens, 0);
        eventually(!c.failed && view_of(0) ? view_of(0)->level > KV_F16 : true);
        if (!done(&c))
                request_cancel(c.request);
        close_governor();
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_counter_counts),
                with_fixture(an_emergency_takes_no_memory),
                with_governor(an_emergency_tick_takes_no_memory),
        };
        return run_with_fixtures(argc, argv, tests);
}
