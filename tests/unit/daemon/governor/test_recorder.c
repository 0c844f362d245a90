/*
 * test_recorder.c - what the flight recorder prints is what was seen: random looks go in, and the simulator's reader gets them
 * out again, member by member; and the policy, asked anew, plans the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/simulate/scenario.h"
#include "daemon/base/bounds.h"
#include "daemon/governor/recorder.h"
#include "policy/record/snapshot_fields.h"
#include "tests/random_bits.h"

#define LOOKS 300u

static struct recorder *recorder;
static struct snapshot looks[LOOKS];
static struct plan plans[LOOKS];
static const struct limits limits = { .reserve_bytes = 1ull << 30,
                                      .min_residency_ms = 10000,
                                      .margin_target_millidegrees = 15000,
                                      .critical_default_millidegrees = 100000 };

static uint64_t any(uint64_t most) {
        return random_bits() % (most + 1);
}

static int set_up(void **state) {
        (void) state;
        random_state = 7;
        return recorder_new(&limits, &recorder);
}

static int tear_down(void **state) {
        (void) state;
        recorder_free(recorder);
        recorder = NULL;
        return 0;
}

static void any_object(const struct field *fields, void *object) {
        for (const struct field *f = fields; f->name; f++) {
                int64_t value = (int64_t) (random_bits() >> any(63));
                (void) (policy_field_set(f, object, value) || policy_field_set(f, object, value & 1));
        }
}

static void any_wants(struct snapshot *snapshot);

/* A box where everything changes all the time, and models and sensors come and go. */
static void any_look(struct snapshot *snapshot, const struct snapshot *before) {
        *snapshot = (struct snapshot){ .now_ms = before->now_ms + any(6000) };
        any_object(policy_snapshot_fields, snapshot);
        for (uint32_t key = 1; key <= SENSORS_MAX; key++)
                if (any(3) > 0) {
                        snapshot->sensors[snapshot->sensors_count].key = key * 0x1234567;
                        any_object(policy_sensor_fields, &snapshot->sensors[snapshot->sensors_count++]);
                }
        for (uint32_t id = 0; id < ACCOUNTS_MAX; id++)
                if (any(3) > 0) {
                        snapshot->models[snapshot->models_count].id = id * 7;
                        any_object(policy_model_fields, &snapshot->models[snapshot->models_count++]);
                }
        any_wants(snapshot);
}

static void any_wants(struct snapshot *snapshot) {
        for (uint32_t id = 0; id < WANTS_MAX; id++)
                if (any(3) > 0) {
                        struct want *want = &snapshot->wants[snapshot->wants_count++];
                        want->id = 1000 + id;
                        any_object(policy_want_fields, want);
                        want->forms_count = 1 + (uint32_t) any(FORMS_MAX - 1);
                }
}

/* A calm one: memory breathes, one model works, a sensor is warm. */
static void calm_look(struct snapshot *snapshot, const struct snapshot *before) {
        *snapshot = *before;
        snapshot->now_ms += 1000;
        snapshot->ram_bytes = 64ull << 30;
        snapshot->available_bytes = (40ull << 30) + any(1 << 28);
        snapshot->refaults += any(10);
        snapshot->sensors_count = 1;
        snapshot->sensors[0] = (struct sensor_view){ .key = 9, .control = true, .millidegrees = 60000 + (int32_t) any(3000) };
        snapshot->models_count = 1;
        snapshot->models[0] =
                (struct model_view){ .state = ACCOUNT_BUSY, .running = 1, .bytes = 8ull << 30, .rate = (uint32_t) any(50000) };
}

static bool same(const struct field *fields, const void *a, const void *b, const char **ret) {
        for (const struct field *f = fields; f->name; f++) {
                *ret = f->name;
                if (policy_field_get(f, a) != policy_field_get(f, b))
                        return false;
        }
        return true;
}

static void must_be_the_same(const struct snapshot *is, const struct snapshot *was) {
        const char *name;
        assert_int_equal(is->now_ms, was->now_ms);
        if (!same(policy_snapshot_fields, is, was, &name))
                fail_msg("%s differs", name);
        assert_int_equal(is->sensors_count, was->sensors_count);
        assert_int_equal(is->models_count, was->models_count);
        /* In the same order, since policy takes the first of equals. */
        for (uint32_t i = 0; i < was->models_count; i++) {
                assert_int_equal(is->models[i].id, was->models[i].id);
                if (!same(policy_model_fields, &is->models[i], &was->models[i], &name))
                        fail_msg("%s of model %u differs", name, was->models[i].id);
        }
        assert_int_equal(is->wants_count, was->wants_count);
        for (uint32_t i = 0; i < was->wants_count; i++) {
                assert_int_equal(is->wants[i].id, was->wants[i].id);
                if (!same(policy_want_fields, &is->wants[i], &was->wants[i], &name))
                        fail_msg("%s of want %u differs", name, was->wants[i].id);
        }
        /* Of sensors the reader keeps its own order. */
        for (uint32_t i = 0; i < was->sensors_count; i++) {
                uint32_t k = 0;
                while (k < is->sensors_count && is->sensors[k].key != was->sensors[i].key)
                        k++;
                assert_true(k < is->sensors_count);
                if (!same(policy_sensor_fields, &is->sensors[k], &was->sensors[i], &name))
                        fail_msg("%s of sensor %u differs", name, was->sensors[i].key);
        }
}

/* Reads what was printed: it must be the looks from FIRST to LOOKS. */
static void must_be_read_back(uint32_t first) {
        struct text out = { 0 };
        struct scenario *s = malloc(sizeof(*s));
        recorder_print(recorder, &out);
        assert_false(out.failed);
        scenario_init(s, out.bytes, out.used);
        for (uint32_t i = first; i < LOOKS; i++) {
                if (scenario_next(s) != 1)
                        fail_msg("line %u: %s", s->line, s->error);
                must_be_the_same(&s->snapshot, &looks[i]);
        }
        assert_int_equal(scenario_next(s), 0);
        const char *name;
        assert_true(same(policy_limits_fields, &s->limits, &limits, &name));
        free(s);
        text_done(&out);
}

static void a_calm_hour_is_kept_whole(void **state) {
        (void) state;
        for (uint32_t i = 0; i < LOOKS; i++) {
                static const struct snapshot nothing;
                calm_look(&looks[i], i > 0 ? &looks[i - 1] : &nothing);
                plans[i] = (struct plan){ 0 };
                recorder_add(recorder, &looks[i], &plans[i]);
        }
        must_be_read_back(0);
}

static void whatever_is_seen_is_printed(void **state) {
        (void) state;
        /* A wild look takes up to RECORD_LOOK_MAX, so only the last pieces of it are there: at least one whole piece less one. */
        for (uint32_t i = 0; i < LOOKS; i++) {
                static const struct snapshot nothing;
                any_look(&looks[i], i > 0 ? &looks[i - 1] : &nothing);
                recorder_add(recorder, &looks[i], &(struct plan){ 0 });
        }
        struct text out = { 0 };
        recorder_print(recorder, &out);
        const char *said = strstr(out.bytes, "# The ");
        assert_non_null(said);
        uint32_t missing = (uint32_t) strtoul(said + strlen("# The "), NULL, 10);
        assert_true(missing > 0 && missing <= LOOKS - (RECORD_PIECES - 1));
        text_done(&out);
        must_be_read_back(missing);
}

/* A flight that ends in an emergency, decided by the real policy; then read and decided again. */
static void the_policy_plans_the_same_again(void **state) {
        static struct past past, again;
        (void) state;
        memset(&past, 0, sizeof(past));
        memset(&again, 0, sizeof(again));
        struct snapshot now = { .now_ms = 123456, .ram_bytes = 16ull << 30, .available_bytes = 12ull << 30, .models_count = 2 };
        now.models[0] = (struct model_view){ .id = 3,
                                             .state = ACCOUNT_IDLE,
                                             .obeys = true,
                                             .bytes = 3ull << 30,
                                             .weights_bytes = 2ull << 30,
                                             .weights_resident_bytes = 2ull << 30,
                                             .prefix_bytes = 200 << 20,
                                             .last_end_ms = 1000 };
        now.models[1] = (struct model_view){ .id = 5,
                                             .state = ACCOUNT_BUSY,
                                             .obeys = true,
                                             .running = 1,
                                             .bytes = 4ull << 30,
                                             .weights_bytes = 2ull << 30,
                                             .weights_resident_bytes = 2ull << 30,
                                             .kv_bytes = { 1ull << 30 },
                                             .floor = KV_Q4_0,
                                             .chunk = 512,
                                             .chunk_full = 512 };
        uint32_t actions = 0;
        for (uint32_t i = 0; i < LOOKS; i++) {
                looks[i] = now;
                policy_decide(&limits, &now, &past, &plans[i]);
                recorder_add(recorder, &now, &plans[i]);
                actions += plans[i].actions_count;
                now.now_ms += 250;
                now.available_bytes -= now.available_bytes > (300 << 20) ? 60 << 20 : 0;
        }
        assert_true(actions >= 3); /* else the row proves little */

        struct text out = { 0 };
        struct scenario *s = malloc(sizeof(*s));
        recorder_print(recorder, &out);
        scenario_init(s, out.bytes, out.used);
        for (uint32_t i = 0; i < LOOKS; i++) {
                static struct plan plan;
                char reason[SCENARIO_ERROR_MAX];
                if (scenario_next(s) != 1)
                        fail_msg("line %u: %s", s->line, s->error);
                policy_decide(&s->limits, &s->snapshot, &again, &plan);
                (void) reason;
                assert_int_equal(plan.actions_count, plans[i].actions_count);
                assert_memory_equal(plan.actions, plans[i].actions, plan.actions_count * sizeof(*plan.actions));
                assert_int_equal(plan.rung, plans[i].rung);
                assert_int_equal(plan.headroom_bytes, plans[i].headroom_bytes);
                assert_int_equal(plan.exhaustion_ms, plans[i].exhaustion_ms);
                assert_int_equal(plan.look_again_ms, plans[i].look_again_ms);
        }
        assert_memory_equal(&past, &again, sizeof(past));
        free(s);
        text_done(&out);
}

/* A look must cost little room, or the recorder forgets the beginning of a night. */
static void a_calm_look_is_small(void **state) {
        (void) state;
        static struct snapshot snapshot;
        memset(&snapshot, 0, sizeof(snapshot));
        uint32_t count = 0;
        struct text out = { 0 };
        do {
                calm_look(&snapshot, &snapshot);
                recorder_add(recorder, &snapshot, &(struct plan){ 0 });
                count++;
                if (count % 1000 == 0) {
                        text_clear(&out);
                        recorder_print(recorder, &out);
                }
        } while (count < 100000 && (out.used == 0 || !strstr(out.bytes, "# The ")));
        print_message("%u calm looks were kept, %u bytes each\n", count, (unsigned) (RECORD_PIECES * RECORD_PIECE_BYTES / count));
        assert_true(count > 3600);
        text_done(&out);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_calm_hour_is_kept_whole, set_up, tear_down),
                cmocka_unit_test_setup_teardown(whatever_is_seen_is_printed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_policy_plans_the_same_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_calm_look_is_small, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
