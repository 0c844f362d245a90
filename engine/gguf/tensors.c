/* tensors.c - the list of tensors of a part: names, types, extents, and where their bytes lie. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/gguf/internal.h"

#define TENSOR_BYTES_MIN 32u /* length of the name, number of dimensions, one dimension, type, offset */

static void tensor_read_dims(struct cursor *c, struct gguf_tensor *t) {
        uint64_t values = 1;
        t->dims_count = cursor_u32(c, "the number of dimensions");
        if (!c->broken && (t->dims_count < 1 || t->dims_count > 4))
                cursor_fail(c, -EBADMSG, "the number of dimensions is %" PRIu32 " (1 to 4 are possible)", t->dims_count);
        for (uint32_t i = 0; i < 4 && !c->broken; i++) {
                t->dims[i] = i < t->dims_count ? cursor_u64(c, "a dimension") : 1;
                if (!c->broken && t->dims[i] == 0)
                        cursor_fail(c, -EBADMSG, "dimension %" PRIu32 " is 0", i);
                if (!c->broken && __builtin_mul_overflow(values, t->dims[i], &values))
                        cursor_fail(c, -EBADMSG, "dimension %" PRIu32 " is %" PRIu64 ": the product overflows", i, t->dims[i]);
        }
}

static void tensor_size(struct cursor *c, struct gguf_tensor *t, uint32_t type) {
        const struct tensor_type_info *info = tensor_type_info(type);
        if (!info) {
                char known[160];
                size_t used = 0;
                for (uint32_t i = 0; i < TENSOR_TYPE_COUNT && used < sizeof(known); i++)
                        if (tensor_type_info(i))
                                used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%" PRIu32, used ? " " : "", i);
                cursor_fail(c, -ENOTSUP, "tensor type %" PRIu32 " is unknown (known: %s)", type, known);
                return;
        }
        t->type = (enum tensor_type) type;
        if (!tensor_type_row_bytes(type, t->dims[0], &t->bytes)) {
                cursor_fail(c, -EBADMSG, "a row of %" PRIu64 " values is no whole number of %s blocks of %" PRIu32, t->dims[0],
                            info->name, info->block_values);
                return;
        }
        for (uint32_t i = 1; i < 4; i++)
                if (__builtin_mul_overflow(t->bytes, t->dims[i], &t->bytes)) {
                        cursor_fail(c, -EBADMSG, "dimension %" PRIu32 " is %" PRIu64 ": the size in bytes overflows", i,
                                    t->dims[i]);
                        return;
                }
}

static void tensor_read(struct cursor *c, struct tensor_row *row, uint64_t alignment) {
        struct gguf_tensor *t = &row->tensor;
        t->name = cursor_string(c, "the name of a tensor");
        if (c->broken)
                return;
        if (t->name.length == 0 || t->name.length > GGUF_TENSOR_NAME_BYTES_MAX) {
                cursor_fail(c, -EBADMSG, "a tensor has a name of %" PRIu64 " bytes (1 to %u are possible)", t->name.length,
                            GGUF_TENSOR_NAME_BYTES_MAX);
                return;
        }
        c->kind = "tensor";
        c->row = t->name;
        tensor_read_dims(c, t);
        uint32_t type = cursor_u32(c, "the tensor type");
        if (!c->broken)
                tensor_size(c, t, type);
        row->offset = cursor_u64(c, "the data offset");
        if (!c->broken && row->offset % alignment)
                cursor_fail(c, -EBADMSG, "the data offset %" PRIu64 " is no multiple of the alignment %" PRIu64, row->offset,
                            alignment);
        c->kind = NULL;
}

/*
 * The bytes of the whole file, where its tensors lie one behind the other as every writer lays them out; else 0: then an offset
 * is wrong rather than the end missing.
 */
static uint64_t whole_length(const struct gguf_tensors *t, size_t first, uint64_t data, uint64_t alignment) {
        uint64_t end = 0;
        for (size_t i = first; i < t->count; i++) {
                uint64_t begin = end + (alignment - end % alignment) % alignment;
                if (begin < end || t->rows[i].offset != begin || __builtin_add_overflow(begin, t->rows[i].tensor.bytes, &end))
                        return 0;
        }
        return __builtin_add_overflow(data, end, &end) ? 0 : end;
}

/* The directory has been read: gives each of its tensors its bytes. */
static void tensors_place(struct cursor *c, struct gguf_tensors *t, size_t first, const struct gguf_part *part,
                          uint64_t alignment) {
        uint64_t data = (uint64_t) (c->next - c->start);
        data += (alignment - data % alignment) % alignment;
        for (size_t i = first; i < t->count && !c->broken; i++) {
                struct tensor_row *row = &t->rows[i];
                uint64_t left = data <= part->length ? part->length - data : 0;
                if (row->offset > left || row->tensor.bytes > left - row->offset) {
                        uint64_t whole = whole_length(t, first, data, alignment);
                        if (whole > part->length) {
                                cursor_fail(c, -EBADMSG, "it is cut off: %" PRIu64 " of %" PRIu64 " bytes", part->length, whole);
                                return;
                        }
                        c->kind = "tensor";
                        c->row = row->tensor.name;
                        cursor_fail(c, -EBADMSG,
                                    "its %" PRIu64 " bytes at data offset %" PRIu64 " exceed the file's %" PRIu64
                                    " bytes of data",
                                    row->tensor.bytes, row->offset, left);
                        return;
                }
                row->tensor.data = part->bytes + data + row->offset;
                if (__builtin_add_overflow(t->bytes, row->tensor.bytes, &t->bytes))
                        cursor_fail(c, -EBADMSG, "the sizes of all tensors together overflow");
        }
}

void gguf_tensors_read(struct cursor *c, struct gguf_tensors *t, uint64_t count, const struct gguf_part *part,
                       uint32_t alignment) {
        if (c->broken)
                return;
        if (count > GGUF_TENSORS_MAX - t->count || count > cursor_left(c) / TENSOR_BYTES_MIN) {
                cursor_fail(c, -EBADMSG, "the header's tensor count %" PRIu64 " exceeds what the file holds or %u", count,
                            GGUF_TENSORS_MAX);
                return;
        }
        size_t first = t->count;
        struct tensor_row *rows = reallocarray(t->rows, first + count + 1, sizeof(*rows));
        if (!rows) {
                cursor_fail(c, -ENOMEM, "no memory for %" PRIu64 " tensors", count);
                return;
        }
        t->rows = rows;
        memset(rows + first, 0, count * sizeof(*rows));
        for (uint64_t i = 0; i < count && !c->broken; i++)
                tensor_read(c, &rows[first + i], alignment);
        t->count = first + count;
        tensors_place(c, t, first, part, alignment);
}

void gguf_tensors_index(struct cursor *c, struct gguf_tensors *t) {
        t->by_name = calloc(t->count + 1, sizeof(*t->by_name));
        if (!t->by_name) {
                cursor_fail(c, -ENOMEM, "no memory for %zu tensors", t->count);
                return;
        }
        for (size_t i = 0; i < t->count; i++)
                t->by_name[i] = &t->rows[i].tensor;
        gguf_names_sort(c, t->by_name, t->count, "tensor");
}

void gguf_tensors_done(struct gguf_tensors *t) {
        free(t->rows);
        free(t->by_name);
        *t = (struct gguf_tensors){ 0 };
}
