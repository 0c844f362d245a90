/*
 * gguf.h - reading a GGUF container (versions 2 and 3), whole or split over several files.
 *
 * The files arrive as open read-only descriptors and are mapped; nothing is copied but the two directories. Every
 * count, length, offset, type and shape is hostile until checked: a damaged file ends in one sentence that names the
 * field, never in a crash or an allocation out of proportion to the file. The checks of `gguf_open` hold for the life
 * of the object: strings lie inside the mapping, a tensor's bytes lie inside its file, arrays have as many elements
 * as they say.
 *
 * One thing is not promised: a file that another process shrinks or rewrites in place while it is mapped.
 * The lengths are those at open; touching a page that has gone raises SIGBUS and ends the process, which is
 * why models are parsed and run in a process of their own. Replacing a file by rename is safe.
 *
 * Format: the GGUF specification (little-endian; metadata, tensor directory, aligned tensor data).
 */
#ifndef HEADROOM_ENGINE_GGUF_GGUF_H
#define HEADROOM_ENGINE_GGUF_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/tensor_type.h"

/* clang-format off */
enum gguf_value_type {
        GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL,
        GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64,
        GGUF_VALUE_TYPE_COUNT,
};
/* clang-format on */

/* Bytes inside the mapping: not terminated, not necessarily UTF-8. */
struct gguf_string {
        const char *bytes;
        uint64_t length;
};

struct gguf_array {
        enum gguf_value_type type; /* of the elements; never GGUF_ARRAY */
        uint64_t count;
        const uint8_t *bytes;              /* elements as stored, unaligned */
        const struct gguf_string *strings; /* type GGUF_STRING: COUNT views, owned by the gguf; else NULL */
};

struct gguf_entry {
        struct gguf_string key;
        enum gguf_value_type type;
        union {
                uint64_t u; /* unsigned types and bool */
                int64_t i;  /* signed types */
                double f;   /* F32, F64 */
                struct gguf_string string;
                struct gguf_array array;
        };
};

struct gguf_tensor {
        struct gguf_string name;
        enum tensor_type type;
        uint32_t dims_count; /* 1..4 */
        uint64_t dims[4];    /* dims[0] is the length of a row, contiguous; unused ones are 1 */
        uint64_t bytes;
        const uint8_t *data; /* inside the mapping of its file, aligned as the file says */
};

struct gguf_error {
        char text[256]; /* one sentence, terminated, printable */
};

struct gguf;

/*
 * Maps FDS (one file, or all parts of a split model in order) and checks everything. The descriptors
 * stay the caller's and may be closed after the call. 0 and *ret, or -errno (-EBADMSG: damaged,
 * -ENOTSUP: valid but not known here) and *reterr.
 */
int gguf_open(const int fds[], uint32_t fds_count, struct gguf **ret, struct gguf_error *reterr);
void gguf_close(struct gguf *g); /* NULL is fine */

/* The same for files that are in memory already, which stays the caller's and must outlive the gguf. */
struct gguf_memory {
        const uint8_t *bytes; /* aligned to 32 bytes where tensor data is to be computed with */
        uint64_t length;
};
int gguf_open_memory(const struct gguf_memory parts[], uint32_t parts_count, struct gguf **ret, struct gguf_error *reterr);

uint32_t gguf_version(const struct gguf *g);
uint64_t gguf_file_bytes(const struct gguf *g);   /* all parts together */
uint64_t gguf_tensor_bytes(const struct gguf *g); /* weights: the tensors of all parts together */

size_t gguf_entries_count(const struct gguf *g);
const struct gguf_entry *gguf_entry_at(const struct gguf *g, size_t index);
const struct gguf_entry *gguf_find(const struct gguf *g, const char *key);

size_t gguf_tensors_count(const struct gguf *g);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t index);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name);

/*
 * Typed access. 0 and *ret; -ENOENT when the key is absent; -EBADMSG when it has another type or does
 * not fit. Integers of any width and sign are accepted where the value fits.
 */
int gguf_get_u32(const struct gguf *g, const char *key, uint32_t *ret);
int gguf_get_f32(const struct gguf *g, const char *key, float *ret);
int gguf_get_bool(const struct gguf *g, const char *key, bool *ret);
int gguf_get_string(const struct gguf *g, const char *key, struct gguf_string *ret);
int gguf_get_array(const struct gguf *g, const char *key, enum gguf_value_type type, const struct gguf_array **ret);

/* Element INDEX of an array of numbers. The array's type must match; INDEX < count (asserted). */
uint64_t gguf_array_u64(const struct gguf_array *a, uint64_t index); /* any integer type; negative values wrap */
float gguf_array_f32(const struct gguf_array *a, uint64_t index);

bool gguf_string_equals(struct gguf_string s, const char *text);

#endif
