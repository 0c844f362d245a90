/*
 * test_governor.c - the governor's whole tick: a box that is played by files makes it look, decide, act on real processes, verify
 * and record.
 */
#include "tests/unit/daemon/governor/governor_fixture.h"

#include "ctl/simulate/scenario.h"

/* Lets memory fall by STEP MiB every 100 ms until CONDITION. */
#define falling_until(FROM, STEP, CONDITION)                              \
        do {                                                              \
                int64_t falling_mib = (FROM);                             \
                for (int step = 0; step < 200 && !(CONDITION); step++) {  \
                        falling_mib -= falling_mib > (STEP) ? (STEP) : 0; \
                        set_meminfo((uint64_t) falling_mib);              \
                        until_for(100, CONDITION);                        \
                }                                                         \
                if (!(CONDITION))                                         \
                        fail_msg("never came true: %s", #CONDITION);      \
        } while (0)

static const struct event *event_of(enum action_kind kind) {
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                if (e->kind == EVENT_ACTION && e->action.kind == kind)
                        return e;
        return NULL;
}

static const char *sentences_of(uint32_t model) {
        static char text[8192];
        cJSON *json = governor_explain_json(governor, model);
        const cJSON *sentence;
        text[0] = '\0';
        cJSON_ArrayForEach(sentence, cJSON_GetObjectItem(json, "sentences"))
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", sentence->valuestring);
        cJSON_Delete(json);
        return text;
}

/* The recorded flight, decided again by the same policy, has the same actions. */
static void must_replay(void) {
        static struct past past;
        static struct plan plan;
        struct text out = { 0 };
        struct recorder *record = governor_record(governor);
        recorder_print(record, &out);
        recorder_free(record);
        struct scenario *s = malloc(sizeof(*s));
        uint32_t actions = 0, planned = 0;
        memset(&past, 0, sizeof(past));
        scenario_init(s, out.bytes, out.used);
        while (scenario_next(s) == 1) {
                char failed[SCENARIO_ERROR_MAX] = "";
                policy_decide(&s->limits, &s->snapshot, &past, &plan);
                actions += plan.actions_count;
                (void) failed;
        }
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                planned += e->kind == EVENT_ACTION;
        assert_int_equal(actions, planned);
        assert_true(planned > 0);
        assert_memory_equal(&past, &governor->past, sizeof(past));
        free(s);
        text_done(&out);
}

static bool has_event(enum event_kind kind) {
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                if (e->kind == kind)
                        return true;
        return false;
}

static void memory_that_runs_out_is_met_in_time(void **state) {
        (void) state;
        struct client c = { 0 }, late = { 0 };
        w.config.wait_timeout_ms = 60000;
        add_model("token_ms=5\nkv_hold=8388608\nprefix_hold=1048576\nheartbeat_ms=50\nkv_floor=q8_0\n")->kv_floor = KV_Q8_0;
        add_model("");
        open_governor();
        ask_for(&c, "a", 100000);
        ask(&late, "b");
        eventually(c.text[0] && late.ended);
        eventually(view_of(0)->kv_bytes[KV_F16] == 8388608);
        assert_false(has_event(EVENT_ACTION)); /* quiet world */
        assert_true(has_event(EVENT_LOAD));
        w.fleet->models[1]->engine.last_end_ms -= IN_USE_MS; /* its client has gone */

        falling_until(3000, 60, event_of(ACTION_DOWNSHIFT) != NULL);
        assert_true(governor->plan.hold_loads && governor->plan.hold_growth);
        eventually(view_of(0)->level == KV_Q8_0);
        eventually(event_of(ACTION_DOWNSHIFT)->verified);
        const struct event *e = event_of(ACTION_DOWNSHIFT);
        assert_int_equal(e->result, EVENT_DONE);
        assert_int_equal(e->because, REASON_FORECAST);
        assert_true(e->freed_bytes >= e->action.expected_bytes * 3 / 4);
        assert_true(e->exhaustion_ms < 20000);
        assert_false(c.failed || c.ended); /* the stream goes on */
        assert_non_null(
                strstr(sentences_of(0), "its KV cache was lowered to q8_0, because at this pace memory will soon be gone"));
        assert_non_null(strstr(sentences_of(0), "came back"));
        assert_non_null(strstr(sentences_of(0), "after 5 min of calm"));

        /* The other one was idle, so it went before. */
        assert_non_null(event_of(ACTION_EVICT));
        assert_true(event_of(ACTION_EVICT)->number <= e->number);
        struct client held = { 0 };
        ask(&held, "b");
        eventually(strstr(held.why, "memory is running short"));
        assert_int_equal(status_of(1).loads, 1);
        must_replay();
        request_cancel(held.request);
        request_cancel(c.request);
        close_governor();
        assert_false(w.fleet->gate.loads);
}

static void not_seeing_is_no_reason_to_act(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model(BUSY);
        open_governor();
        ask_for(&c, "a", 100000);
        eventually(c.starts && governor->looks > 3);
        write_file(path_in("meminfo"), "garbage\n");
        eventually(governor->snapshot.memory_blind);
        until_for(500, false);
        for (struct event *e = events_next(&governor->events, 0); e; e = events_next(&governor->events, e->number))
                assert_int_equal(e->kind == EVENT_ACTION, 0);
        assert_true(has_event(EVENT_BLIND));
        assert_false(c.failed);
        set_meminfo(3000);
        eventually(!governor->snapshot.memory_blind);
        request_cancel(c.request);
        close_governor();
}

static void switched_off_it_only_looks(void **state) {
        (void) state;
        struct client c = { 0 };
        add_model("token_ms=5\nkv_hold=8388608\nheartbeat_ms=50\n")->kv_floor = KV_Q8_0;
        open_governor();
        w.config.governor_enabled = false;
        governor->limits.passive = true;
        ask_for(&c, "a", 100000);
        eventually(c.starts && view_of(0)->kv_bytes[KV_F16] > 0);
        falling_until(3000, 100, governor->plan.rung >= RUNG_HOLD && governor->plan.headroom_bytes < 0);
        assert_int_equal(view_of(0)->level, KV_F16);
        assert_false(w.fleet->gate.loads);
        assert_null(event_of(ACTION_DOWNSHIFT));
        assert_non_null(strstr(sentences_of(0), "switched off"));
        request_cancel(c.request);
        close_governor();
}

/* It does nothing about an emergency, so nothing comes before the loads. */
static void switched_off_it_loads_in_an_emergency_too(void **state) {
        (void) state;
        static const struct governed nobody;
        struct client c = { 0 }, late = { 0 };
        add_model("token_ms=5\nkv_hold=8388608\nheartbeat_ms=50\n")->kv_floor = KV_Q8_0;
        add_model("");
        open_governor();
        w.config.governor_enabled = false;
        governor->limits.passive = true;
        ask_for(&c, "a", 100000);
        eventually(c.starts && view_of(0)->kv_bytes[KV_F16] > 0);
        fleet_govern(w.fleet, &nobody, NULL); /* every look is one of these */
        uint64_t available_mib = 3000;
        do {
                available_mib -= available_mib > 100 ? 100 : 0;
                set_meminfo(available_mib);
                until_for(100, false);
                governor_look(governor, fleet_clock_ms(), false);
                if (governor->plan.emergency && governor->plan.loads_count == 0 && life_of(1) == MODEL_ABSENT)
                        ask(&late, "b");
        } while (available_mib > 100 && governor->plan.loads_count == 0);
        assert_true(governor->plan.emergency);
        assert_int_equal(governor->plan.loads[0].verdict, VERDICT_ADMIT);
        assert_int_equal(life_of(1), MODEL_LOADING);
        request_cancel(late.request);
        request_cancel(c.request);
        close_governor();
}

static void who_waits_without_an_answer_has_no_numbers(void **state) {
        (void) state;
        static const struct governed nobody;
        struct client c = { 0 };
        add_model("");
        open_governor();
        fleet_govern(w.fleet, &nobody, NULL);
        ask(&c, "a");
        eventually(life_of(0) == MODEL_WAITING);
        assert_non_null(strstr(sentences_of(0), "waits for room.\n"));
        request_cancel(c.request);
        close_governor();
}

/* A client that asks over and over for a model that never fits: it is told each time, and the recorder keeps more than that. */
static void refusals_do_not_flood_the_recorder(void **state) {
        (void) state;
        struct client c = { 0 };
        uint32_t refused = 0;
        add_model("weights=209715200\n"); /* twice the budget */
        open_governor();
        ask(&c, "a");
        eventually(c.failed); /* inspected by now */
        uint64_t looks = governor->looks, begun_ms = fleet_clock_ms();
        while (fleet_clock_ms() - begun_ms < 500) {
                ask(&c, "a");
                eventually(c.failed);
                assert_string_equal(c.failure.code, "never_fits");
                refused++;
        }
        assert_true(refused >= 5);
        assert_true(governor->looks - looks <= (fleet_clock_ms() - begun_ms) / LOOK_LEAST_MS + 3);
        close_governor();
}

static void pressure_is_a_reason_to_look_sooner(void **state) {
        (void) state;
        add_model("");
        assert_int_equal(mkfifo(path_in("pressure"), 0600), 0);
        assert_int_equal(setenv("MEMORY_PRESSURE_WATCH", path_in("pressure"), 1), 0);
        open_governor();
        int fd = open(path_in("pressure"), O_RDWR);
        until_for(300, false);
        (void) uv_timer_stop(&w.fleet->timer); /* nothing else will make it look */
        uint64_t looks = governor->looks;
        assert_int_equal(write(fd, "x", 1), 1);
        eventually(governor->looks > looks);
        assert_int_equal(close(fd), 0);
        assert_int_equal(unsetenv("MEMORY_PRESSURE_WATCH"), 0);
        close_governor();
}

/* --- events --- */

static void refuse_once_more(void) {
        struct client c = { 0 };
        ask(&c, "a");
        eventually(c.failed);
        assert_string_equal(c.failure.code, "never_fits");
}

static void the_same_refusal_is_no_news(void **state) {
        (void) state;
        add_model("weights=209715200\n");
        open_governor();
        for (int i = 0; i < 5; i++)
                refuse_once_more();
        assert_int_equal(governor->events.count, 1);
        assert_int_equal(events_next(&governor->events, 0)->kind, EVENT_REFUSAL);
        events_next(&governor->events, 0)->tick_ms -= REFUSAL_AGAIN_MS + 1000;
        refuse_once_more();
        assert_int_equal(governor->events.count, 2);
        close_governor();
}

static void events_are_a_ring(void **state) {
        (void) state;
        static struct events e;
        struct plan plan = plan_of((struct action){ 0 });
        memset(&e, 0, sizeof(e));
        assert_null(events_next(&e, 0));
        for (uint64_t i = 1; i <= EVENTS_MAX + 10; i++) {
                struct event *event = events_add(&e, EVENT_ACTION, i, &plan);
                event->action = (struct action){ .kind = ACTION_TRIM, .model = (uint32_t) (i % 3) };
                assert_int_equal(event->number, i);
        }
        assert_int_equal(events_next(&e, 0)->number, 11);
        assert_int_equal(events_next(&e, 100)->number, 101);
        assert_null(events_next(&e, EVENTS_MAX + 10));
        assert_null(events_next(&e, UINT64_MAX));
        assert_int_equal(events_find_action(&e, ACTION_TRIM, 1, EVENTS_MAX + 10, 100)->number % 3, 1);
        assert_null(events_find_action(&e, ACTION_END, 1, EVENTS_MAX + 10, 100));
        assert_null(events_find_action(&e, ACTION_TRIM, 1, EVENTS_MAX + 1000, 100));
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                with_governor(memory_that_runs_out_is_met_in_time),
                with_governor(not_seeing_is_no_reason_to_act),
                with_governor(switched_off_it_only_looks),
                with_governor(switched_off_it_loads_in_an_emergency_too),
                with_governor(who_waits_without_an_answer_has_no_numbers),
                with_governor(refusals_do_not_flood_the_recorder),
                with_governor(pressure_is_a_reason_to_look_sooner),
                with_governor(the_same_refusal_is_no_news),
                cmocka_unit_test(events_are_a_ring),
        };
        return run_with_fixtures(argc, argv, tests);
}
