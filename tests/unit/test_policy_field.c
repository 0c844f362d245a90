/*
 * test_policy_field.c - the tables of a snapshot's members: nothing is missing, nothing overlaps, every kind comes back.
 *
 * What is missing from a table is never recorded, and nobody would notice until an incident is replayed. So the test asks the
 * compiler which bytes of a structure are no padding, and wants each of them in one row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/field.h"

/* Bytes that no row has: said by the lines themselves, or arrays of other structures. */
struct apart {
        size_t offset, size;
};
#define APART(structure, member) \
        { offsetof(struct structure, member), sizeof(((struct structure *) NULL)->member) }

static const struct apart nothing_apart[] = { { 0, 0 } };
static const struct apart seen_apart[] = { APART(seen, now_ms),  APART(seen, sensors_count), APART(seen, models_count),
                                           APART(seen, sensors), APART(seen, models),        { 0, 0 } };
static const struct apart model_apart[] = { APART(model_view, id), { 0, 0 } };
static const struct apart sensor_apart[] = { APART(sensor_view, key), { 0, 0 } };

static void cover(unsigned char *covered, size_t offset, size_t size) {
        for (size_t i = offset; i < offset + size; i++) {
                assert_int_equal(covered[i], 0); /* no byte twice */
                covered[i] = 1;
        }
}

/* MEANT: 0xff where the structure has a member, 0 where it has padding. */
static void assert_covered(const struct field *fields, const struct apart *apart, const unsigned char *meant, size_t size) {
        static unsigned char covered[sizeof(struct seen)];
        assert_true(size <= sizeof(covered));
        memset(covered, 0, sizeof(covered));
        for (const struct field *f = fields; f->name; f++)
                cover(covered, f->offset, policy_field_size(f->kind));
        for (const struct apart *a = apart; a->size; a++)
                cover(covered, a->offset, a->size);
        for (size_t i = 0; i < size; i++)
                if (meant[i] && !covered[i])
                        fail_msg("the member at offset %zu has no row: it would not be recorded", i);
}

#define ASSERT_EVERY_MEMBER(structure, fields, apart)                                           \
        do {                                                                                    \
                static struct structure object;                                                 \
                memset(&object, 0xff, sizeof(object));                                          \
                __builtin_clear_padding(&object);                                               \
                assert_covered(fields, apart, (const unsigned char *) &object, sizeof(object)); \
        } while (0)

static void test_no_member_is_missing(void **state) {
        (void) state;
        ASSERT_EVERY_MEMBER(limits, policy_limits_fields, nothing_apart);
        ASSERT_EVERY_MEMBER(seen, policy_seen_fields, seen_apart);
        ASSERT_EVERY_MEMBER(model_view, policy_model_fields, model_apart);
        ASSERT_EVERY_MEMBER(sensor_view, policy_sensor_fields, sensor_apart);
}

/* A value that the kind can have, and that differs from its neighbours'. */
static int64_t some_value(enum field_kind kind, int64_t n) {
        switch (kind) {
        case FIELD_BOOL: return 1;
        case FIELD_LEVEL: return 1 + n % 2;
        case FIELD_STATE: return 1 + n % 4;
        case FIELD_SENSOR: return 1 + n % 3;
        case FIELD_SIGNED_I32:
        case FIELD_INT: return -1000 - n;
        case FIELD_COUNT_U32: return UINT32_MAX - n;
        default: return (INT64_C(1) << 40) + n;
        }
}

static void assert_round_trip(const struct field *fields, size_t size) {
        static unsigned char object[sizeof(struct seen)], copy[sizeof(struct seen)];
        memset(object, 0, size);
        memset(copy, 0, size);
        int64_t n = 0;
        for (const struct field *f = fields; f->name; f++, n++) {
                assert_int_equal(policy_field_get(f, object), 0);
                assert_true(policy_field_set(f, object, some_value(f->kind, n)));
        }
        n = 0;
        for (const struct field *f = fields; f->name; f++, n++) {
                assert_int_equal(policy_field_get(f, object), some_value(f->kind, n));
                assert_true(policy_field_set(f, copy, policy_field_get(f, object)));
        }
        assert_memory_equal(object, copy, size);
}

static void test_every_field_comes_back(void **state) {
        (void) state;
        assert_round_trip(policy_limits_fields, sizeof(struct limits));
        assert_round_trip(policy_seen_fields, sizeof(struct seen));
        assert_round_trip(policy_model_fields, sizeof(struct model_view));
        assert_round_trip(policy_sensor_fields, sizeof(struct sensor_view));
}

static void test_a_field_is_the_member_it_is_called(void **state) {
        (void) state;
        struct model_view m = { .kv_bytes = { [KV_LEVEL_Q8_0] = 77 }, .priority = -3 };
        bool met_kv = false, met_priority = false;
        for (const struct field *f = policy_model_fields; f->name; f++) {
                if (strcmp(f->name, "kv_q8_0") == 0)
                        met_kv = policy_field_get(f, &m) == 77;
                if (strcmp(f->name, "priority") == 0)
                        met_priority = policy_field_get(f, &m) == -3;
        }
        assert_true(met_kv);
        assert_true(met_priority);
}

static void test_names_are_unique(void **state) {
        (void) state;
        static const struct field *const tables[] = { policy_limits_fields, policy_seen_fields, policy_model_fields,
                                                      policy_sensor_fields };
        for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
                for (const struct field *a = tables[t]; a->name; a++)
                        for (const struct field *b = a + 1; b->name; b++)
                                assert_string_not_equal(a->name, b->name);
}

static void test_what_is_none_of_the_kind_is_refused(void **state) {
        (void) state;
        static const struct {
                enum field_kind kind;
                int64_t value;
                bool fits;
        } rows[] = {
                { FIELD_BYTES, -1, false },
                { FIELD_BYTES, INT64_MAX, true },
                { FIELD_COUNT_U64, INT64_MIN, false },
                { FIELD_MS, -5, false },
                { FIELD_COUNT_U32, UINT32_MAX, true },
                { FIELD_COUNT_U32, INT64_C(1) << 32, false },
                { FIELD_COUNT_U32, -1, false },
                { FIELD_INT, INT32_MIN, true },
                { FIELD_INT, INT64_C(1) << 31, false },
                { FIELD_SIGNED_I32, -274000, true },
                { FIELD_SIGNED_I32, -(INT64_C(1) << 40), false },
                { FIELD_BOOL, 1, true },
                { FIELD_BOOL, 2, false },
                { FIELD_LEVEL, KV_LEVEL_Q4_0, true },
                { FIELD_LEVEL, KV_LEVEL_COUNT, false },
                { FIELD_LEVEL, INT64_C(1) << 32, false }, /* not cut down to 0 */
                { FIELD_STATE, ACCOUNT_STOPPING, true },
                { FIELD_STATE, ACCOUNT_PROMISED, false }, /* never seen by the governor */
                { FIELD_SENSOR, SENSOR_ASLEEP, true },
                { FIELD_SENSOR, SENSOR_ASLEEP + 1, false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t member = 0x5555555555555555, before = member;
                const struct field f = { "x", rows[i].kind, 0 };
                if (policy_field_set(&f, &member, rows[i].value) != rows[i].fits)
                        fail_msg("row %zu", i);
                if (!rows[i].fits)
                        assert_true(member == before);
        }
}

static void test_a_counter_beyond_the_range_stays_at_its_end(void **state) {
        (void) state;
        const uint64_t member = UINT64_MAX;
        const struct field f = { "x", FIELD_COUNT_U64, 0 };
        assert_true(policy_field_get(&f, &member) == INT64_MAX);
}

static void test_words(void **state) {
        (void) state;
        assert_string_equal(policy_field_word(FIELD_LEVEL, KV_LEVEL_Q8_0), "q8_0");
        assert_string_equal(policy_field_word(FIELD_STATE, ACCOUNT_DRAINING), "draining");
        assert_string_equal(policy_field_word(FIELD_SENSOR, SENSOR_MISSED), "missed");
        assert_null(policy_field_word(FIELD_LEVEL, KV_LEVEL_COUNT));
        assert_null(policy_field_word(FIELD_STATE, ACCOUNT_PROMISED));
        assert_null(policy_field_word(FIELD_SENSOR, SENSOR_ASLEEP + 1));
        assert_null(policy_field_word(FIELD_BYTES, 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_member_is_missing),
                cmocka_unit_test(test_every_field_comes_back),
                cmocka_unit_test(test_a_field_is_the_member_it_is_called),
                cmocka_unit_test(test_names_are_unique),
                cmocka_unit_test(test_what_is_none_of_the_kind_is_refused),
                cmocka_unit_test(test_a_counter_beyond_the_range_stays_at_its_end),
                cmocka_unit_test(test_words),
        };
        return cmocka_run_group_tests_name("policy_field", tests, NULL, NULL);
}
