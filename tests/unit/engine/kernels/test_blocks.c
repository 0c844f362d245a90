/*
 * test_blocks.c - every quantised type that can be computed with: its blocks against an independent engine's values and
 * sums where reference data lie beside the project, its grid against what is known of it, and rows of any bits at all.
 */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/crc32c.h"
#include "engine/unpack/grid.h"
#include "engine/gguf/half.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "tests/random_bits.h"

#define VALUES 256u

/* A set that this processor cannot run is left out. */
#ifdef __aarch64__
static const char *const sets[] = { "portable", "neon", "dotprod", "i8mm" };
#else
static const char *const sets[] = { "portable", "avx2", "avx-vnni", "avx512" };
#endif
#define SETS (sizeof(sets) / sizeof(*sets))

static const struct kernels *set(unsigned i) {
        return kernels_named(sets[i]);
}

static void prepare(const struct kernels *k, enum tensor_type type, const float *x, uint8_t *column) {
        enum activation a = k->types[type].activation;
        if (a == ACTIVATION_F32)
                memcpy(column, x, VALUES * sizeof(*x));
        else
                k->prepare[a](x, VALUES, column);
}

static float dot(const struct kernels *k, enum tensor_type type, const uint8_t *row, const uint8_t *column) {
        float out = NAN;
        k->types[type].multiply(&(struct product){
                .rows = row,
                .rows_count = 1,
                .columns = column,
                .columns_count = 1,
                .n = VALUES,
                .out = &out,
                .out_stride = 1,
        });
        return out;
}

/* --- an independent engine's blocks --- */

/* The reference calls a type "q4_K" or "iq2_xs". */
static cJSON *load_reference(enum tensor_type type) {
        static char text[1 << 20];
        const char *folder = getenv("HEADROOM_REFDATA");
        char path[512], name[32];
        (void) snprintf(name, sizeof(name), "%s", tensor_type_info(type)->name);
        for (char *c = name; *c; c++)
                *c = *c == 'K' ? 'K' : (char) tolower(*c);
        (void) snprintf(path, sizeof(path), "%s/blocks/%s.json", folder ? folder : "../shared/refdata", name);
        FILE *file = fopen(path, "r");
        if (!file)
                return NULL;
        size_t length = fread(text, 1, sizeof(text) - 1, file);
        text[length] = 0;
        (void) fclose(file);
        cJSON *json = cJSON_Parse(text);
        assert_non_null(json);
        return json;
}

static const cJSON *member(const cJSON *json, const char *name, int i) {
        const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItem(json, name), i);
        assert_non_null(item);
        return item;
}

static void from_hex(const char *text, uint8_t *bytes) {
        for (; text[0] && text[1]; text += 2) {
                char pair[3] = { text[0], text[1], 0 };
                *bytes++ = (uint8_t) strtoul(pair, NULL, 16);
        }
}

/* The values that a column stands for once its activations are whole numbers. */
static void read_back(enum activation a, const uint8_t *column, float *x) {
        const float *scales = (const float *) (const void *) (column + (a == ACTIVATION_I8 ? i8_scales_offset(VALUES)
                                                                                           : i16_scales_offset(VALUES)));
        for (uint32_t i = 0; i < VALUES; i++)
                if (a == ACTIVATION_F32)
                        x[i] = ((const float *) (const void *) column)[i];
                else if (a == ACTIVATION_I16)
                        x[i] = (float) ((const int16_t *) (const void *) column)[i] * scales[i / 32];
                else
                        x[i] = (float) ((const int8_t *) column)[i] * scales[i / 256];
}

static double exact_dot(const float *weights, const float *x) {
        double sum = 0;
        for (uint32_t i = 0; i < VALUES; i++)
                sum += (double) weights[i] * (double) x[i];
        return sum;
}

static double sum_of_magnitudes(const float *values) {
        double sum = 0;
        for (uint32_t i = 0; i < VALUES; i++)
                sum += fabs((double) values[i]);
        return sum;
}

static void check_values(const float *values, const cJSON *expected) {
        for (uint32_t i = 0; i < VALUES; i++, expected = expected->next)
                assert_true(values[i] == (float) expected->valuedouble);
}

static void check_near(const struct kernels *k, enum tensor_type type, int r, double sum, double exact, double off) {
        if (!(fabs(sum - exact) <= off + 1e-6))
                fail_msg("%s, %s, row %d: %g, exactly %g", k->name, tensor_type_info(type)->name, r, sum, exact);
}

/*
 * The sum over prepared activations is exact but for roundings, of which there are a few for each block and lane. That over
 * the activations themselves may be off by half a code of the largest in a block for each of them, times its weight.
 */
static void check_row(const struct kernels *k, enum tensor_type type, const cJSON *json, int r, const float *x) {
        static const double half_code[ACTIVATION_COUNT] = { [ACTIVATION_I16] = 0.5 / 32767, [ACTIVATION_I8] = 0.5 / 127 };
        _Alignas(ACTIVATION_ALIGN) uint8_t column[1024];
        uint8_t row[1024];
        float values[VALUES], prepared[VALUES];
        from_hex(member(json, "q", r)->valuestring, row);
        k->types[type].dequantize(row, VALUES, values);
        check_values(values, member(json, "deq", r)->child);
        prepare(k, type, x, column);
        read_back(k->types[type].activation, column, prepared);
        double sum = (double) dot(k, type, row, column), size = sum_of_magnitudes(values), largest = 0;
        for (uint32_t i = 0; i < VALUES; i++)
                largest = fmax(largest, fabs((double) x[i]));
        check_near(k, type, r, sum, exact_dot(values, prepared), 1e-6 * largest * size);
        double theirs = member(json, "dot_f64_deq_x_act", r)->valuedouble;
        check_near(k, type, r, sum, theirs, (half_code[k->types[type].activation] + 1e-6) * largest * size);
}

static void blocks_agree_with_an_independent_engine(void **state) {
        (void) state;
        unsigned checked = 0;
        float x[VALUES];
        for (enum tensor_type type = 0; type < TENSOR_TYPE_COUNT; type++) {
                cJSON *json = kernels_portable.types[type].multiply ? load_reference(type) : NULL;
                if (!json)
                        continue;
                const cJSON *act = cJSON_GetObjectItem(json, "act")->child;
                for (uint32_t i = 0; i < VALUES; i++, act = act->next)
                        x[i] = (float) act->valuedouble;
                for (unsigned s = 0; s < SETS; s++)
                        for (int r = 0; set(s) && r < 8; r++)
                                check_row(set(s), type, json, r, x);
                cJSON_Delete(json);
                checked++;
        }
        if (checked == 0) {
                print_message("SKIP: no reference blocks here\n");
                skip();
        }
        print_message("%u types as in the reference blocks\n", checked);
}

/* --- the grids --- */

static const struct {
        const char *name;
        const void *points;
        uint32_t count, values; /* of a point: 8, or 4 */
        uint8_t levels[8];      /* what the digits 0, 1 .. stand for; 0 ends them */
        bool even;              /* the digits of a point have an even sum */
        uint32_t sum;           /* CRC-32C of all points as digits in 16 bits, little-endian: two bits a digit, or four */
} grids[] = {
        { "IQ1", grid_iq1, 2048, 8, { 0, 1, 2 }, false, 0x56aac47d },
        { "IQ2_XXS", grid_iq2_xxs, 256, 8, { 8, 25, 43 }, true, 0xafd3e994 },
        { "IQ2_XS", grid_iq2_xs, 512, 8, { 8, 25, 43 }, true, 0x898d47ab },
        { "IQ2_S", grid_iq2_s, 1024, 8, { 8, 25, 43 }, true, 0xf1a6f6b4 },
        { "IQ3_XXS", grid_iq3_xxs, 256, 4, { 4, 12, 20, 28, 36, 44, 52, 62 }, false, 0xf8e16e70 },
        { "IQ3_S", grid_iq3_s, 512, 4, { 1, 3, 5, 7, 9, 11, 13, 15 }, false, 0x57f098fc },
};

/* Digit V of point I: the number of its level. */
static uint32_t digit_of(size_t g, uint32_t i, uint32_t v) {
        uint8_t level = ((const uint8_t *) grids[g].points)[i * grids[g].values + v];
        for (uint32_t digit = 0; digit < 8; digit++)
                if (grids[g].levels[digit] == level)
                        return digit;
        fail_msg("%s: point %u has a value %u", grids[g].name, i, level);
        return 0;
}

/* A point as 16 bits of digits, and their sum. */
static uint16_t digits_of(size_t g, uint32_t i, uint32_t *ret_sum) {
        uint32_t digits = 0;
        *ret_sum = 0;
        for (uint32_t v = 0; v < grids[g].values; v++) {
                uint32_t digit = digit_of(g, i, v);
                digits |= digit << (16 / grids[g].values * v);
                *ret_sum += digit;
        }
        return (uint16_t) digits;
}

/* The blocks above name but some of the points: this is for a digit that slips in the others. */
static void the_points_of_a_grid_are_those_that_were_compared_with_their_sources(void **state) {
        (void) state;
        for (size_t g = 0; g < sizeof(grids) / sizeof(*grids); g++) {
                uint8_t bytes[2048 * 2];
                uint32_t unused;
                for (uint32_t i = 0; i < grids[g].count; i++)
                        store_u16(bytes + 2 * (size_t) i, digits_of(g, i, &unused));
                uint32_t sum = crc32c(0, bytes, 2 * (size_t) grids[g].count);
                if (sum != grids[g].sum)
                        fail_msg("%s: %08x", grids[g].name, sum);
        }
}

static void the_points_of_a_grid_ascend(void **state) {
        (void) state;
        for (size_t g = 0; g < sizeof(grids) / sizeof(*grids); g++) {
                uint32_t last = 0, sum;
                for (uint32_t i = 0; i < grids[g].count; i++) {
                        uint32_t digits = digits_of(g, i, &sum);
                        if ((i && digits <= last) || (grids[g].even && sum % 2))
                                fail_msg("%s: point %u", grids[g].name, i);
                        last = digits;
                }
        }
}

static void seven_signs_say_the_eighth(void **state) {
        (void) state;
        for (uint32_t seven = 0; seven < 128; seven++) {
                assert_int_equal(grid_signs(seven) & 127, seven);
                assert_int_equal(__builtin_popcount(grid_signs(seven)) % 2, 0);
                assert_int_equal(grid_signs(seven | 128), grid_signs(seven));
        }
}

/* --- rows of any bits --- */

/* LENGTH bytes before a page that cannot be read. */
static uint8_t *flush_against_the_end(size_t length) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        uint8_t *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(two != MAP_FAILED && length <= page);
        assert_int_equal(mprotect(two + page, page, PROT_NONE), 0);
        return two + page - length;
}

static void done_with(uint8_t *row, size_t length) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        assert_int_equal(munmap(row + length - page, 2 * page), 0);
}

/* Scales that are no number, infinite or out of range, numbers of points of every kind: nothing is read beyond the row. */
static void a_row_of_any_bits_is_read_to_its_end_and_no_further(void **state) {
        (void) state;
        _Alignas(ACTIVATION_ALIGN) uint8_t column[1024];
        float x[VALUES], values[VALUES];
        for (uint32_t i = 0; i < VALUES; i++)
                x[i] = sinf((float) i);
        random_state = 7;
        for (unsigned i = 0; i < TENSOR_TYPE_COUNT * SETS; i++) {
                enum tensor_type type = i / SETS;
                const struct kernels *k = set(i % SETS);
                uint64_t bytes;
                if (!k || !k->types[type].multiply)
                        continue;
                assert_true(tensor_type_row_bytes(type, VALUES, &bytes));
                uint8_t *row = flush_against_the_end(bytes);
                prepare(k, type, x, column);
                for (unsigned round = 0; round < 300; round++) {
                        for (uint64_t b = 0; b < bytes; b++)
                                row[b] = round < 2 ? (uint8_t) (round - 1) : (uint8_t) random_bits();
                        k->types[type].dequantize(row, VALUES, values);
                        (void) dot(k, type, row, column);
                }
                done_with(row, bytes);
        }
}

static void every_set_can_do_the_same_types(void **state) {
        (void) state;
        unsigned count = 0;
        for (enum tensor_type type = 0; type < TENSOR_TYPE_COUNT; type++) {
                count += kernels_portable.types[type].multiply != NULL;
                for (unsigned s = 0; s < SETS && set(s); s++) {
                        assert_int_equal(set(s)->types[type].multiply != NULL, kernels_portable.types[type].multiply != NULL);
                        assert_int_equal(set(s)->types[type].dequantize != NULL, kernels_portable.types[type].multiply != NULL);
                }
        }
        assert_int_equal(count, 23);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_agree_with_an_independent_engine),
                cmocka_unit_test(the_points_of_a_grid_are_those_that_were_compared_with_their_sources),
                cmocka_unit_test(the_points_of_a_grid_ascend),
                cmocka_unit_test(seven_signs_say_the_eighth),
                cmocka_unit_test(a_row_of_any_bits_is_read_to_its_end_and_no_further),
                cmocka_unit_test(every_set_can_do_the_same_types),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
