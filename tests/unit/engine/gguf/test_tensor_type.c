/* test_tensor_type.c - the table of storage types, against the sizes of the GGUF specification and of the reference blocks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/base/kv_type.h"
#include "engine/gguf/tensor_type.h"

static void test_rows(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                uint32_t type;
                uint64_t values, bytes;         /* 0 bytes: no whole number of blocks, or unknown */
        } rows[] = {
                { TENSOR_F32, 1, 4 },         { TENSOR_F16, 3, 6 },         { TENSOR_BF16, 5, 10 },
                { TENSOR_Q8_0, 32, 34 },      { TENSOR_Q8_0, 4096, 4352 },  { TENSOR_Q4_0, 64, 36 },
                { TENSOR_Q4_K, 256, 144 },    { TENSOR_Q5_K, 512, 352 },    { TENSOR_Q6_K, 256, 210 },
                { TENSOR_Q8_0, 33, 0 },       { TENSOR_Q4_K, 128, 0 },      { TENSOR_F32, 0, 0 },
                { 4, 32, 0 },                 { 5, 32, 0 },                 { 38, 32, 0 },
                { TENSOR_TYPE_COUNT, 32, 0 }, { UINT32_MAX, 32, 0 },        { TENSOR_F32, UINT64_MAX, 0 },
                { TENSOR_F32, UINT64_MAX / 4, UINT64_MAX / 4 * 4 },         { TENSOR_F64, UINT64_C(1) << 61, 0 },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t bytes = 0;
                bool known = tensor_type_row_bytes(rows[i].type, rows[i].values, &bytes);
                if (bytes != rows[i].bytes || (bytes != 0 && !known))
                        fail_msg("type %u, %llu values: %llu bytes", rows[i].type, (unsigned long long) rows[i].values,
                                 (unsigned long long) bytes);
        }
}

static void test_every_type_is_found_by_its_name(void **state) {
        (void) state;
        for (uint32_t i = 0; i < TENSOR_TYPE_COUNT; i++) {
                const struct tensor_type_info *info = tensor_type_info(i);
                enum tensor_type found;
                if (!info)
                        continue;
                assert_true(info->block_values > 0 && info->block_bytes > 0);
                assert_int_equal(tensor_type_by_name(info->name, &found), 0);
                assert_int_equal(found, i);
        }
        enum tensor_type found = TENSOR_F32;
        assert_int_equal(tensor_type_by_name("q4_k", &found), 0);
        assert_int_equal(found, TENSOR_Q4_K);
        assert_int_equal(tensor_type_by_name("q4", &found), -ENOENT);
        assert_int_equal(tensor_type_by_name("", &found), -ENOENT);
        assert_int_equal(found, TENSOR_Q4_K);
        assert_null(tensor_type_info(4));
        assert_null(tensor_type_info(UINT32_MAX));
}

static void test_kv_types(void **state) {
        (void) state;
        for (unsigned i = 0; i < KV_TYPE_COUNT; i++) {
                enum kv_type found = KV_TYPE_COUNT;
                assert_int_equal(kv_type_by_name(kv_type_name((enum kv_type) i), &found), 0);
                assert_int_equal(found, i);
        }
        enum kv_type untouched = KV_TYPE_COUNT;
        assert_int_equal(kv_type_by_name("q5_1", &untouched), -EINVAL);
        assert_int_equal(kv_type_by_name("", &untouched), -EINVAL);
        assert_int_equal(untouched, KV_TYPE_COUNT);
}

/* The number after "KEY": in a small JSON file. */
static unsigned number_after(const char *text, const char *key) {
        const char *found = strstr(text, key);
        return found ? (unsigned) strtoul(found + strlen(key), NULL, 10) : 0;
}

static void test_against_reference_blocks(void **state) {
        (void) state;
        const char *root = getenv("HEADROOM_REFDATA");
        unsigned checked = 0;
        for (uint32_t i = 0; i < TENSOR_TYPE_COUNT; i++) {
                const struct tensor_type_info *info = tensor_type_info(i);
                char path[512], name[32], text[300] = "";
                if (!info)
                        continue;
                snprintf(name, sizeof(name), "%s", info->name);
                for (char *c = name; *c; c++) /* there: "q4_K", "iq2_xs" */
                        *c = *c == 'K' ? 'K' : (char) (*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
                snprintf(path, sizeof(path), "%s/blocks/%s.json", root ? root : "../shared/refdata", name);
                FILE *file = fopen(path, "r");
                if (!file)
                        continue;
                size_t length = fread(text, 1, sizeof(text) - 1, file);
                fclose(file);
                text[length] = '\0';
                assert_int_equal(number_after(text, "\"ggml_type_id\":"), i);
                assert_int_equal(number_after(text, "\"block_size\":"), info->block_values);
                assert_int_equal(number_after(text, "\"type_size\":"), info->block_bytes);
                checked++;
        }
        if (checked == 0) {
                print_message("SKIP: no reference blocks here\n");
                skip();
        }
        print_message("%u types as in the reference blocks\n", checked);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_every_type_is_found_by_its_name),
                cmocka_unit_test(test_kv_types),
                cmocka_unit_test(test_against_reference_blocks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
