/*
 * gguf_writer.h - writes GGUF files for tests, field by field, so that any field can also be written wrong.
 *
 * A buffer that grows; the header's two counts are filled in by gguf_write_end (unless a test has patched them).
 * Out of memory ends the program: these are tools.
 */
#ifndef HEADROOM_TESTS_GGUF_WRITER_H
#define HEADROOM_TESTS_GGUF_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf/gguf.h"

struct gguf_writer {
        uint8_t *bytes;
        size_t length, capacity;
        uint64_t entries_count, tensors_count;
        uint64_t offset; /* where the next tensor's data goes */
        uint64_t alignment;
};

static inline void gguf_write_bytes(struct gguf_writer *w, const void *bytes, size_t count) {
        if (w->length + count > w->capacity) {
                w->capacity = (w->length + count) * 2;
                w->bytes = realloc(w->bytes, w->capacity);
                if (!w->bytes) {
                        fputs("out of memory\n", stderr);
                        exit(1);
                }
        }
        if (count)
                memcpy(w->bytes + w->length, bytes, count);
        w->length += count;
}

/* The low COUNT bytes of VALUE, little-endian. */
static inline void gguf_write_number(struct gguf_writer *w, uint64_t value, size_t count) {
        uint8_t bytes[8];
        for (size_t i = 0; i < 8; i++)
                bytes[i] = (uint8_t) (value >> 8 * i);
        gguf_write_bytes(w, bytes, count);
}

static inline void gguf_write_text(struct gguf_writer *w, const char *text, size_t length) {
        gguf_write_number(w, length, 8);
        gguf_write_bytes(w, text, length);
}

static inline void gguf_write_begin(struct gguf_writer *w, uint32_t version) {
        free(w->bytes);
        *w = (struct gguf_writer){ .alignment = 32 };
        gguf_write_bytes(w, "GGUF", 4);
        gguf_write_number(w, version, 4);
        gguf_write_number(w, 0, 8);
        gguf_write_number(w, 0, 8);
}

static inline void gguf_write_key(struct gguf_writer *w, const char *key, uint32_t type) {
        gguf_write_text(w, key, strlen(key));
        gguf_write_number(w, type, 4);
        w->entries_count++;
}

static inline void gguf_write_u32(struct gguf_writer *w, const char *key, uint32_t value) {
        gguf_write_key(w, key, GGUF_U32);
        gguf_write_number(w, value, 4);
}

static inline void gguf_write_u16(struct gguf_writer *w, const char *key, uint16_t value) {
        gguf_write_key(w, key, GGUF_U16);
        gguf_write_number(w, value, 2);
}

static inline void gguf_write_float(struct gguf_writer *w, float value) {
        uint32_t bits;
        memcpy(&bits, &value, 4);
        gguf_write_number(w, bits, 4);
}

static inline void gguf_write_f32(struct gguf_writer *w, const char *key, float value) {
        gguf_write_key(w, key, GGUF_F32);
        gguf_write_float(w, value);
}

static inline void gguf_write_bool(struct gguf_writer *w, const char *key, bool value) {
        gguf_write_key(w, key, GGUF_BOOL);
        gguf_write_number(w, value, 1);
}

static inline void gguf_write_string(struct gguf_writer *w, const char *key, const char *text) {
        gguf_write_key(w, key, GGUF_STRING);
        gguf_write_text(w, text, strlen(text));
}

/* The elements follow by gguf_write_number, _float or _text. */
static inline void gguf_write_array(struct gguf_writer *w, const char *key, uint32_t type, uint64_t count) {
        gguf_write_key(w, key, GGUF_ARRAY);
        gguf_write_number(w, type, 4);
        gguf_write_number(w, count, 8);
}

/* A row of the tensor list. Dims end with the first 0. Returns the tensor's size; the next one begins after it, aligned. */
static inline uint64_t gguf_write_tensor(struct gguf_writer *w, const char *name, uint32_t type, uint64_t d0, uint64_t d1,
                                         uint64_t d2, uint64_t d3) {
        const uint64_t dims[5] = { d0, d1, d2, d3, 0 };
        uint32_t count = 0;
        uint64_t bytes = 0;
        gguf_write_text(w, name, strlen(name));
        while (dims[count])
                count++;
        gguf_write_number(w, count, 4);
        if (!tensor_type_row_bytes(type, d0, &bytes))
                bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
                gguf_write_number(w, dims[i], 8);
                bytes *= i ? dims[i] : 1;
        }
        gguf_write_number(w, type, 4);
        gguf_write_number(w, w->offset, 8);
        w->offset += (bytes + w->alignment - 1) / w->alignment * w->alignment;
        w->tensors_count++;
        return bytes;
}

/* Overwrites a number already written, wherever it is. */
static inline void gguf_write_patch(struct gguf_writer *w, size_t at, uint64_t value, size_t count) {
        for (size_t i = 0; i < count; i++)
                w->bytes[at + i] = (uint8_t) (value >> 8 * i);
}

/* After the last tensor: the counts, and zeros up to where the data begins. */
static inline void gguf_write_end(struct gguf_writer *w) {
        gguf_write_patch(w, 8, w->tensors_count, 8);
        gguf_write_patch(w, 16, w->entries_count, 8);
        while (w->length % w->alignment)
                gguf_write_number(w, 0, 1);
}

/* Zeros as the data of all tensors. */
static inline void gguf_write_zeros(struct gguf_writer *w, uint64_t count) {
        static const uint8_t zeros[4096];
        for (; count > sizeof(zeros); count -= sizeof(zeros))
                gguf_write_bytes(w, zeros, sizeof(zeros));
        gguf_write_bytes(w, zeros, (size_t) count);
}

static inline void gguf_write_done(struct gguf_writer *w) {
        free(w->bytes);
        *w = (struct gguf_writer){ 0 };
}

#endif
