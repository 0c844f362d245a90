/*
 * test_snapshot_fields.c - the tables of a snapshot's members: nothing is missing, nothing overlaps, every kind comes back.
 *
 * What is missing from a table is never recorded, and nobody would notice until an incident is replayed. So the test asks the
 * compiler which bytes of a structure are no padding, and wants each of them in one row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/record/snapshot_fields.h"
#include "policy/record/field_text.h"

/* Bytes that no row has: said by the lines themselves, or arrays of other structures. */
struct apart {
        size_t offset, size;
};
#define APART(structure, member) \
        { offsetof(struct structure, member), sizeof(((struct structure *) NULL)->member) }

/* Padding between two arrays, which __builtin_clear_padding leaves; of no bytes it ends the list, so it stands last. */
#define BETWEEN(structure, array, next)                                                         \
        {                                                                                       \
                offsetof(struct structure, array) + sizeof(((struct structure *) NULL)->array), \
                        offsetof(struct structure, next) - offsetof(struct structure, array) -  \
                                sizeof(((struct structure *) NULL)->array)                      \
        }

static const struct apart nothing_apart[] = { { 0, 0 } };
static const struct apart snapshot_apart[] = { APART(snapshot, now_ms),
                                               APART(snapshot, sensors_count),
                                               APART(snapshot, sensors),
                                               APART(snapshot, models_count),
                                               APART(snapshot, models),
                                               APART(snapshot, wants_count),
                                               APART(snapshot, wants),
                                               BETWEEN(snapshot, sensors, models),
                                               { 0, 0 } };
static const struct apart want_apart[] = { APART(want, id), { 0, 0 } };
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
        static unsigned char covered[sizeof(struct snapshot)];
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
        ASSERT_EVERY_MEMBER(snapshot, policy_snapshot_fields, snapshot_apart);
        ASSERT_EVERY_MEMBER(model_view, policy_model_fields, model_apart);
        ASSERT_EVERY_MEMBER(want, policy_want_fields, want_apart);
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
        case FIELD_ACTIONS: return ACTION_BIT(ACTION_TRIM) | ACTION_BIT(ACTION_END);
        default: return (INT64_C(1) << 40) + n;
        }
}

static void assert_round_trip(const struct field *fields, size_t size) {
        static unsigned char object[sizeof(struct snapshot)], copy[sizeof(struct snapshot)];
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
        assert_round_trip(policy_snapshot_fields, sizeof(struct snapshot));
        assert_round_trip(policy_model_fields, sizeof(struct model_view));
        assert_round_trip(policy_want_fields, sizeof(struct want));
        assert_round_trip(policy_sensor_fields, sizeof(struct sensor_view));
}

static void test_a_field_is_the_member_it_is_called(void **state) {
        (void) state;
        struct model_view m = { .kv_bytes = { [KV_Q8_0] = 77 }, .priority = -3 };
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
        static const struct field *const tables[] = { policy_limits_fields, policy_snapshot_fields, policy_model_fields,
                                                      policy_want_fields, policy_sensor_fields };
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
                { FIELD_LEVEL, KV_Q4_0, true },
                { FIELD_LEVEL, KV_TYPE_COUNT, false },
                { FIELD_LEVEL, INT64_C(1) << 32, false }, /* not cut down to 0 */
                { FIELD_STATE, ACCOUNT_STOPPING, true },
                { FIELD_STATE, ACCOUNT_PROMISED, false }, /* never seen by the governor */
                { FIELD_SENSOR, SENSOR_ASLEEP, true },
                { FIELD_SENSOR, SENSOR_ASLEEP + 1, false },
                { FIELD_ACTIONS, FIELD_ACTIONS_ALL, true },
                { FIELD_ACTIONS, -1, false },
                { FIELD_ACTIONS, INT64_C(1) << ACTION_NONE, false },
                { FIELD_ACTIONS, INT64_C(1) << ACTION_DROP_FILES, false }, /* no model's */
                { FIELD_ACTIONS, INT64_C(1) << ACTION_COUNT, false },
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
        assert_string_equal(policy_field_word(FIELD_LEVEL, KV_Q8_0), "q8_0");
        assert_string_equal(policy_field_word(FIELD_STATE, ACCOUNT_DRAINING), "draining");
        assert_string_equal(policy_field_word(FIELD_SENSOR, SENSOR_MISSED), "missed");
        assert_null(policy_field_word(FIELD_LEVEL, KV_TYPE_COUNT));
        assert_null(policy_field_word(FIELD_STATE, ACCOUNT_PROMISED));
        assert_null(policy_field_word(FIELD_SENSOR, SENSOR_ASLEEP + 1));
        assert_null(policy_field_word(FIELD_BYTES, 0));
}

/* --- as text --- */

static void test_text_round_trip(void **state) {
        (void) state;
        static const int64_t values[] = { 0,
                                          1,
                                          2,
                                          999,
                                          1000,
                                          1024,
                                          1536,
                                          60000,
                                          3600000,
                                          INT64_C(7) << 30,
                                          INT64_C(3) << 40,
                                          (INT64_C(1) << 40) + 1,
                                          INT64_MAX,
                                          -1,
                                          -40000,
                                          INT32_MIN,
                                          INT32_MAX,
                                          UINT32_MAX,
                                          FIELD_ACTIONS_ALL };
        static const struct field *const tables[] = { policy_limits_fields, policy_snapshot_fields, policy_model_fields,
                                                      policy_want_fields, policy_sensor_fields };
        static unsigned char object[sizeof(struct snapshot)], copy[sizeof(struct snapshot)];
        for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
                for (const struct field *f = tables[t]; f->name; f++)
                        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
                                char text[FIELD_TEXT_MAX];
                                memset(object, 0, sizeof(object));
                                memset(copy, 0, sizeof(copy));
                                if (!policy_field_set(f, object, values[i]))
                                        continue;
                                size_t length = policy_field_print(f, object, text), name = strlen(f->name);
                                assert_int_equal(length, strlen(text));
                                assert_memory_equal(text, f->name, name);
                                assert_ptr_equal(policy_field_find(tables[t], text, name), f);
                                assert_true(policy_field_parse(f, text + name + 1, length - name - 1, copy));
                                assert_memory_equal(object, copy, sizeof(object));
                        }
}

static void test_text_is_what_a_person_writes(void **state) {
        (void) state;
        static const struct {
                enum field_kind kind;
                int64_t value;
                const char *text;
        } rows[] = {
                { FIELD_BYTES, INT64_C(7) << 30, "x=7GiB" },
                { FIELD_BYTES, 1536 << 10, "x=1536KiB" },
                { FIELD_BYTES, 0, "x=0" },
                { FIELD_BYTES, 4097, "x=4097B" },
                { FIELD_MS, 1250, "x=1250ms" },
                { FIELD_MS, 90000, "x=90s" },
                { FIELD_MS, 300000, "x=5min" },
                { FIELD_BOOL, 1, "x=yes" },
                { FIELD_LEVEL, 2, "x=q4_0" },
                { FIELD_STATE, 1, "x=busy" },
                { FIELD_SIGNED_I32, -5, "x=-5" },
                { FIELD_ACTIONS, 0, "x=none" },
                { FIELD_ACTIONS, 1 << ACTION_SUSPEND | 1 << ACTION_TRIM, "x=trim,suspend" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t member = 0;
                char text[FIELD_TEXT_MAX];
                const struct field f = { "x", rows[i].kind, 0 };
                assert_true(policy_field_set(&f, &member, rows[i].value));
                (void) policy_field_print(&f, &member, text);
                assert_string_equal(text, rows[i].text);
        }
}

static void test_text_that_is_read(void **state) {
        (void) state;
        static const struct {
                enum field_kind kind;
                const char *text;
                int64_t value; /* -999: refused */
        } rows[] = {
                { FIELD_BYTES, "11.5GiB", (INT64_C(23) << 30) / 2 },
                { FIELD_BYTES, "0.000001MiB", 1 },
                { FIELD_BYTES, "12", 12 },
                { FIELD_BYTES, "12B", 12 },
                { FIELD_BYTES, "8388607TiB", INT64_C(8388607) << 40 },
                { FIELD_BYTES, "8388608TiB", -999 }, /* 2^63 */
                { FIELD_BYTES, "8388607.999999TiB", (INT64_C(8388607) << 40) + INT64_C(999999) * (INT64_C(1) << 40) / 1000000 },
                { FIELD_BYTES, "99999999999999999999", -999 },
                { FIELD_BYTES, "", -999 },
                { FIELD_BYTES, "GiB", -999 },
                { FIELD_BYTES, ".5GiB", -999 },
                { FIELD_BYTES, "5.GiB", -999 },
                { FIELD_BYTES, "0.1234567GiB", -999 },
                { FIELD_BYTES, "1GB", -999 },
                { FIELD_BYTES, "1 GiB", -999 },
                { FIELD_BYTES, "-1", -999 },
                { FIELD_BYTES, "+1", -999 },
                { FIELD_BYTES, "0x10", -999 },
                { FIELD_BYTES, "1.5", -999 },
                { FIELD_MS, "1.5s", 1500 },
                { FIELD_MS, "0", 0 },
                { FIELD_MS, "250", -999 }, /* of what? */
                { FIELD_MS, "2562047788016h", -999 },
                { FIELD_INT, "-3", -3 },
                { FIELD_INT, "-", -999 },
                { FIELD_INT, "--3", -999 },
                { FIELD_INT, "2147483648", -999 },
                { FIELD_COUNT_U32, "4294967295", UINT32_MAX },
                { FIELD_COUNT_U32, "4294967296", -999 },
                { FIELD_COUNT_U64, "9223372036854775807", INT64_MAX },
                { FIELD_COUNT_U64, "9223372036854775808", -999 },
                { FIELD_BOOL, "yes", 1 },
                { FIELD_BOOL, "no", 0 },
                { FIELD_BOOL, "1", -999 },
                { FIELD_LEVEL, "q8_0", KV_Q8_0 },
                { FIELD_LEVEL, "q8", -999 },
                { FIELD_LEVEL, "1", -999 },
                { FIELD_STATE, "promised", -999 },
                { FIELD_SENSOR, "asleep", SENSOR_ASLEEP },
                { FIELD_ACTIONS, "none", 0 },
                { FIELD_ACTIONS, "resume,trim", 1 << ACTION_RESUME | 1 << ACTION_TRIM },
                { FIELD_ACTIONS, "trim,", -999 },
                { FIELD_ACTIONS, ",trim", -999 },
                { FIELD_ACTIONS, "", -999 },
                { FIELD_ACTIONS, "trim,none", -999 },
                { FIELD_ACTIONS, "drop_files", -999 },
                { FIELD_ACTIONS, "trim suspend", -999 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t member = 0;
                const struct field f = { "x", rows[i].kind, 0 };
                bool taken = policy_field_parse(&f, rows[i].text, strlen(rows[i].text), &member);
                if (taken != (rows[i].value != -999) || (taken && policy_field_get(&f, &member) != rows[i].value))
                        fail_msg("'%s': %s, %lld", rows[i].text, taken ? "taken" : "refused",
                                 (long long) policy_field_get(&f, &member));
        }
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
                cmocka_unit_test(test_text_round_trip),
                cmocka_unit_test(test_text_is_what_a_person_writes),
                cmocka_unit_test(test_text_that_is_read),
        };
        return cmocka_run_group_tests_name("policy_field", tests, NULL, NULL);
}
