/*
 * test_outlook.c - what a request that waits is told of its turn, and one that is turned away of the next free place, with engines that do as
 * they are told.
 */
#include "tests/unit/daemon/models/models_fixture.h"

/* One at a time, each 400 ms: what was measured is what is told. */
static void each_waiter_knows_its_place_and_time(void **state) {
        (void) state;
        add_model("parallel=1\ntoken_ms=20\ntokens=20\n");
        open_fleet();
        struct client c[4] = { 0 };
        ask(&c[0], "a");
        eventually(c[0].ended);
        uint64_t usual_ms = w.fleet->models[0]->service_ms;
        assert_in_range(usual_ms, 380, PATIENCE_MS);
        for (int i = 0; i < 4; i++)
                ask(&c[i], "a");
        eventually(c[0].starts > 0);
        assert_int_equal(request_outlook(c[0].request).position, 0); /* it does not wait */
        for (uint32_t i = 1; i < 4; i++) {
                struct outlook o = request_outlook(c[i].request);
                assert_int_equal(o.position, i);
                assert_int_equal(o.expected_ms, i * usual_ms);
        }
        request_cancel(c[1].request); /* who leaves frees its place at once */
        assert_int_equal(request_outlook(c[3].request).position, 2);
        eventually(c[0].ended && c[2].ended && c[3].ended);
}

/* Else a client that often counts its prompts would have all others told of turns that never come so soon. */
static void who_only_looks_is_no_measure(void **state) {
        (void) state;
        static const enum request_kind kinds[] = { REQUEST_COUNT, REQUEST_TOKENS, REQUEST_TEXT, REQUEST_TEMPLATE };
        add_model("token_ms=1\ntokens=1\n");
        open_fleet();
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.ended);
        w.fleet->models[0]->service_ms = 8000;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                c = (struct client){ 0 };
                assert_int_equal(ask_with(&c, "a", kinds[i], &client_events, "{}"), 0);
                eventually(c.ended);
                assert_int_equal(w.fleet->models[0]->service_ms, 8000);
        }
}

static void the_load_counts_before_the_turn(void **state) {
        (void) state;
        add_model("load_ms=600\n");
        open_fleet();
        struct client c = { 0 };
        w.fleet->models[0]->load_ms = 5000; /* as it took the last time */
        ask(&c, "a");
        eventually(life_of(0) == MODEL_LOADING);
        assert_in_range(request_outlook(c.request).expected_ms, 3000, 5000);
        eventually(c.ended);
        assert_in_range(w.fleet->models[0]->load_ms, 600, 4999);
}

/* Nobody can say when what is held goes on. */
static void what_is_held_has_no_time(void **state) {
        (void) state;
        add_model("");
        open_fleet();
        struct client c = { 0 };
        w.fleet->gate.batch = true;
        w.fleet->gate.batch_because = REASON_TOO_HOT;
        w.models[0].batch = true;
        ask(&c, "a");
        assert_int_equal(request_outlook(c.request).position, 1);
        assert_true(request_outlook(c.request).expected_ms == UINT64_MAX);
        request_cancel(c.request);
}

/* The first who is turned away has the place that becomes free first, the next one the next. */
static void who_is_turned_away_is_told_when_to_come_back(void **state) {
        (void) state;
        add_model("parallel=2\ntoken_ms=50\n");
        w.models[0].parallel = 2;
        w.models[0].queue = 2;
        open_fleet();
        struct client c[4] = { 0 }, late[3] = { 0 };
        ask_for(&c[0], "a", 1);
        eventually(c[0].ended);
        w.fleet->models[0]->service_ms = 8000;
        for (int i = 0; i < 4; i++)
                ask_for(&c[i], "a", 40);
        eventually(c[0].starts + c[1].starts == 2);
        static const unsigned after_s[] = { 4, 8, 12 };
        for (int i = 0; i < 3; i++) {
                assert_int_equal(ask_with(&late[i], "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
                assert_string_equal(late[i].failure.code, "concurrency_limit");
                assert_int_equal(late[i].failure.retry_after_s, after_s[i]);
        }
        eventually(w.fleet->models[0]->away == 1); /* two of the waiting have begun */
        assert_int_equal(ask_with(&late[0], "a", REQUEST_COUNT, &client_events, "{}"), 0);
        eventually(all_done(c, 4) && late[0].ended);
}

/* Its room is kept from another model while that is asked for; who would wait too long for it is told at once, with the name and the time. */
static void a_protected_model_stays(void **state) {
        (void) state;
        add_model("weights=62914560\n");
        add_model("weights=62914560\n");
        w.config.min_residency_ms = 0;
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        request_protect(a.request, 900);
        eventually(a.ended);
        uint64_t ended_ms = uv_hrtime() / 1000000;
        ask(&b, "b");
        eventually(b.why[0]);
        assert_non_null(strstr(b.why, "protected"));
        assert_in_range(request_outlook(b.request).expected_ms, 1, 2500);
        eventually(b.ended);
        assert_true(uv_hrtime() / 1000000 - ended_ms >= 890);

        assert_int_equal(fleet_protect(w.fleet, "b", 30000), 0);
        assert_in_range(status_of(1).protected_ms, 20000, 30000);
        ask(&a, "a");
        eventually(a.failed);
        assert_string_equal(a.failure.code, "protected");
        assert_non_null(strstr(a.failure.message, "'b' is protected from other models for "));
        assert_in_range(a.failure.retry_after_s, 20, 30);
        assert_int_equal(life_of(1), MODEL_READY);
        assert_int_equal(fleet_protect(w.fleet, "b", 0), 0);
        assert_int_equal(fleet_protect(w.fleet, "nobody", 0), -ENOENT);
        ask(&a, "a");
        eventually(a.ended);
}

/* It is not the hour: whoever would have been given up by then is told at once, the interactive class not at all. */
static void nobody_waits_for_hours_that_are_far(void **state) {
        (void) state;
        add_model("");
        w.config.batch_hours = "22:00-07:00";
        open_fleet();
        struct client a = { 0 };
        w.fleet->gate = (struct gate){ .batch = true,
                                       .batch_because = REASON_BATCH_HOURS,
                                       .batch_opens_ms = uv_hrtime() / 1000000 + 3630000 };
        w.models[0].batch = true;
        assert_int_equal(ask_with(&a, "a", REQUEST_CHAT, &client_events, "{}"), -EAGAIN);
        assert_string_equal(a.failure.code, "batch_hours");
        assert_non_null(strstr(a.failure.message, "begin in the hours 22:00-07:00, in 60 min"));
        assert_int_equal(a.failure.retry_after_s, 120);
        assert_int_equal(a.failure.should_retry, 0);
        w.fleet->gate.batch_opens_ms = uv_hrtime() / 1000000 + 5000; /* it is worth waiting */
        ask(&a, "a");
        request_cancel(a.request);
        w.models[0].batch = false;
        ask(&a, "a");
        eventually(a.ended);
}

static void batch_protects_nothing_and_use_does_as_configured(void **state) {
        (void) state;
        add_model("")->protect_ms = 5000;
        add_model("")->batch = true;
        open_fleet();
        struct client a = { 0 }, b = { 0 };
        ask(&a, "a");
        ask(&b, "b");
        request_protect(b.request, 60000);
        eventually(a.ended && b.ended);
        assert_in_range(status_of(0).protected_ms, 1, 5000);
        assert_int_equal(status_of(1).protected_ms, 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_fixture(each_waiter_knows_its_place_and_time),
                with_fixture(who_only_looks_is_no_measure),
                with_fixture(the_load_counts_before_the_turn),
                with_fixture(what_is_held_has_no_time),
                with_fixture(who_is_turned_away_is_told_when_to_come_back),
                with_fixture(a_protected_model_stays),
                with_fixture(nobody_waits_for_hours_that_are_far),
                with_fixture(batch_protects_nothing_and_use_does_as_configured),
        };
        return run_with_fixtures(argc, argv, tests);
}
