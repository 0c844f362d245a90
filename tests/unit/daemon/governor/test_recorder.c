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

/* Decides one look, and records it. */
static void fly(uint32_t look, const struct limits *with, const struct snapshot *now, struct past *past) {
        looks[look] = *now;
        policy_decide(with, now, past, &plans[look]);
        recorder_add(recorder, now, &plans[look]);
}

static void must_be_the_same_load(const struct load *is, const struct load *was) {
        assert_int_equal(is->model, was->model);
        assert_int_equal(is->verdict, was->verdict);
        assert_int_equal(is->refused, was->refused);
        assert_int_equal(is->because, was->because);
        assert_int_equal(is->form, was->form);
        assert_int_equal(is->context, was->context);
        assert_true(is->look_again_ms == was->look_again_ms && is->room_ms == was->room_ms);
}

static void must_be_the_same_plan(const struct plan *is, const struct plan *was) {
        assert_int_equal(is->actions_count, was->actions_count);
        assert_memory_equal(is->actions, was->actions, is->actions_count * sizeof(*is->actions));
        assert_int_equal(is->loads_count, was->loads_count);
        for (uint32_t i = 0; i < is->loads_count; i++)
                must_be_the_same_load(&is->loads[i], &was->loads[i]);
        assert_int_equal(is->unloads_count, was->unloads_count);
        assert_memory_equal(is->unloads, was->unloads, is->unloads_count * sizeof(*is->unloads));
        assert_int_equal(is->rung, was->rung);
        assert_true(is->free_bytes == was->free_bytes);
        assert_int_equal(is->headroom_bytes, was->headroom_bytes);
        assert_int_equal(is->exhaustion_ms, was->exhaustion_ms);
        assert_int_equal(is->look_again_ms, was->look_again_ms);
}

/* Reads so many looks that were recorded, and decides again: the plans are the same, and what is written of them holds. */
static void must_be_planned_again(uint32_t count, const struct past *past) {
        static struct past again;
        memset(&again, 0, sizeof(again));
        struct text out = { 0 };
        struct scenario *s = malloc(sizeof(*s));
        recorder_print(recorder, &out);
        scenario_init(s, out.bytes, out.used);
        for (uint32_t i = 0; i < count; i++) {
                static struct plan plan;
                static const struct deeds none;
                if (scenario_next(s) != 1)
                        fail_msg("line %u: %s", s->line, s->error);
                policy_decide(&s->limits, &s->snapshot, &again, &plan);
                must_be_the_same_plan(&plan, &plans[i]);
                for (uint32_t k = 0; k < s->expectations_count; k++)
                        if (!expectation_holds(&s->expectations[k], &s->snapshot, &plan, &none))
                                fail_msg("line %u does not hold", s->expectations[k].line);
        }
        assert_memory_equal(past, &again, sizeof(again));
        free(s);
        text_done(&out);
}

/* A flight that ends in an emergency, decided by the real policy; then read and decided again. */
static void the_policy_plans_the_same_again(void **state) {
        static struct past past;
        (void) state;
        memset(&past, 0, sizeof(past));
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
                fly(i, &limits, &now, &past);
                actions += plans[i].actions_count;
                now.now_ms += 250;
                now.available_bytes -= now.available_bytes > (300 << 20) ? 60 << 20 : 0;
        }
        assert_true(actions >= 3); /* else the row proves little */
        must_be_planned_again(LOOKS, &past);
}

/* The engine has taken ORDER. */
static void resize_pool(struct model_view *m, const struct action *order) {
        m->account_bytes = m->account_bytes - m->pool * m->pool_token_bytes + order->value * m->pool_token_bytes;
        m->pool = m->pool_asked = order->value;
}

/* A pool grows by an order, has another one shrink for it and then its requests wait, and a model waits for room in what is left. */
static void pools_are_planned_the_same_again(void **state) {
        static struct past past;
        (void) state;
        memset(&past, 0, sizeof(past));
        struct limits budget = limits;
        budget.budget_bytes = 7ull << 30;
        recorder_free(recorder);
        assert_int_equal(recorder_new(&budget, &recorder), 0);
        struct snapshot now = { .now_ms = 50000, .ram_bytes = 32ull << 30, .available_bytes = 24ull << 30, .models_count = 2 };
        for (uint32_t i = 0; i < 2; i++)
                now.models[i] = (struct model_view){ .id = 3 + i,
                                                     .generation = 1,
                                                     .state = ACCOUNT_BUSY,
                                                     .obeys = true,
                                                     .running = 1,
                                                     .loaded_ms = 10000 + i,
                                                     .service_ms = 3000 + i,
                                                     .bytes = 2ull << 30,
                                                     .account_bytes = 3ull << 30,
                                                     .weights_bytes = 1ull << 30,
                                                     .weights_resident_bytes = 1ull << 30,
                                                     .kv_bytes = { 1ull << 30 },
                                                     .context = 4500,
                                                     .context_full = 4500,
                                                     .pool = 2000,
                                                     .pool_asked = 2000,
                                                     .pool_floor = 500,
                                                     .pool_full = 9000,
                                                     .pool_held = 1000,
                                                     .pool_needed = 1000,
                                                     .pool_wanted = 1000,
                                                     .pool_token_bytes = 1 << 20,
                                                     .pool_whole_bytes = 5572ull << 20,
                                                     .pool_since_ms = 45000 + i };
        uint32_t met[ACTION_COUNT] = { 0 }, shrunk = 0, answered = 0;
        for (uint32_t i = 0; i < 40; i++) {
                fly(i, &budget, &now, &past);
                for (uint32_t k = 0; k < plans[i].actions_count; k++) {
                        const struct action *order = &plans[i].actions[k];
                        met[order->kind]++;
                        for (uint32_t n = 0; n < 2; n++)
                                if (now.models[n].id == order->model) {
                                        shrunk += order->value < now.models[n].pool;
                                        resize_pool(&now.models[n], order);
                                }
                }
                answered += plans[i].loads_count;
                now.now_ms += 500;
                struct model_view *grows = &now.models[0];
                grows->pool_needed = grows->pool_wanted = i < 20 ? grows->pool_needed + 250 : 1000;
                if (i == 20)
                        now.wants[now.wants_count++] =
                                (struct want){ .id = 9,
                                               .since_ms = now.now_ms,
                                               .load_ms = 1500,
                                               .context = 1024,
                                               .context_full = 4096,
                                               .forms_count = 1,
                                               .forms = { { 3ull << 30, 1ull << 30, 4ull << 30, 1 << 20 } } };
        }
        assert_true(met[ACTION_POOL] >= 3 && met[ACTION_TURN_OUT] > 0 && shrunk > 0 && answered > 0); /* all of it has happened */
        must_be_planned_again(40, &past);
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
                cmocka_unit_test_setup_teardown(pools_are_planned_the_same_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_calm_look_is_small, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
