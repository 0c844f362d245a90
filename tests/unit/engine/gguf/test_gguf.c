/*
 * test_gguf.c - the reader on good files, on every truncation and single-byte damage of a small one, and on one row
 * per lie a file can tell.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/gguf/gguf_fixture.h"

/* ---- good files, and damage ---- */

static void test_good_files(void **state) {
        (void) state;
        for (uint32_t version = 2; version <= 3; version++) {
                struct gguf_writer w = { 0 };
                struct gguf *g;
                struct gguf_error error;
                write_sample(&w, version);
                struct gguf_memory memory = flush(w.bytes, w.length);
                if (gguf_open_memory(&memory, 1, &g, &error))
                        fail_msg("%s", error.text);
                assert_int_equal(gguf_version(g), version);
                assert_int_equal(gguf_file_bytes(g), w.length);
                assert_int_equal(gguf_entries_count(g), w.entries_count);
                check_numbers(g);
                check_others(g);
                check_tensors(g);
                touch(g);
                gguf_close(g);
                gguf_write_done(&w);
        }
        gguf_close(NULL);
}

static void test_every_truncation(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        struct gguf_error error;
        write_sample(&w, 3);
        for (size_t length = 0; length < w.length; length++)
                assert_int_equal(open_result(w.bytes, length, &error), -EBADMSG);
        assert_int_equal(open_result(w.bytes, w.length, &error), 0);
        gguf_write_done(&w);
}

static void test_every_byte_damaged(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        struct gguf_error error;
        unsigned refused = 0, cases = 0;
        write_sample(&w, 3);
        for (size_t at = 0; at < w.length; at++) {
                uint8_t good = w.bytes[at];
                const uint8_t bad[] = { 0, 1, 0x7f, 0x80, 0xff, (uint8_t) (good + 1), (uint8_t) (good - 1), good ^ 0x20 };
                for (size_t i = 0; i < sizeof(bad); i++) {
                        w.bytes[at] = bad[i];
                        refused += open_result(w.bytes, w.length, &error) < 0;
                        cases++;
                }
                w.bytes[at] = good;
        }
        print_message("%u of %u damaged files refused\n", refused, cases);
        assert_true(refused > cases / 4);
        gguf_write_done(&w);
}

/* ---- one row per lie ---- */

typedef void lie(struct gguf_writer *w);

/* A file with one tensor of 32 x 2 values of Q8_0, to be spoilt. Offsets: version 4, tensors 8, keys 16. */
static void write_base(struct gguf_writer *w) {
        gguf_write_begin(w, 3);
        gguf_write_u32(w, "a", 1);
}

static void finish(struct gguf_writer *w) {
        gguf_write_tensor(w, "t", TENSOR_Q8_0, 32, 2, 0, 0);
        gguf_write_end(w);
        gguf_write_zeros(w, 68);
}

static void finish_with_tensor(struct gguf_writer *w, uint32_t type, uint64_t d0, uint64_t d1, uint64_t d2, uint64_t d3) {
        gguf_write_tensor(w, "t", type, d0, d1, d2, d3);
        gguf_write_end(w);
        gguf_write_zeros(w, 4096);
}

/* clang-format off */
static void nothing_wrong(struct gguf_writer *w) { finish(w); }
static void other_magic(struct gguf_writer *w) { finish(w); w->bytes[0] = 'g'; }
static void version_1(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 4, 1, 4); }
static void version_4(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 4, 4, 4); }
static void big_endian(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 4, 3 << 24, 4); }
static void all_tensors(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 8, UINT64_MAX, 8); }
static void one_tensor_more(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 8, 2, 8); }
static void all_keys(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 16, UINT64_MAX, 8); }
static void many_keys(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 16, 9, 8); }
static void endless_key(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 24, UINT64_MAX, 8); }
static void long_key(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 24, 1000, 8); }
static void nameless_key(struct gguf_writer *w) { gguf_write_u32(w, "", 1); finish(w); }
static void very_long_key(struct gguf_writer *w) {
        char *name = calloc(1, GGUF_KEY_BYTES_MAX + 2);
        memset(name, 'k', GGUF_KEY_BYTES_MAX + 1);
        gguf_write_u32(w, name, 1);
        finish(w);
        free(name);
}
static void unknown_value_type(struct gguf_writer *w) { gguf_write_key(w, "k", 13); gguf_write_number(w, 0, 8); finish(w); }
static void neither_true_nor_false(struct gguf_writer *w) { gguf_write_key(w, "k", GGUF_BOOL); gguf_write_number(w, 2, 1); finish(w); }
static void endless_string(struct gguf_writer *w) { gguf_write_key(w, "k", GGUF_STRING); gguf_write_number(w, UINT64_MAX - 7, 8); finish(w); }
static void array_of_arrays(struct gguf_writer *w) { gguf_write_array(w, "k", GGUF_ARRAY, 1); finish(w); }
static void array_of_unknown(struct gguf_writer *w) { gguf_write_array(w, "k", 13, 1); finish(w); }
static void endless_array(struct gguf_writer *w) { gguf_write_array(w, "k", GGUF_U8, UINT64_MAX); finish(w); }
static void overflowing_array(struct gguf_writer *w) { gguf_write_array(w, "k", GGUF_U64, (UINT64_MAX >> 3) + 2); finish(w); }
static void endless_strings(struct gguf_writer *w) { gguf_write_array(w, "k", GGUF_STRING, UINT64_MAX >> 4); finish(w); }
static void too_few_strings(struct gguf_writer *w) { gguf_write_array(w, "k", GGUF_STRING, 5); gguf_write_text(w, "one", 3); finish(w); }
static void same_key(struct gguf_writer *w) { gguf_write_u32(w, "b", 1); gguf_write_u32(w, "a", 1); finish(w); }
static void same_tensor(struct gguf_writer *w) { gguf_write_tensor(w, "t", TENSOR_Q8_0, 32, 2, 0, 0); finish(w); gguf_write_zeros(w, 96); }
static void steering_key(struct gguf_writer *w) { gguf_write_u32(w, "\033]0;x\a\n", 1); gguf_write_u32(w, "\033]0;x\a\n", 1); finish(w); }
static void alignment_0(struct gguf_writer *w) { gguf_write_u32(w, "general.alignment", 0); finish(w); }
static void alignment_4(struct gguf_writer *w) { gguf_write_u32(w, "general.alignment", 4); finish(w); }
static void alignment_48(struct gguf_writer *w) { gguf_write_u32(w, "general.alignment", 48); finish(w); }
static void alignment_huge(struct gguf_writer *w) { gguf_write_u32(w, "general.alignment", 1u << 31); finish(w); }
static void alignment_text(struct gguf_writer *w) { gguf_write_string(w, "general.alignment", "32"); finish(w); }
static void no_dims(struct gguf_writer *w) { finish_with_tensor(w, TENSOR_F32, 0, 0, 0, 0); }
static void five_dims(struct gguf_writer *w) {
        gguf_write_text(w, "t", 1);
        gguf_write_number(w, 5, 4);
        for (int i = 0; i < 5; i++)
                gguf_write_number(w, 1, 8);
        gguf_write_number(w, TENSOR_F32, 4);
        gguf_write_number(w, 0, 8);
        w->tensors_count++;
        gguf_write_end(w);
        gguf_write_zeros(w, 64);
}
static void dim_0(struct gguf_writer *w) { finish(w); gguf_write_patch(w, 24 + 17 + 9 + 4 + 8, 0, 8); }
static void dims_overflow(struct gguf_writer *w) { finish_with_tensor(w, TENSOR_F32, 1u << 31, 1u << 31, 4, 0); }
static void bytes_overflow(struct gguf_writer *w) { finish_with_tensor(w, TENSOR_F32, 1u << 31, 1u << 31, 1, 0); }
static void broken_row(struct gguf_writer *w) { finish_with_tensor(w, TENSOR_Q4_K, 128, 2, 0, 0); }
static void withdrawn_type(struct gguf_writer *w) { finish_with_tensor(w, 4, 32, 2, 0, 0); }
static void unknown_type(struct gguf_writer *w) { finish_with_tensor(w, 999, 32, 2, 0, 0); }
static void nameless_tensor(struct gguf_writer *w) { gguf_write_tensor(w, "", TENSOR_F32, 1, 0, 0, 0); finish(w); }
static void between_alignments(struct gguf_writer *w) { w->offset = 16; finish_with_tensor(w, TENSOR_F32, 8, 0, 0, 0); }
static void beyond_the_end(struct gguf_writer *w) { w->offset = 1 << 20; finish(w); }
static void far_beyond(struct gguf_writer *w) { w->offset = UINT64_MAX - 31; finish(w); }
static void larger_than_the_file(struct gguf_writer *w) { finish_with_tensor(w, TENSOR_F32, 1u << 30, 4, 0, 0); }
static void first_of_three(struct gguf_writer *w) { gguf_write_u16(w, "split.no", 0); gguf_write_u16(w, "split.count", 3); finish(w); }
static void second_of_one(struct gguf_writer *w) { gguf_write_u16(w, "split.no", 1); gguf_write_u16(w, "split.count", 1); finish(w); }
static void split_text(struct gguf_writer *w) { gguf_write_string(w, "split.count", "3"); finish(w); }
/* clang-format on */

static void test_lies(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                lie *tell;
                int expect;
                const char *says;
        } rows[] = {
                { nothing_wrong, 0, NULL },
                { other_magic, -EBADMSG, "does not begin with 'GGUF'" },
                { version_1, -ENOTSUP, "GGUF version 1 is not supported" },
                { version_4, -ENOTSUP, "GGUF version 4 is not supported" },
                { big_endian, -ENOTSUP, "big-endian" },
                { all_tensors, -EBADMSG, "tensor count 18446744073709551615" },
                { one_tensor_more, -EBADMSG, "a tensor has a name of 0 bytes" },
                { all_keys, -EBADMSG, "metadata count 18446744073709551615" },
                { many_keys, -EBADMSG, "" },
                { endless_key, -EBADMSG, "ends inside the name of a metadata key" },
                { long_key, -EBADMSG, "ends inside the name of a metadata key" },
                { nameless_key, -EBADMSG, "a name of 0 bytes" },
                { very_long_key, -EBADMSG, "a name of 65536 bytes" },
                { unknown_value_type, -EBADMSG, "key 'k': the value type 13 does not exist" },
                { neither_true_nor_false, -EBADMSG, "key 'k': the value 2 is neither true nor false" },
                { endless_string, -EBADMSG, "key 'k': the file ends inside the string" },
                { array_of_arrays, -ENOTSUP, "key 'k': arrays of arrays" },
                { array_of_unknown, -EBADMSG, "key 'k': the array's element type 13" },
                { endless_array, -EBADMSG, "key 'k': the array's length 18446744073709551615" },
                { overflowing_array, -EBADMSG, "key 'k': the array's length" },
                { endless_strings, -EBADMSG, "key 'k': the array's length" },
                { too_few_strings, -EBADMSG, "key 'k': the file ends inside a string of the array" },
                { same_key, -EBADMSG, "key 'a': is there twice" },
                { same_tensor, -EBADMSG, "tensor 't': is there twice" },
                { steering_key, -EBADMSG, "key '?]0;x?" "?': is there twice" },
                { alignment_0, -EBADMSG, "'general.alignment' is 0," },
                { alignment_4, -EBADMSG, "'general.alignment' is 4," },
                { alignment_48, -EBADMSG, "'general.alignment' is 48," },
                { alignment_huge, -EBADMSG, "'general.alignment' is 2147483648," },
                { alignment_text, -EBADMSG, "key 'general.alignment'" },
                { no_dims, -EBADMSG, "tensor 't': the number of dimensions is 0" },
                { five_dims, -EBADMSG, "tensor 't': the number of dimensions is 5" },
                { dim_0, -EBADMSG, "tensor 't': dimension 1 is 0" },
                { dims_overflow, -EBADMSG, "tensor 't': dimension 2 is 4: the product overflows" },
                { bytes_overflow, -EBADMSG, "tensor 't': dimension 1 is 2147483648: the size in bytes overflows" },
                { broken_row, -EBADMSG, "tensor 't': a row of 128 values is no whole number of Q4_K blocks of 256" },
                { withdrawn_type, -ENOTSUP, "tensor 't': tensor type 4 is unknown (known: 0 1 2 3 6" },
                { unknown_type, -ENOTSUP, "tensor 't': tensor type 999 is unknown" },
                { nameless_tensor, -EBADMSG, "a tensor has a name of 0 bytes" },
                { between_alignments, -EBADMSG, "tensor 't': the data offset 16 is no multiple of the alignment 32" },
                { beyond_the_end, -EBADMSG, "tensor 't': its 68 bytes at data offset 1048576 exceed the file's 68 bytes" },
                { far_beyond, -EBADMSG, "tensor 't': its 68 bytes" },
                { larger_than_the_file, -EBADMSG, "it is cut off: " },
                { first_of_three, -EBADMSG, "'split.count' says that the model has 3 parts, but 1 was given" },
                { second_of_one, -EBADMSG, "'split.no' is 1 where part 0 is expected" },
                { split_text, -EBADMSG, "key 'split.count'" },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct gguf_writer w = { 0 };
                struct gguf_error error = { "" };
                write_base(&w);
                rows[i].tell(&w);
                int r = open_result(w.bytes, w.length, &error);
                if (r != rows[i].expect || (r && !strstr(error.text, rows[i].says)))
                        fail_msg("row %zu: %d \"%s\", expected %d \"%s\"", i, r, error.text, rows[i].expect,
                                 rows[i].says ? rows[i].says : "");
                gguf_write_done(&w);
        }
}

static void test_directories_of_many_rows(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        struct gguf *g;
        struct gguf_error error;
        char name[32];
        gguf_write_begin(&w, 3);
        for (uint32_t i = 0; i < 20000; i++) {
                snprintf(name, sizeof(name), "key.%u", (i * 7919u) % 20000u);
                gguf_write_u32(&w, name, i);
        }
        gguf_write_end(&w);
        struct gguf_memory memory = { w.bytes, w.length };
        assert_int_equal(gguf_open_memory(&memory, 1, &g, &error), 0);
        for (uint32_t i = 0; i < 20000; i++) {
                uint32_t value;
                snprintf(name, sizeof(name), "key.%u", (i * 7919u) % 20000u);
                assert_int_equal(gguf_get_u32(g, name, &value), 0);
                assert_int_equal(value, i);
        }
        gguf_close(g);

        gguf_write_begin(&w, 3);
        for (uint32_t i = 0; i <= GGUF_ENTRIES_MAX; i++)
                gguf_write_u32(&w, "k", 0);
        gguf_write_end(&w);
        memory = (struct gguf_memory){ w.bytes, w.length };
        assert_int_equal(gguf_open_memory(&memory, 1, &g, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "metadata count 65537"));
        gguf_write_done(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_files),
                cmocka_unit_test(test_every_truncation),
                cmocka_unit_test(test_every_byte_damaged),
                cmocka_unit_test(test_lies),
                cmocka_unit_test(test_directories_of_many_rows),
        };
        return cmocka_run_group_tests(tests, make_fence, NULL);
}
