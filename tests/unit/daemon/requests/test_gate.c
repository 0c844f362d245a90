/* test_gate.c - two classes of requests, and what waits while memory is short or the machine hot. */
#include "tests/unit/daemon/models/models_fixture.h"

static void submit(struct client *c, const char *model, enum request_class class) {
        *c = (struct client){ 0 };
        assert_int_equal(request_submit(w.fleet, model, REQUEST_CHAT, class, request_text("{\"messages\":[]}"), &client_events, c,
                                        &c->request, &c->failure),
                         0);
}

static void hold(bool loads, bool growth, bool batch) {
        w.fleet->gate = (struct gate){ .loads = loads,
                                       .growth = growth,
                                       .batch = batch,
                                       .batch_because = REASON_TOO_HOT,
                                       .headroom_bytes = -(int64_t) MIB(12),
                                       .exhaustion_ms = 8000 };
        fleet_tell_heat(w.fleet, "coretemp Package id 0 (sensor 1a2b3c4d) is at 91.5 degrees, 8.5 below critical");
        fleet_poke(w.fleet);
}

static void wait_ms(uint64_t ms) {
        until_for(ms, false);
}

/* --- classes --- */

static void interactive_ones_go_first(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=10\nload_ms=100\n");
        open_fleet();
        struct client c[3] = { 0 };
        submit(&c[0], "a", REQUEST_BATCH);
        submit(&c[1], "a", REQUEST_BATCH);
        submit(&c[2], "a", REQUEST_INTERACTIVE);
        eventually(done(&c[2]));
        assert_false(c[0].starts || c[1].starts);
        eventually(all_done(c, 3));
}

static void a_batch_one_ages_into_the_queue(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=10\nload_ms=100\n");
        open_fleet();
        struct client c[2] = { 0 };
        submit(&c[0], "a", REQUEST_BATCH);
        request_of(w.fleet->models[0]->waiting.first)->turn_ms -=
                w.config.batch_age_ms + 1; /* as if it had waited for that long */
        submit(&c[1], "a", REQUEST_INTERACTIVE);
        eventually(done(&c[0]));
        assert_false(c[1].starts);
        eventually(done(&c[1]));
}

static void a_model_has_a_class_of_its_own(void **state) {
        (void) state;
        add_model("parallel=1\nload_ms=100\n")->batch = true;
        open_fleet();
        struct client c[2] = { 0 };
        submit(&c[0], "a", REQUEST_CLASS_OF_MODEL);
        submit(&c[1], "a", REQUEST_INTERACTIVE);
        assert_ptr_equal(w.fleet->models[0]->waiting.first, &c[1].request->link);
        eventually(all_done(c, 2));
}

/* --- holds --- */

static void held_loads_wait_and_are_told_why(void **state) {
        (void) state;
        add_model("");
        open_fleet();
        hold(true, true, true);
        struct client c = { 0 };
        submit(&c, "a", REQUEST_INTERACTIVE);
        eventually(strstr(c.why, "memory is running short"));
        wait_ms(200);
        assert_int_equal(life_of(0), MODEL_WAITING);
        assert_int_equal(status_of(0).loads, 0);
        hold(false, false, false);
        eventually(c.ended);
}

static void held_for_too_long_is_refused_with_the_numbers(void **state) {
        (void) state;
        w.config.wait_timeout_ms = 400;
        add_model("");
        open_fleet();
        hold(true, true, true);
        struct client c = { 0 };
        submit(&c, "a", REQUEST_INTERACTIVE);
        eventually(c.failed);
        assert_int_equal(c.failure.status, 503);
        assert_string_equal(c.failure.code, "memory_held");
        assert_int_equal(c.failure.retry_after_s, 15);
        assert_int_equal(c.failure.should_retry, 1);
        assert_non_null(strstr(c.failure.message, "headroom -12 MiB, gone in 8 s"));
}

static bool told;
static struct failure told_failure;

static void on_job_done(void *user, const struct failure *failure) {
        (void) user;
        told = true;
        told_failure = failure ? *failure : (struct failure){ 0 };
}

static void the_operator_waits_too_but_not_for_ever(void **state) {
        (void) state;
        w.config.wait_timeout_ms = 400;
        add_model("");
        open_fleet();
        hold(true, false, false);
        told = false;
        fleet_load(w.fleet, "a", on_job_done, NULL);
        eventually(told);
        assert_string_equal(told_failure.code, "memory_held");
        eventually(life_of(0) == MODEL_ABSENT);
        assert_int_equal(status_of(0).loads, 0);
}

static void held_growth_lets_what_runs_end(void **state) {
        (void) state;
        add_model("tokens=40\ntoken_ms=10\n");
        open_fleet();
        struct client c[3] = { 0 };
        submit(&c[0], "a", REQUEST_INTERACTIVE);
        eventually(c[0].starts);
        hold(true, true, true);
        submit(&c[1], "a", REQUEST_INTERACTIVE);
        submit(&c[2], "a", REQUEST_INTERACTIVE);
        eventually(c[0].ended);
        assert_false(c[1].starts || c[2].starts);
        eventually(c[1].starts); /* nothing runs: one goes, the longest waiting */
        wait_ms(100);
        assert_false(c[2].starts);
        eventually(c[2].ended); /* and the next */
}

static void held_growth_lets_the_longest_waiting_go_first(void **state) {
        (void) state;
        add_model("tokens=20\ntoken_ms=10\n");
        add_model("tokens=20\ntoken_ms=10\n");
        open_fleet();
        struct client c[4] = { 0 };
        submit(&c[0], "a", REQUEST_INTERACTIVE);
        submit(&c[1], "b", REQUEST_INTERACTIVE);
        eventually(all_done(c, 2));
        hold(true, true, true);
        submit(&c[2], "b", REQUEST_INTERACTIVE);
        wait_ms(20);
        submit(&c[3], "a", REQUEST_INTERACTIVE);
        eventually(c[2].starts);
        assert_false(c[3].starts);
        eventually(all_done(c, 4));
}

static void held_batch_waits_behind_nobody(void **state) {
        (void) state;
        w.config.wait_timeout_ms = 2000;
        add_model("");
        open_fleet();
        hold(false, false, true);
        struct client c[2] = { 0 };
        submit(&c[0], "a", REQUEST_BATCH);
        eventually(strstr(c[0].why, "too hot"));
        assert_int_equal(status_of(0).loads, 0); /* for a batch request alone nothing is loaded */
        submit(&c[1], "a", REQUEST_INTERACTIVE);
        eventually(c[1].ended);
        assert_false(c[0].starts);
        eventually(c[0].failed);
        assert_string_equal(c[0].failure.code, "too_hot");
        assert_int_equal(c[0].failure.retry_after_s, 60);
        assert_non_null(
                strstr(c[0].failure.message, "(coretemp Package id 0 (sensor 1a2b3c4d) is at 91.5 degrees, 8.5 below critical)"));
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_fixture(interactive_ones_go_first),
                with_fixture(a_batch_one_ages_into_the_queue),
                with_fixture(a_model_has_a_class_of_its_own),
                with_fixture(held_loads_wait_and_are_told_why),
                with_fixture(held_for_too_long_is_refused_with_the_numbers),
                with_fixture(the_operator_waits_too_but_not_for_ever),
                with_fixture(held_growth_lets_what_runs_end),
                with_fixture(held_growth_lets_the_longest_waiting_go_first),
                with_fixture(held_batch_waits_behind_nobody),
        };
        return run_with_fixtures(argc, argv, tests);
}
