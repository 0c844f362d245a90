/*
 * test_policy_thermal.c - the controller of heat against a die and a sink, and each thing that a sensor can do wrong.
 *
 * Run with HEADROOM_FIGURES=1 it prints the figures of each load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/heat/thermal.h"
#include "tests/thermal_model.h"

#define TARGET  85.0
#define HOUR_MS 3600000u

static const struct limits limits = { .margin_target_millidegrees = 15000, .critical_default_millidegrees = 100000 };

static double speed_of(const struct heat *heat) {
        return heat->duty_permille * (double) heat->threads_permille / 1e6;
}

/* The results of a run of hours. */
struct figures {
        double changes_an_hour, hottest, throughput, ideal;
        double longest_above_s; /* in a row, over target + 3 */
};

static double sustained(uint64_t ms) {
        (void) ms;
        return 1;
}

static double bursts(uint64_t ms) {
        return ms % 90000 < 60000 ? 1 : 0.05;
}

static double an_agent(uint64_t ms) {
        return ms % 12000 < 8000 ? 1 : 0.05;
}

static double ideal_throughput(const struct thermal_box *box, double (*load)(uint64_t), uint64_t hours) {
        struct thermal_world w;
        thermal_world_init(&w, box, 25, 1);
        double done = 0, asked = 0;
        for (uint64_t end = hours * HOUR_MS; w.now_ms < end;) {
                w.ambient = w.now_ms < end / 2 ? 25 : 35;
                double now = load(w.now_ms);
                /* The ideal one knows the load as well. */
                double speed = thermal_world_ideal(&w, TARGET) / now;
                w.speed = w.speed_wanted = speed > 1 ? 1 : speed;
                done += w.speed * now;
                asked += now;
                thermal_world_step(&w, now);
        }
        return done / asked;
}

static struct figures run(const struct thermal_box *box, double (*load)(uint64_t), uint64_t hours, uint64_t read_every_ms,
                          uint32_t seed) {
        struct thermal_world w;
        struct thermal t = { 0 };
        struct figures f = { 0 };
        struct snapshot snapshot = { .sensors_count = 1 };
        double done = 0, asked = 0, above_s = 0;
        uint32_t changes = 0, level = 0;
        thermal_world_init(&w, box, 25, seed);
        for (uint64_t end = hours * HOUR_MS; w.now_ms < end;) {
                w.ambient = w.now_ms < end / 2 ? 25 : 35;
                bool reads = w.now_ms % read_every_ms == 0;
                snapshot.now_ms = 5000000 + w.now_ms;
                snapshot.sensors[0] = (struct sensor_view){
                        .key = 77, .control = true, .critical_millidegrees = 100000, .state = reads ? SENSOR_READ : SENSOR_OLD
                };
                if (reads)
                        snapshot.sensors[0].millidegrees = thermal_world_read(&w);
                struct heat heat = policy_thermal(&t, &limits, &snapshot);
                changes += heat.level != level;
                level = heat.level;
                thermal_world_ask(&w, speed_of(&heat));
                double now = load(w.now_ms);
                done += w.speed * now;
                asked += now;
                thermal_world_step(&w, now);
                above_s = w.die > TARGET + 3 ? above_s + THERMAL_STEP_MS / 1000.0 : 0;
                f.longest_above_s = above_s > f.longest_above_s ? above_s : f.longest_above_s;
                f.hottest = w.die > f.hottest ? w.die : f.hottest;
        }
        f.changes_an_hour = changes / (double) hours;
        f.throughput = done / asked;
        f.ideal = ideal_throughput(box, load, hours);
        return f;
}

static void loads_of_hours(void **state) {
        (void) state;
        static const struct {
                const char *what;
                const struct thermal_box *box;
                double (*load)(uint64_t);
                uint64_t read_every_ms;
        } rows[] = {
                { "desktop, sustained", &thermal_desktop, sustained, 1000 },
                { "desktop, sustained, read every 2 s", &thermal_desktop, sustained, 2000 },
                { "laptop, sustained", &thermal_laptop, sustained, 1000 },
                { "laptop, sustained, read every 2 s", &thermal_laptop, sustained, 2000 },
                { "server, sustained", &thermal_server, sustained, 1000 },
                { "server, sustained, read every 2 s", &thermal_server, sustained, 2000 },
                { "desktop, 60 s of work, 30 s of rest", &thermal_desktop, bursts, 1000 },
                { "laptop, 60 s of work, 30 s of rest", &thermal_laptop, bursts, 1000 },
                { "server, 60 s of work, 30 s of rest", &thermal_server, bursts, 2000 },
                { "desktop, 8 s of work, 4 s of rest", &thermal_desktop, an_agent, 1000 },
                { "laptop, 8 s of work, 4 s of rest", &thermal_laptop, an_agent, 1000 },
                { "server, 8 s of work, 4 s of rest", &thermal_server, an_agent, 2000 },
        };
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
                for (uint32_t seed = 1; seed <= 3; seed++) {
                        struct figures f = run(rows[r].box, rows[r].load, 4, rows[r].read_every_ms, seed);
                        if (getenv("HEADROOM_FIGURES") != NULL)
                                print_message(
                                        "%s: %.0f changes/h, hottest %.1f, longest over target + 3: %.1f s, throughput %.1f %% (ideal %.1f %%: %.1f %% of it)\n",
                                        rows[r].what, f.changes_an_hour, f.hottest, f.longest_above_s, 100 * f.throughput,
                                        100 * f.ideal, 100 * f.throughput / f.ideal);
                        if (f.changes_an_hour > 80 || f.longest_above_s > 30 || f.throughput < 0.9 * f.ideal)
                                fail_msg("%s: %.0f changes/h, %.1f s over target + 3, %.2f of the ideal", rows[r].what,
                                         f.changes_an_hour, f.longest_above_s, f.throughput / f.ideal);
                }
        }
}

/* clang-format off */
/* One token a second: degrees; x missed, o nothing new, z asleep, - not listed; t: 60 degrees, and the processor has throttled. */
static const struct {
        const char *what, *tokens;
        int32_t critical;     /* degrees; 0: not told */
        bool not_for_control, ignored;
        uint32_t level;       /* after the last token; LEAST: the lowest; below it only told whether full or not */
        enum reason because;
        int32_t margin;       /* degrees; NONE: none */
} faults[] = {
#define LEAST (HEAT_LEVELS - 1)
#define NONE  INT32_MAX
        { "cool: full speed",                                "50 50 51 50 52", 100, false, false, 0, REASON_NONE, 50 },
        { "the first reading may be a lie: no reason to act", "120 50", 100, false, false, 0, REASON_NONE, NONE },
        { "no reading yet: no reason to act",                "o o o", 100, false, false, 0, REASON_NONE, NONE },
        { "one miss: the last value holds",                  "50 50 50 x", 100, false, false, 0, REASON_NONE, 50 },
        { "two misses: still",                               "50 50 50 x x", 100, false, false, 0, REASON_NONE, 50 },
        { "three misses: lost, as if hot",                   "50 50 50 x x x", 100, false, false, LEAST, REASON_SENSOR_LOST, NONE },
        { "never read: unknown, not lost",                   "x x x x x x", 100, false, false, 0, REASON_NONE, NONE },
        { "never a believable value: unknown, not lost",     "0 -49 -128 0 0 0", 100, false, false, 0, REASON_NONE, NONE },
        { "asleep, then nonsense: still nothing to lose",    "z -49 -49 -49 -49", 100, false, false, 0, REASON_NONE, NONE },
        { "nonsense at first, then a value, then lost",      "0 0 0 0 50 x x x", 100, false, false, LEAST, REASON_SENSOR_LOST, NONE },
        { "not listed any more: the same",                   "50 50 50 - - -", 100, false, false, LEAST, REASON_SENSOR_LOST, NONE },
        { "three readings of nonsense are three misses",     "50 50 50 0 -127 255", 100, false, false, LEAST, REASON_SENSOR_LOST, NONE },
        { "zero is nonsense, not cold",                      "98 98 98 0", 100, false, false, LEAST, REASON_HEAT, 2 },
        { "old values between two readings are no misses",   "50 50 o o o o 50 o o o o o o", 100, false, false, 0, REASON_NONE, 50 },
        { "lost and back: hot for half a minute more",       "50 x x x 50 50 50", 100, false, false, LEAST, REASON_SENSOR_LOST, 50 },
        { "one spike to 120 does nothing",                   "50 50 50 120 50 50", 100, false, false, 0, REASON_NONE, 50 },
        { "two spikes that could be reached do nothing yet", "50 50 50 74 98 50", 100, false, false, 0, REASON_NONE, 50 },
        { "really hot: five degrees to critical",            "96 96 96", 100, false, false, LEAST, REASON_HEAT, 4 },
        { "a critical of its own",                           "80 80 80", 84, false, false, LEAST, REASON_HEAT, 4 },
        { "a critical of 20.8 degrees is a mistake",         "50 50 50", 20, false, false, 0, REASON_NONE, 50 },
        { "a critical of -274 degrees too",                  "50 50 50", -274, false, false, 0, REASON_NONE, 50 },
        { "it does not tell: the default",                   "96 96 96", 0, false, false, LEAST, REASON_HEAT, 4 },
        { "asleep is cold",                                  "50 50 z z z z z z", 100, false, false, 0, REASON_NONE, NONE },
        { "a sensor that is only shown may be lost",         "50 50 x x x x", 100, true, false, 0, REASON_NONE, NONE },
        { "a sensor that is only shown may be hot",          "99 99 99", 100, true, false, 0, REASON_NONE, NONE },
        { "the processor throttles, at 60 degrees",          "60 60 t", 100, false, false, LEAST, REASON_THROTTLED, 40 },
        { "throttled long ago is not throttled now",         "60 60 60", 100, false, false, 0, REASON_NONE, 40 },
        { "heat is not to be controlled: seen, not acted on", "99 99 99 x x x", 100, false, true, 0, REASON_NONE, NONE },
};
/* clang-format on */

static void what_sensors_do_wrong(void **state) {
        (void) state;
        for (size_t r = 0; r < sizeof(faults) / sizeof(faults[0]); r++) {
                struct thermal t = { 0 };
                struct limits with = limits;
                with.heat_ignored = faults[r].ignored;
                struct snapshot snapshot = { .now_ms = 1000000, .throttles = 500 };
                struct heat heat = { 0 };
                for (const char *at = faults[r].tokens; *at != 0; at += strcspn(at, " "), at += strspn(at, " ")) {
                        struct sensor_view v = { .key = 5,
                                                 .control = !faults[r].not_for_control,
                                                 .state = SENSOR_READ,
                                                 .critical_millidegrees = 1000 * faults[r].critical };
                        snapshot.sensors_count = *at == '-' && at[1] == ' ' ? 0 : *at == '-' && at[1] == 0 ? 0 : 1;
                        if (*at == 't') {
                                snapshot.throttles += 3;
                                v.millidegrees = 60000;
                        } else {
                                v.state = *at == 'x'   ? SENSOR_MISSED
                                          : *at == 'o' ? SENSOR_OLD
                                          : *at == 'z' ? SENSOR_ASLEEP
                                                       : SENSOR_READ;
                                v.millidegrees = 1000 * atoi(at);
                        }
                        snapshot.now_ms += 1000;
                        snapshot.sensors[0] = v;
                        heat = policy_thermal(&t, &with, &snapshot);
                }
                int32_t margin = faults[r].margin == NONE ? NONE : 1000 * faults[r].margin;
                if (heat.level != faults[r].level || heat.because != faults[r].because || heat.margin_millidegrees != margin)
                        fail_msg("%s: level %u because %s, margin %d", faults[r].what, heat.level,
                                 reason_info(heat.because)->word, heat.margin_millidegrees);
        }
}

/* A sensor that is broken must not hide another that is hot, nor one that is fine make up for one that is lost. */
static void sensors_are_judged_alone(void **state) {
        (void) state;
        struct thermal t = { 0 };
        struct snapshot snapshot = { .now_ms = 1000000, .sensors_count = 2 };
        struct heat heat = { 0 };
        for (int i = 0; i < 10; i++) {
                snapshot.now_ms += 1000;
                snapshot.sensors[0] =
                        (struct sensor_view){ .key = 1, .control = false, .state = SENSOR_READ, .millidegrees = -99999999 };
                snapshot.sensors[1] =
                        (struct sensor_view){ .key = 2, .control = true, .state = SENSOR_READ, .millidegrees = 40000 + 5500 * i };
                /* Renumbered from look to look: only the key counts. */
                if (i % 2 == 1) {
                        struct sensor_view first = snapshot.sensors[0];
                        snapshot.sensors[0] = snapshot.sensors[1];
                        snapshot.sensors[1] = first;
                }
                heat = policy_thermal(&t, &limits, &snapshot);
        }
        assert_int_equal(heat.margin_millidegrees, 100000 - 40000 - 7 * 5500);
        for (int i = 0; i < 4; i++) {
                snapshot.now_ms += 1000;
                snapshot.sensors[0] = (struct sensor_view){
                        .key = 3, .control = true, .state = i < 1 ? SENSOR_READ : SENSOR_MISSED, .millidegrees = 40000
                };
                snapshot.sensors[1] =
                        (struct sensor_view){ .key = 2, .control = true, .state = SENSOR_READ, .millidegrees = 70000 };
                heat = policy_thermal(&t, &limits, &snapshot);
        }
        assert_int_equal(heat.level, HEAT_LEVELS - 1);
        assert_int_equal(heat.because, REASON_SENSOR_LOST);
        assert_int_equal(heat.sensor, 3);
}

/* clang-format off */
/* One token a second: degrees/load in percent of the box; t/LOAD: the value before, and the processor has throttled. NxTOKEN: N times. */
static const struct {
        const char *what, *tokens;
        bool trusted;
        uint32_t level, stuck;
} followings[] = {
        { "a guest that always reads 100: not obeyed",            "2x100/0 2x100/100 3x100/12", false, 0, 1 },
        { "... until then it is",                                 "2x100/0 2x100/100 1x100/12", false, LEAST, 0 },
        { "... unless the operator trusts it",                    "2x100/0 2x100/100 30x100/12", true, LEAST, 0 },
        { "one that always reads 45: said as well",               "2x45/0 2x45/100 2x45/0", false, 0, 1 },
        { "really hot and hard at work: obeyed",                  "2x97/0 400x100/100", false, LEAST, 0 },
        { "100 at rest and 100 at work, for a minute",            "3x100/0 59x100/12", false, 0, 1 },
        { "really hot, others keep the box busy while we pause",  "2x100/98 10x100/95 10x100/100 30x100/92", false, LEAST, 0 },
        { "really hot, and one digit of noise: obeyed",           "2x100/0 2x100/100 1x99/100 2x100/12 10x100/0", false, LEAST, 0 },
        { "hot at half load and at full, as it is built to be",   "2x95/50 200x95/100 200x95/40 200x95/100", false, LEAST, 0 },
        { "the load is not known yet: that is no rest",           "2x100/? 10x100/100 1x100/12", false, LEAST, 0 },
        { "a moment's load is none",                              "100/0 100/100 100/0 100/100 100/0 100/100 100/0 100/100", false, LEAST, 0 },
        { "the processor counts that it throttles: real",         "2x100/0 2x100/100 t/100 1x100/12 100/12", false, LEAST, 0 },
        { "stuck, and then it moves: obeyed at once",             "2x100/0 2x100/100 3x100/12 3x98/100", false, LEAST, 0 },
        { "it has moved before: not after ten changes of load",   "50/0 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0", false, LEAST, 0 },
        { "... but where that goes on for half an hour",          "50/0 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0 3x98/90 3x98/0 3x98/90 1800x98/0", false, 0, 1 },
        { "half an hour at one value and one load: obeyed",       "50/0 2000x98/40", false, LEAST, 0 },
};
/* clang-format on */

static void those_that_do_not_follow_the_load(void **state) {
        (void) state;
        for (size_t r = 0; r < sizeof(followings) / sizeof(followings[0]); r++) {
                struct thermal t = { 0 };
                struct snapshot snapshot = { .now_ms = 1000000, .throttles = 500, .sensors_count = 1 };
                struct heat heat = { 0 };
                int32_t degrees = 0;
                for (const char *at = followings[r].tokens; *at != 0; at += strcspn(at, " "), at += strspn(at, " ")) {
                        size_t digits = strspn(at, "0123456789");
                        bool is_repeated = at[digits] == 'x';
                        const char *token = is_repeated ? at + digits + 1 : at;
                        snapshot.throttles += *token == 't';
                        degrees = *token == 't' ? degrees : atoi(token);
                        const char *load = strchr(token, '/') + 1;
                        snapshot.load_permille = *load == '?' ? LOAD_UNKNOWN : 10 * strtoul(load, NULL, 10);
                        for (int times = is_repeated ? atoi(at) : 1; times > 0; times--) {
                                snapshot.now_ms += 1000;
                                snapshot.sensors[0] = (struct sensor_view){ .key = 5,
                                                                            .control = true,
                                                                            .trusted = followings[r].trusted,
                                                                            .state = SENSOR_READ,
                                                                            .critical_millidegrees = 100000,
                                                                            .millidegrees = 1000 * degrees };
                                heat = policy_thermal(&t, &limits, &snapshot);
                        }
                }
                if (heat.level != followings[r].level || heat.stuck_count != followings[r].stuck ||
                    heat.hold_batch != (heat.level == LEAST))
                        fail_msg("%s: level %u, %u stuck", followings[r].what, heat.level, heat.stuck_count);
        }
}

/* One that is stuck hides no other that is hot, and what was held for its sake is let go of at once. */
static void a_stuck_one_is_judged_alone(void **state) {
        (void) state;
        struct thermal t = { 0 };
        struct snapshot snapshot = { .now_ms = 1000000, .sensors_count = 2 };
        struct heat heat = { 0 };
        for (int i = 0; i < 12; i++) {
                snapshot.now_ms += 1000;
                snapshot.load_permille = i % 6 < 3 ? 0 : 900;
                snapshot.sensors[0] =
                        (struct sensor_view){ .key = 1, .control = true, .state = SENSOR_READ, .millidegrees = 100000 };
                snapshot.sensors[1] = (struct sensor_view){ .key = 2,
                                                            .control = true,
                                                            .state = SENSOR_READ,
                                                            .millidegrees = i < 10 ? 50000 + 100 * i : 50000 + 15500 * (i - 8) };
                heat = policy_thermal(&t, &limits, &snapshot);
                assert_int_equal(heat.level, i < 2 || (i >= 7 && i < 10) ? 0 : i < 7 ? HEAT_LEVELS - 1 : heat.level);
        }
        assert_int_equal(heat.stuck_count, 1);
        assert_int_equal(heat.stuck[0], 1);
        assert_int_equal(heat.sensor, 2);
}

/* Taken out for good: hot for ten minutes, then the other one is believed alone; and never more than 32 are kept. */
static void hardware_that_is_gone_is_forgotten(void **state) {
        (void) state;
        struct thermal t = { 0 };
        struct snapshot snapshot = { .now_ms = 1000000, .sensors_count = 2 };
        snapshot.sensors[0] = (struct sensor_view){ .key = 1, .control = true, .state = SENSOR_READ, .millidegrees = 40000 };
        snapshot.sensors[1] = (struct sensor_view){ .key = 2, .control = true, .state = SENSOR_READ, .millidegrees = 40000 };
        struct heat heat = policy_thermal(&t, &limits, &snapshot);
        snapshot.sensors_count = 1;
        for (int i = 0; i < 590; i++) {
                snapshot.now_ms += 1000;
                heat = policy_thermal(&t, &limits, &snapshot);
        }
        assert_int_equal(heat.because, REASON_SENSOR_LOST);
        for (int i = 0; i < 240; i++) {
                snapshot.now_ms += 1000;
                heat = policy_thermal(&t, &limits, &snapshot);
        }
        assert_int_equal(heat.level, 0);
        for (uint32_t key = 100; key < 400; key++) {
                snapshot.now_ms += 1000;
                snapshot.sensors[0].key = key;
                heat = policy_thermal(&t, &limits, &snapshot);
        }
        assert_int_equal(heat.because, REASON_SENSOR_LOST);
}

/* Between readings it is looked at twenty times a second: that is neither a miss nor a reason to run the controller. */
static void looks_without_readings_change_nothing(void **state) {
        (void) state;
        struct thermal often = { 0 }, seldom = { 0 };
        struct snapshot snapshot = { .now_ms = 1000000, .sensors_count = 1 };
        for (int i = 0; i < 4000; i++) {
                snapshot.now_ms += 50;
                snapshot.sensors[0] = (struct sensor_view){ .key = 1,
                                                            .control = true,
                                                            .state = i % 20 == 0 ? SENSOR_READ : SENSOR_OLD,
                                                            .millidegrees = 80000 + 1000 * (i / 400) };
                struct heat a = policy_thermal(&often, &limits, &snapshot);
                if (i % 20 != 0)
                        continue;
                struct heat b = policy_thermal(&seldom, &limits, &snapshot);
                assert_int_equal(a.level, b.level);
        }
}

/* All control sensors sleep after a hot life: there is nothing to wait for, so it speeds up again. */
static void who_sleeps_cools_down(void **state) {
        (void) state;
        struct thermal t = { 0 };
        struct snapshot snapshot = { .now_ms = 1000000, .sensors_count = 1 };
        struct heat heat = { 0 };
        for (int i = 0; i < 150; i++) {
                snapshot.now_ms += 1000;
                snapshot.sensors[0] = (struct sensor_view){
                        .key = 1, .control = true, .state = i < 5 ? SENSOR_READ : SENSOR_ASLEEP, .millidegrees = 99000
                };
                heat = policy_thermal(&t, &limits, &snapshot);
                assert_true(i < 2 || i > 30 || heat.level == HEAT_LEVELS - 1);
        }
        assert_int_equal(heat.level, 0);
}

static void batch_waits_in_windows(void **state) {
        (void) state;
        struct thermal t = { 0 };
        struct snapshot snapshot = { .now_ms = 1000000, .sensors_count = 1 };
        uint64_t held_s = 0, longest_s = 0, now_s = 0, windows = 0;
        for (int i = 0; i < 3600; i++) {
                snapshot.now_ms += 1000;
                snapshot.sensors[0] =
                        (struct sensor_view){ .key = 1, .control = true, .state = SENSOR_READ, .millidegrees = 97000 };
                bool held = policy_thermal(&t, &limits, &snapshot).hold_batch;
                windows += held && now_s == 0;
                now_s = held ? now_s + 1 : 0;
                held_s += held;
                longest_s = now_s > longest_s ? now_s : longest_s;
        }
        assert_in_range(longest_s, 299, 301);
        assert_in_range(held_s, 2900, 3100);
        assert_in_range(windows, 9, 11);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(loads_of_hours),
                cmocka_unit_test(what_sensors_do_wrong),
                cmocka_unit_test(sensors_are_judged_alone),
                cmocka_unit_test(those_that_do_not_follow_the_load),
                cmocka_unit_test(a_stuck_one_is_judged_alone),
                cmocka_unit_test(hardware_that_is_gone_is_forgotten),
                cmocka_unit_test(looks_without_readings_change_nothing),
                cmocka_unit_test(who_sleeps_cools_down),
                cmocka_unit_test(batch_waits_in_windows),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
