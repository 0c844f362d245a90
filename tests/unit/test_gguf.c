/*
 * test_gguf.c - the reader on good files, on every truncation and single-byte damage of a small one, and on one row
 * per lie a file can tell. The bytes lie flush against an unreadable page, so reading one byte too far is a crash.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/bounds.h"
#include "engine/gguf.h"
#include "tests/gguf_writer.h"

/* ---- bytes against an unreadable page ---- */

#define FENCE_BYTES (1u << 20)
static uint8_t *fence; /* FENCE_BYTES readable ones end here */

static int make_fence(void **state) {
        (void) state;
        uint8_t *map = mmap(NULL, FENCE_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED || mprotect(map + FENCE_BYTES, 4096, PROT_NONE))
                return -1;
        fence = map + FENCE_BYTES;
        return 0;
}

static struct gguf_memory flush(const uint8_t *bytes, size_t length) {
        assert_true(length <= FENCE_BYTES);
        memcpy(fence - length, bytes, length);
        return (struct gguf_memory){ fence - length, length };
}

static uint64_t touched; /* keeps the reads of touch() alive */

static void touch_bytes(const void *bytes, uint64_t length) {
        for (uint64_t i = 0; i < length; i++)
                touched += ((const uint8_t *) bytes)[i];
}

static void touch_string(struct gguf_string s) {
        touch_bytes(s.bytes, s.length);
}

/* Reads all that the reader promises can be read. */
static void touch(const struct gguf *g) {
        for (size_t i = 0; i < gguf_entries_count(g); i++) {
                const struct gguf_entry *e = gguf_entry_at(g, i);
                touch_string(e->key);
                if (e->type == GGUF_STRING)
                        touch_string(e->string);
                if (e->type != GGUF_ARRAY)
                        continue;
                for (uint64_t j = 0; j < e->array.count; j++) {
                        if (e->array.type == GGUF_STRING)
                                touch_string(e->array.strings[j]);
                        else if (e->array.type == GGUF_F32 || e->array.type == GGUF_F64)
                                touched += gguf_array_f32(&e->array, j) > 0;
                        else
                                touched += gguf_array_u64(&e->array, j);
                }
        }
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                const struct gguf_tensor *t = gguf_tensor_at(g, i);
                touch_string(t->name);
                touch_bytes(t->data, t->bytes);
        }
        touched += gguf_find(g, "general.name") != NULL;
        touched += gguf_find_tensor(g, "a.weight") != NULL;
}

/* The result of opening these bytes; a failure must have said one printable sentence. */
static int open_result(const uint8_t *bytes, size_t length, struct gguf_error *reterr) {
        struct gguf_memory memory = flush(bytes, length);
        struct gguf *g = NULL;
        memset(reterr, 0x7f, sizeof(*reterr));
        int r = gguf_open_memory(&memory, 1, &g, reterr);
        if (r == 0) {
                touch(g);
                gguf_close(g);
                return 0;
        }
        assert_null(g);
        assert_true(r == -EBADMSG || r == -ENOTSUP);
        size_t said = strnlen(reterr->text, sizeof(reterr->text));
        assert_true(said > 10 && said < sizeof(reterr->text));
        assert_null(strpbrk(reterr->text, "\n\r\t\033\x7f"));
        return r;
}

/* ---- a small file with something of everything ---- */

static const uint32_t number_types[] = { GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_U64, GGUF_I64 };
static const size_t number_bytes[] = { 1, 1, 2, 2, 4, 4, 8, 8 };

static void write_sample(struct gguf_writer *w, uint32_t version) {
        static const char *const keys[] = { "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64" };
        static const char *const arrays[] = { "a.u8", "a.i8", "a.u16", "a.i16", "a.u32", "a.i32", "a.u64", "a.i64" };
        gguf_write_begin(w, version);
        gguf_write_string(w, "general.name", "a sample");
        for (unsigned i = 0; i < 8; i++) {
                gguf_write_key(w, keys[i], number_types[i]);
                gguf_write_number(w, i % 2 ? UINT64_MAX - 6 : 200, number_bytes[i]); /* -7 in every width */
                gguf_write_array(w, arrays[i], number_types[i], 3);
                for (uint64_t j = 0; j < 3; j++)
                        gguf_write_number(w, i % 2 ? -j : j, number_bytes[i]);
        }
        gguf_write_f32(w, "f32", 1.5f);
        gguf_write_key(w, "f64", GGUF_F64);
        double wide = -2.25;
        uint64_t bits;
        memcpy(&bits, &wide, 8);
        gguf_write_number(w, bits, 8);
        gguf_write_bool(w, "yes", true);
        gguf_write_bool(w, "no", false);
        gguf_write_array(w, "words", GGUF_STRING, 3);
        gguf_write_text(w, "one", 3);
        gguf_write_text(w, "", 0);
        gguf_write_text(w, "th\0ree", 6);
        gguf_write_array(w, "none", GGUF_STRING, 0);
        gguf_write_array(w, "floats", GGUF_F32, 2);
        gguf_write_float(w, 0.5f);
        gguf_write_float(w, -0.5f);
        gguf_write_array(w, "flags", GGUF_BOOL, 2);
        gguf_write_number(w, 1, 2);
        uint64_t bytes = 0;
        bytes += gguf_write_tensor(w, "b.weight", TENSOR_F32, 3, 2, 0, 0);
        bytes += gguf_write_tensor(w, "a.weight", TENSOR_Q8_0, 64, 2, 0, 0);
        bytes += gguf_write_tensor(w, "c.weight", TENSOR_F16, 1, 1, 1, 2);
        assert_int_equal(bytes, 24 + 136 + 4);
        gguf_write_end(w);
        for (unsigned i = 0; i < 32 + 160 + 4; i++) /* aligned, and the last one ends with the file */
                gguf_write_number(w, i, 1);
}

static void check_numbers(const struct gguf *g) {
        uint32_t value = 77;
        const struct gguf_array *array;
        assert_int_equal(gguf_get_u32(g, "u8", &value), 0);
        assert_int_equal(value, 200);
        assert_int_equal(gguf_get_u32(g, "u64", &value), 0);
        assert_int_equal(value, 200);
        assert_int_equal(gguf_get_u32(g, "i16", &value), -EBADMSG);
        assert_int_equal(gguf_get_u32(g, "f32", &value), -EBADMSG);
        assert_int_equal(gguf_get_u32(g, "yes", &value), -EBADMSG);
        assert_int_equal(gguf_get_u32(g, "not there", &value), -ENOENT);
        assert_int_equal(value, 200);
        assert_int_equal(gguf_find(g, "i8")->i, -7);
        assert_int_equal(gguf_find(g, "i64")->i, -7);
        static const char *const arrays[] = { "a.i8", "a.i16", "a.i32", "a.i64" };
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(gguf_get_array(g, arrays[i], number_types[2 * i + 1], &array), 0);
                assert_int_equal(array->count, 3);
                assert_int_equal((int64_t) gguf_array_u64(array, 2), -2);
        }
        assert_int_equal(gguf_get_array(g, "a.u16", GGUF_U16, &array), 0);
        assert_int_equal(gguf_array_u64(array, 2), 2);
        assert_int_equal(gguf_get_array(g, "a.u16", GGUF_U32, &array), -EBADMSG);
        assert_int_equal(gguf_get_array(g, "u16", GGUF_U16, &array), -EBADMSG);
        assert_int_equal(gguf_get_array(g, "not there", GGUF_U16, &array), -ENOENT);
}

static void check_others(const struct gguf *g) {
        float number = 0;
        bool flag = false;
        struct gguf_string text;
        const struct gguf_array *array;
        assert_int_equal(gguf_get_f32(g, "f32", &number), 0);
        assert_true(number == 1.5f);
        assert_int_equal(gguf_get_f32(g, "f64", &number), 0);
        assert_true(number == -2.25f);
        assert_int_equal(gguf_get_f32(g, "u8", &number), -EBADMSG);
        assert_int_equal(gguf_get_bool(g, "yes", &flag), 0);
        assert_true(flag);
        assert_int_equal(gguf_get_bool(g, "no", &flag), 0);
        assert_false(flag);
        assert_int_equal(gguf_get_bool(g, "u8", &flag), -EBADMSG);
        assert_int_equal(gguf_get_string(g, "general.name", &text), 0);
        assert_true(gguf_string_equals(text, "a sample"));
        assert_false(gguf_string_equals(text, "a samplf"));
        assert_false(gguf_string_equals(text, "a sampl"));
        assert_int_equal(gguf_get_string(g, "u8", &text), -EBADMSG);
        assert_int_equal(gguf_get_array(g, "words", GGUF_STRING, &array), 0);
        assert_int_equal(array->count, 3);
        assert_true(gguf_string_equals(array->strings[0], "one"));
        assert_int_equal(array->strings[1].length, 0);
        assert_int_equal(array->strings[2].length, 6);
        assert_int_equal(gguf_get_array(g, "none", GGUF_STRING, &array), 0);
        assert_int_equal(array->count, 0);
        assert_int_equal(gguf_get_array(g, "floats", GGUF_F32, &array), 0);
        assert_true(gguf_array_f32(array, 1) == -0.5f);
}

static void check_tensors(const struct gguf *g) {
        assert_int_equal(gguf_tensors_count(g), 3);
        assert_int_equal(gguf_tensor_bytes(g), 164);
        const struct gguf_tensor *t = gguf_find_tensor(g, "a.weight");
        assert_non_null(t);
        assert_ptr_equal(t, gguf_tensor_at(g, 1));
        assert_int_equal(t->type, TENSOR_Q8_0);
        assert_int_equal(t->dims_count, 2);
        assert_int_equal(t->dims[0], 64);
        assert_int_equal(t->dims[1], 2);
        assert_int_equal(t->dims[2], 1);
        assert_int_equal(t->dims[3], 1);
        assert_int_equal(t->bytes, 136);
        assert_int_equal(t->data[0], 32);
        t = gguf_find_tensor(g, "c.weight");
        assert_int_equal(t->dims_count, 4);
        assert_int_equal(t->data[3], 195);
        assert_null(gguf_find_tensor(g, "d.weight"));
        assert_null(gguf_find_tensor(g, ""));
}

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
                { larger_than_the_file, -EBADMSG, "tensor 't': its 17179869184 bytes" },
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

/* ---- split files ---- */

static void write_part(struct gguf_writer *w, uint16_t no, uint16_t count, const char *tensor) {
        gguf_write_begin(w, 3);
        if (no == 0)
                gguf_write_string(w, "general.name", "in parts");
        gguf_write_u16(w, "split.no", no);
        gguf_write_u16(w, "split.count", count);
        gguf_write_key(w, "split.tensors.count", GGUF_I32);
        gguf_write_number(w, count, 4);
        gguf_write_tensor(w, tensor, TENSOR_F32, 2, 0, 0, 0);
        gguf_write_end(w);
        gguf_write_number(w, 0x3f800000u + no, 4);
        gguf_write_number(w, 0, 4);
}

static int open_parts(const struct gguf_writer w[], const unsigned order[], uint32_t count, struct gguf **ret,
                      struct gguf_error *reterr) {
        struct gguf_memory memory[4];
        for (uint32_t i = 0; i < count; i++)
                memory[i] = (struct gguf_memory){ w[order[i]].bytes, w[order[i]].length };
        return gguf_open_memory(memory, count, ret, reterr);
}

static void expect_parts_refused(const struct gguf_writer w[], const unsigned order[], uint32_t count, const char *says) {
        struct gguf *g = NULL;
        struct gguf_error error;
        assert_int_equal(open_parts(w, order, count, &g, &error), -EBADMSG);
        assert_null(g);
        if (!strstr(error.text, says))
                fail_msg("\"%s\", expected \"%s\"", error.text, says);
}

static void test_split_files(void **state) {
        (void) state;
        static const unsigned in_order[] = { 0, 1, 2 }, swapped[] = { 0, 2, 1 }, twice[] = { 0, 1, 1 };
        static const char *const tensors[] = { "b", "a", "c" };
        struct gguf_writer w[4] = { 0 };
        struct gguf *g;
        struct gguf_error error;
        for (uint16_t i = 0; i < 3; i++)
                write_part(&w[i], i, 3, tensors[i]);
        assert_int_equal(open_parts(w, in_order, 3, &g, &error), 0);
        assert_int_equal(gguf_tensors_count(g), 3);
        assert_int_equal(gguf_tensor_bytes(g), 24);
        assert_int_equal(gguf_file_bytes(g), w[0].length + w[1].length + w[2].length);
        assert_non_null(gguf_find(g, "general.name"));
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(gguf_find_tensor(g, tensors[i])->data[0], i);
        gguf_close(g);

        expect_parts_refused(w, in_order, 2, "part 1 of 2: key 'split.count' says that the model has 3 parts, but 2 were given");
        expect_parts_refused(w, swapped, 3, "part 2 of 3: key 'split.no' is 2 where part 1 is expected");
        expect_parts_refused(w, twice, 3, "part 3 of 3: key 'split.no' is 1 where part 2 is expected");
        write_part(&w[2], 2, 3, "b");
        expect_parts_refused(w, in_order, 3, "tensor 'b': is there twice");
        write_part(&w[2], 2, 3, "c");
        w[2].length -= 4;
        expect_parts_refused(w, in_order, 3, "part 3 of 3: tensor 'c': its 8 bytes");
        gguf_write_begin(&w[2], 3);
        gguf_write_end(&w[2]);
        expect_parts_refused(w, in_order, 3, "part 3 of 3: key 'split.count' is missing");
        gguf_write_begin(&w[2], 3);
        gguf_write_u16(&w[2], "split.no", 2);
        gguf_write_u16(&w[2], "split.count", 3);
        gguf_write_end(&w[2]);
        expect_parts_refused(w, in_order, 3, "'split.tensors.count' is 3, but all parts together hold 2 tensors");
        for (unsigned i = 0; i < 4; i++)
                gguf_write_done(&w[i]);
}

/* ---- files ---- */

static void expect_file_refused(int fd, int expect, const char *says) {
        struct gguf *g = NULL;
        struct gguf_error error;
        assert_int_equal(gguf_open(&fd, 1, &g, &error), expect);
        assert_null(g);
        if (!strstr(error.text, says))
                fail_msg("\"%s\", expected \"%s\"", error.text, says);
}

static void test_files(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        struct gguf *g;
        struct gguf_error error;
        int ends[2], fd = memfd_create("empty", 0), directory = open(".", O_RDONLY | O_DIRECTORY);
        assert_int_equal(pipe(ends), 0);
        expect_file_refused(fd, -EBADMSG, "the file is empty");
        expect_file_refused(directory, -EBADMSG, "a directory");
        expect_file_refused(ends[0], -EBADMSG, "no regular file");
        expect_file_refused(-1, -EBADF, "cannot look at the file");
        write_sample(&w, 3);
        assert_int_equal(write(fd, w.bytes, w.length), w.length);
        assert_int_equal(gguf_open(&fd, 1, &g, &error), 0);
        close(fd); /* the mapping stays */
        check_numbers(g);
        check_tensors(g);
        for (size_t i = 0; i < gguf_tensors_count(g); i++)
                assert_int_equal((uintptr_t) gguf_tensor_at(g, i)->data % 32, 0);
        gguf_close(g);
        gguf_write_done(&w);
        close(directory);
        close(ends[0]);
        close(ends[1]);
}

/* A file of 3 GiB, nearly all hole: the reader must not wander through it. */
static void test_a_large_hole(void **state) {
        (void) state;
        struct gguf_writer w = { 0 };
        int fd = memfd_create("hole", 0);
        gguf_write_begin(&w, 3);
        gguf_write_array(&w, "k", GGUF_STRING, UINT64_C(300) << 20);
        gguf_write_end(&w);
        assert_int_equal(write(fd, w.bytes, w.length), w.length);
        assert_int_equal(ftruncate(fd, 3ll << 30), 0);
        expect_file_refused(fd, -EBADMSG, "key 'k': the array's length 314572800 exceeds");
        close(fd);
        gguf_write_done(&w);
}

/* Each file of the reference data is read, or refused as valid but unknown. */
static void test_reference_files(void **state) {
        (void) state;
        static const char *const folders[] = { "tiny", "real", "vocab" };
        const char *root = getenv("HEADROOM_REFDATA");
        unsigned read_count = 0, unknown = 0;
        for (unsigned i = 0; i < 3; i++) {
                char path[512];
                snprintf(path, sizeof(path), "%s/%s", root ? root : "../shared/refdata", folders[i]);
                DIR *directory = opendir(path);
                for (struct dirent *d; directory && (d = readdir(directory));) {
                        struct gguf *g;
                        struct gguf_error error;
                        size_t length = strlen(d->d_name);
                        if (length < 5 || strcmp(d->d_name + length - 5, ".gguf") != 0)
                                continue;
                        int fd = openat(dirfd(directory), d->d_name, O_RDONLY);
                        int r = gguf_open(&fd, 1, &g, &error);
                        close(fd);
                        if (r != 0 && r != -ENOTSUP)
                                fail_msg("%s: %s", d->d_name, error.text);
                        read_count += r == 0;
                        unknown += r != 0;
                        if (r == 0) {
                                touch(g);
                                gguf_close(g);
                        }
                }
                if (directory)
                        closedir(directory);
        }
        if (read_count + unknown == 0) {
                print_message("SKIP: no reference models here\n");
                skip();
        }
        print_message("%u reference files read, %u refused as unknown\n", read_count, unknown);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_files),
                cmocka_unit_test(test_every_truncation),
                cmocka_unit_test(test_every_byte_damaged),
                cmocka_unit_test(test_lies),
                cmocka_unit_test(test_directories_of_many_rows),
                cmocka_unit_test(test_split_files),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_a_large_hole),
                cmocka_unit_test(test_reference_files),
        };
        return cmocka_run_group_tests(tests, make_fence, NULL);
}
