/*
 * gguf_fixture.h - GGUF bytes that lie flush against an unreadable page, so that reading one byte too far is a crash; and a small
 * file with something of everything.
 *
 * For tests that include cmocka first, with make_fence as the set-up of their group.
 */
#ifndef HEADROOM_TESTS_UNIT_ENGINE_GGUF_GGUF_FIXTURE_H
#define HEADROOM_TESTS_UNIT_ENGINE_GGUF_GGUF_FIXTURE_H

#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/gguf/gguf.h"
#include "tests/gguf_writer.h"

/* ---- bytes against an unreadable page ---- */

#define FENCE_BYTES (1u << 20)
static uint8_t *fence; /* FENCE_BYTES readable ones end here */

static inline int make_fence(void **state) {
        (void) state;
        uint8_t *map = mmap(NULL, FENCE_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED || mprotect(map + FENCE_BYTES, 4096, PROT_NONE))
                return -1;
        fence = map + FENCE_BYTES;
        return 0;
}

static inline struct gguf_memory flush(const uint8_t *bytes, size_t length) {
        assert_true(length <= FENCE_BYTES);
        memcpy(fence - length, bytes, length);
        return (struct gguf_memory){ fence - length, length };
}

static uint64_t touched; /* keeps the reads of touch() alive */

static inline void touch_bytes(const void *bytes, uint64_t length) {
        for (uint64_t i = 0; i < length; i++)
                touched += ((const uint8_t *) bytes)[i];
}

static inline void touch_string(struct gguf_string s) {
        touch_bytes(s.bytes, s.length);
}

/* Reads all that the reader promises can be read. */
static inline void touch(const struct gguf *g) {
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
static inline int open_result(const uint8_t *bytes, size_t length, struct gguf_error *reterr) {
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

static inline void write_sample(struct gguf_writer *w, uint32_t version) {
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

static inline void check_numbers(const struct gguf *g) {
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

static inline void check_others(const struct gguf *g) {
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

static inline void check_tensors(const struct gguf *g) {
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

#endif
