/*
 * gguf.c - see gguf.h.
 *
 * One cursor (gguf_cursor.h) walks each file's directory: header, metadata, tensor list. Its failure sticks, so the
 * code that reads needs no branch per field; loops over counts from the file say `i < count && !c->broken`.
 *
 * The directories are bounded three times: by the rows that the remaining bytes could hold, by bounds.h, and by
 * GGUF_DIRECTORY_BYTES_MAX, so the work for a hostile file is small whatever its size.
 */
#include "engine/gguf.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "engine/bounds.h"
#include "engine/gguf_cursor.h"

#define DEFAULT_ALIGNMENT 32u
#define ENTRY_BYTES_MIN   13u /* length of the key, value type, one byte of value */
#define TENSOR_BYTES_MIN  32u /* length of the name, number of dimensions, one dimension, type, offset */

struct part {
        const uint8_t *bytes;
        uint64_t length;
        bool mapped; /* by us */
};

struct metadata {
        struct gguf_entry *rows;
        size_t count;
        const struct gguf_entry **by_key; /* sorted */
};

struct tensor_row {
        struct gguf_tensor tensor;
        uint64_t offset; /* from the start of its part's data */
};

struct gguf {
        uint32_t version;
        struct part *parts; /* PARTS_COUNT */
        uint32_t parts_count;
        struct metadata metadata;   /* of the first part */
        struct tensor_row *tensors; /* of all parts, in file order */
        size_t tensors_count;
        const struct gguf_tensor **by_name; /* sorted */
        uint64_t file_bytes, tensor_bytes;
};

/* ---- numbers as stored ---- */

static const uint8_t value_bytes[GGUF_VALUE_TYPE_COUNT] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_BOOL] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4,
        [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_U64] = 8,  [GGUF_I64] = 8, [GGUF_F64] = 8,
};

/* The bits of one number, zero-extended. */
static uint64_t stored_bits(const uint8_t *bytes, enum gguf_value_type type) {
        uint64_t bits = 0;
        memcpy(&bits, bytes, value_bytes[type]); /* little-endian: the low bytes come first */
        return le64toh(bits);
}

static int64_t stored_signed(const uint8_t *bytes, enum gguf_value_type type) {
        unsigned unused = 64 - 8u * value_bytes[type];
        return (int64_t) (stored_bits(bytes, type) << unused) >> unused;
}

static double stored_float(const uint8_t *bytes, enum gguf_value_type type) {
        uint64_t bits = stored_bits(bytes, type);
        if (type == GGUF_F64) {
                double wide;
                memcpy(&wide, &bits, sizeof(wide));
                return wide;
        }
        uint32_t narrow_bits = (uint32_t) bits;
        float narrow;
        memcpy(&narrow, &narrow_bits, sizeof(narrow));
        return (double) narrow;
}

static bool is_unsigned(enum gguf_value_type type) {
        return type == GGUF_U8 || type == GGUF_U16 || type == GGUF_U32 || type == GGUF_U64 || type == GGUF_BOOL;
}

static bool is_signed(enum gguf_value_type type) {
        return type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
}

/* ---- names: sorted directories ---- */

static int string_compare(struct gguf_string a, struct gguf_string b) {
        int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);
        return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* Rows of both directories begin with their name. */
static_assert(offsetof(struct gguf_entry, key) == 0 && offsetof(struct gguf_tensor, name) == 0, "names come first");

static int row_compare(const void *a, const void *b) {
        return string_compare(**(const struct gguf_string *const *) a, **(const struct gguf_string *const *) b);
}

static const void *row_find(const void *sorted, size_t count, const char *name) {
        const struct gguf_string wanted = { name, strlen(name) };
        const struct gguf_string *key = &wanted;
        const void *const *found = bsearch(&key, sorted, count, sizeof(void *), row_compare);
        return found ? *found : NULL;
}

/* Sorts, and fails when a name is there twice. */
static void rows_sort(struct cursor *c, const void *rows, size_t count, const char *kind) {
        const struct gguf_string *const *sorted = rows;
        if (c->broken || count == 0)
                return;
        qsort((void *) (uintptr_t) rows, count, sizeof(void *), row_compare);
        for (size_t i = 1; i < count && !c->broken; i++)
                if (string_compare(*sorted[i - 1], *sorted[i]) == 0) {
                        c->kind = kind;
                        c->row = *sorted[i];
                        cursor_fail(c, -EBADMSG, "is there twice");
                }
        c->kind = NULL;
}

/* ---- metadata ---- */

static void array_read_strings(struct cursor *c, struct gguf_array *a) {
        /* Walked before anything is allocated: then the count is known to be true. */
        struct cursor ahead = *c;
        for (uint64_t i = 0; i < a->count && !ahead.broken; i++)
                (void) cursor_string(&ahead, "a string of the array");
        if (ahead.broken) {
                *c = ahead;
                return;
        }
        struct gguf_string *strings = calloc(a->count ? a->count : 1, sizeof(*strings));
        if (!strings) {
                cursor_fail(c, -ENOMEM, "no memory for %" PRIu64 " strings", a->count);
                return;
        }
        for (uint64_t i = 0; i < a->count; i++)
                strings[i] = cursor_string(c, "a string of the array");
        a->strings = strings;
}

static void array_read(struct cursor *c, struct gguf_array *a) {
        uint32_t type = cursor_u32(c, "the array's element type");
        uint64_t count = cursor_u64(c, "the array's length");
        if (c->broken)
                return;
        if (type == GGUF_ARRAY) {
                cursor_fail(c, -ENOTSUP, "arrays of arrays are not supported");
                return;
        }
        if (type >= GGUF_VALUE_TYPE_COUNT) {
                cursor_fail(c, -EBADMSG, "the array's element type %" PRIu32 " does not exist", type);
                return;
        }
        uint64_t smallest = type == GGUF_STRING ? 8 : value_bytes[type];
        if (count > cursor_left(c) / smallest) {
                cursor_fail(c, -EBADMSG, "the array's length %" PRIu64 " exceeds what the file holds", count);
                return;
        }
        *a = (struct gguf_array){ .type = (enum gguf_value_type) type, .count = count, .bytes = c->next };
        if (type == GGUF_STRING)
                array_read_strings(c, a);
        else
                (void) cursor_take(c, count * smallest, "the array");
}

static void value_read(struct cursor *c, struct gguf_entry *e) {
        if (e->type == GGUF_ARRAY) {
                array_read(c, &e->array);
                return;
        }
        if (e->type == GGUF_STRING) {
                e->string = cursor_string(c, "the string");
                return;
        }
        const uint8_t *bytes = cursor_take(c, value_bytes[e->type], "the value");
        if (!bytes)
                return;
        if (is_unsigned(e->type))
                e->u = stored_bits(bytes, e->type);
        else if (is_signed(e->type))
                e->i = stored_signed(bytes, e->type);
        else
                e->f = stored_float(bytes, e->type);
        if (e->type == GGUF_BOOL && e->u > 1)
                cursor_fail(c, -EBADMSG, "the value %" PRIu64 " is neither true nor false", e->u);
}

static void entry_read(struct cursor *c, struct gguf_entry *e) {
        e->key = cursor_string(c, "the name of a metadata key");
        if (c->broken)
                return;
        if (e->key.length == 0 || e->key.length > GGUF_KEY_BYTES_MAX) {
                cursor_fail(c, -EBADMSG, "a metadata key has a name of %" PRIu64 " bytes (1 to %u are possible)", e->key.length,
                            GGUF_KEY_BYTES_MAX);
                return;
        }
        c->kind = "key";
        c->row = e->key;
        uint32_t type = cursor_u32(c, "the value type");
        if (!c->broken && type >= GGUF_VALUE_TYPE_COUNT)
                cursor_fail(c, -EBADMSG, "the value type %" PRIu32 " does not exist", type);
        if (!c->broken) {
                e->type = (enum gguf_value_type) type;
                value_read(c, e);
        }
        c->kind = NULL;
}

static void metadata_done(struct metadata *m) {
        for (size_t i = 0; i < m->count; i++)
                if (m->rows[i].type == GGUF_ARRAY)
                        free((void *) (uintptr_t) m->rows[i].array.strings);
        free(m->rows);
        free(m->by_key);
        *m = (struct metadata){ 0 };
}

/* M is all zero before; metadata_done afterwards, whatever happened. */
static void metadata_read(struct cursor *c, uint64_t count, struct metadata *m) {
        if (c->broken)
                return;
        if (count > GGUF_ENTRIES_MAX || count > cursor_left(c) / ENTRY_BYTES_MIN) {
                cursor_fail(c, -EBADMSG, "the header's metadata count %" PRIu64 " exceeds what the file holds or %u", count,
                            GGUF_ENTRIES_MAX);
                return;
        }
        m->rows = calloc(count ? count : 1, sizeof(*m->rows));
        m->by_key = calloc(count ? count : 1, sizeof(*m->by_key));
        if (!m->rows || !m->by_key) {
                cursor_fail(c, -ENOMEM, "no memory for %" PRIu64 " metadata keys", count);
                return;
        }
        for (uint64_t i = 0; i < count && !c->broken; i++) {
                m->by_key[i] = &m->rows[i];
                m->count = i + 1; /* counted before it is read: a row that fails half-way is released too */
                entry_read(c, &m->rows[i]);
        }
        rows_sort(c, m->by_key, m->count, "key");
}

static int entry_u32(const struct gguf_entry *e, uint32_t *ret) {
        if (!e)
                return -ENOENT;
        if (is_unsigned(e->type) && e->type != GGUF_BOOL && e->u <= UINT32_MAX)
                *ret = (uint32_t) e->u;
        else if (is_signed(e->type) && e->i >= 0 && e->i <= UINT32_MAX)
                *ret = (uint32_t) e->i;
        else
                return -EBADMSG;
        return 0;
}

/* DEFAULT_VALUE when the key is absent; fails when it holds no such number. */
static uint32_t metadata_u32(struct cursor *c, const struct metadata *m, const char *key, uint32_t default_value) {
        uint32_t value = default_value;
        if (!c->broken && entry_u32(row_find(m->by_key, m->count, key), &value) == -EBADMSG)
                cursor_fail(c, -EBADMSG, "key '%s': the value is no unsigned 32-bit integer", key);
        return value;
}

/* ---- tensors ---- */

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

/* The directory has been read: gives each of its tensors its bytes. */
static void tensors_place(struct cursor *c, struct gguf *g, size_t first, const struct part *part, uint64_t alignment) {
        uint64_t data = (uint64_t) (c->next - c->start);
        data += (alignment - data % alignment) % alignment;
        for (size_t i = first; i < g->tensors_count && !c->broken; i++) {
                struct tensor_row *row = &g->tensors[i];
                uint64_t left = data <= part->length ? part->length - data : 0;
                if (row->offset > left || row->tensor.bytes > left - row->offset) {
                        c->kind = "tensor";
                        c->row = row->tensor.name;
                        cursor_fail(c, -EBADMSG,
                                    "its %" PRIu64 " bytes at data offset %" PRIu64 " exceed the file's %" PRIu64
                                    " bytes of data",
                                    row->tensor.bytes, row->offset, left);
                        return;
                }
                row->tensor.data = part->bytes + data + row->offset;
                if (__builtin_add_overflow(g->tensor_bytes, row->tensor.bytes, &g->tensor_bytes))
                        cursor_fail(c, -EBADMSG, "the sizes of all tensors together overflow");
        }
}

static void tensors_read(struct cursor *c, struct gguf *g, uint64_t count, const struct part *part, uint32_t alignment) {
        if (c->broken)
                return;
        if (count > GGUF_TENSORS_MAX - g->tensors_count || count > cursor_left(c) / TENSOR_BYTES_MIN) {
                cursor_fail(c, -EBADMSG, "the header's tensor count %" PRIu64 " exceeds what the file holds or %u", count,
                            GGUF_TENSORS_MAX);
                return;
        }
        size_t first = g->tensors_count;
        struct tensor_row *tensors = reallocarray(g->tensors, first + count + 1, sizeof(*tensors));
        if (!tensors) {
                cursor_fail(c, -ENOMEM, "no memory for %" PRIu64 " tensors", count);
                return;
        }
        g->tensors = tensors;
        memset(tensors + first, 0, count * sizeof(*tensors));
        for (uint64_t i = 0; i < count && !c->broken; i++)
                tensor_read(c, &tensors[first + i], alignment);
        g->tensors_count = first + count;
        tensors_place(c, g, first, part, alignment);
}

static void tensors_index(struct cursor *c, struct gguf *g) {
        g->by_name = calloc(g->tensors_count + 1, sizeof(*g->by_name));
        if (!g->by_name) {
                cursor_fail(c, -ENOMEM, "no memory for %zu tensors", g->tensors_count);
                return;
        }
        for (size_t i = 0; i < g->tensors_count; i++)
                g->by_name[i] = &g->tensors[i].tensor;
        rows_sort(c, g->by_name, g->tensors_count, "tensor");
}

/* ---- files ---- */

static void part_map(struct cursor *c, struct part *part, int fd) {
        struct stat status;
        if (fstat(fd, &status) < 0) {
                cursor_fail(c, -errno, "cannot look at the file: %s", strerror(errno));
                return;
        }
        if (!S_ISREG(status.st_mode)) {
                cursor_fail(c, -EBADMSG,
                            S_ISDIR(status.st_mode) ? "this is a directory, not a GGUF file" : "this is no regular file");
                return;
        }
        uint64_t length = (uint64_t) status.st_size;
        if (length == 0)
                return; /* cannot be mapped; is refused as any other memory without bytes */
        void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
                cursor_fail(c, -errno, "cannot map the file: %s", strerror(errno));
        else
                *part = (struct part){ bytes, length, true };
}

static uint32_t header_read_version(struct cursor *c) {
        const uint8_t *magic = cursor_take(c, 4, "the magic number");
        if (magic && memcmp(magic, "GGUF", 4))
                cursor_fail(c, -EBADMSG, "this is no GGUF file: it does not begin with 'GGUF'");
        uint32_t version = cursor_u32(c, "the version");
        if (!c->broken && version != 2 && version != 3) {
                if (version == 2u << 24 || version == 3u << 24)
                        cursor_fail(c, -ENOTSUP, "this is a big-endian GGUF file, only little-endian ones are supported");
                else
                        cursor_fail(c, -ENOTSUP, "GGUF version %" PRIu32 " is not supported (2 and 3 are)", version);
        }
        return version;
}

static void split_check(struct cursor *c, const struct metadata *m, uint32_t index, uint32_t count) {
        uint32_t split_count = metadata_u32(c, m, "split.count", 0);
        uint32_t split_no = metadata_u32(c, m, "split.no", 0);
        if (c->broken)
                return;
        if (split_count == 0 && count > 1)
                cursor_fail(c, -EBADMSG, "key 'split.count' is missing, so this is no part of a split model");
        else if (split_count > 1 && split_count != count)
                cursor_fail(c, -EBADMSG, "key 'split.count' says that the model has %" PRIu32 " parts, but %" PRIu32 " %s given",
                            split_count, count, count == 1 ? "was" : "were");
        else if (split_count > 0 && split_no != index)
                cursor_fail(c, -EBADMSG, "key 'split.no' is %" PRIu32 " where part %" PRIu32 " is expected", split_no, index);
        else if (split_count == 1 && count > 1)
                cursor_fail(c, -EBADMSG, "key 'split.count' is 1, but %" PRIu32 " parts were given", count);
}

static uint32_t alignment_of(struct cursor *c, const struct metadata *m) {
        uint32_t alignment = metadata_u32(c, m, "general.alignment", DEFAULT_ALIGNMENT);
        /* The specification asks for a multiple of 8, which the kernels' aligned loads rely on. */
        if (!c->broken && (alignment < 8 || alignment > GGUF_ALIGNMENT_MAX || (alignment & (alignment - 1))))
                cursor_fail(c, -EBADMSG, "key 'general.alignment' is %" PRIu32 ", which is no power of two from 8 to %u",
                            alignment, GGUF_ALIGNMENT_MAX);
        return alignment;
}

static void part_read(struct cursor *c, struct gguf *g, uint32_t index, struct metadata *m) {
        cursor_begin(c, g->parts[index].bytes, g->parts[index].length);
        g->file_bytes += g->parts[index].length; /* cannot overflow: all of it is in memory */
        uint32_t version = header_read_version(c);
        uint64_t tensors_count = cursor_u64(c, "the tensor count");
        uint64_t entries_count = cursor_u64(c, "the metadata count");
        metadata_read(c, entries_count, m);
        split_check(c, m, index, g->parts_count);
        uint32_t alignment = alignment_of(c, m);
        tensors_read(c, g, tensors_count, &g->parts[index], alignment);
        if (index == 0)
                g->version = version;
}

/* Reads all parts, mapping them first when FDS is given. 0, or -errno and *reterr. */
static int parts_read(struct gguf *g, const int fds[], struct gguf_error *reterr) {
        struct cursor c = { .reterr = reterr };
        for (uint32_t i = 0; i < g->parts_count && !c.broken; i++) {
                struct metadata later = { 0 };
                if (g->parts_count > 1)
                        (void) snprintf(c.prefix, sizeof(c.prefix), "part %" PRIu32 " of %" PRIu32 ": ", i + 1, g->parts_count);
                if (fds)
                        part_map(&c, &g->parts[i], fds[i]);
                part_read(&c, g, i, i == 0 ? &g->metadata : &later);
                metadata_done(&later);
        }
        c.prefix[0] = '\0';
        if (!c.broken)
                tensors_index(&c, g);
        uint32_t stated = metadata_u32(&c, &g->metadata, "split.tensors.count", (uint32_t) g->tensors_count);
        if (!c.broken && g->parts_count > 1 && stated != g->tensors_count)
                cursor_fail(&c, -EBADMSG, "key 'split.tensors.count' is %" PRIu32 ", but all parts together hold %zu tensors",
                            stated, g->tensors_count);
        return c.broken ? c.error : 0;
}

/* Exactly one of FDS and MEMORY is given. */
static int open_parts(const int fds[], const struct gguf_memory memory[], uint32_t count, struct gguf **ret,
                      struct gguf_error *reterr) {
        assert(count > 0);
        if (count > GGUF_PARTS_MAX) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "the model has %" PRIu32 " parts (%u are possible)", count,
                                GGUF_PARTS_MAX);
                return -EBADMSG;
        }
        struct gguf *g = calloc(1, sizeof(*g));
        if (g)
                g->parts = calloc(count, sizeof(*g->parts));
        if (!g || !g->parts) {
                free(g);
                (void) snprintf(reterr->text, sizeof(reterr->text), "no memory for %" PRIu32 " parts", count);
                return -ENOMEM;
        }
        g->parts_count = count;
        for (uint32_t i = 0; memory && i < count; i++)
                g->parts[i] = (struct part){ memory[i].bytes, memory[i].length, false };
        int r = parts_read(g, fds, reterr);
        if (r < 0) {
                gguf_close(g);
                return r;
        }
        *ret = g;
        return 0;
}

int gguf_open(const int fds[], uint32_t fds_count, struct gguf **ret, struct gguf_error *reterr) {
        return open_parts(fds, NULL, fds_count, ret, reterr);
}

int gguf_open_memory(const struct gguf_memory parts[], uint32_t parts_count, struct gguf **ret, struct gguf_error *reterr) {
        return open_parts(NULL, parts, parts_count, ret, reterr);
}

void gguf_close(struct gguf *g) {
        if (!g)
                return;
        metadata_done(&g->metadata);
        free(g->tensors);
        free(g->by_name);
        for (uint32_t i = 0; i < g->parts_count; i++)
                if (g->parts[i].mapped)
                        (void) munmap((void *) (uintptr_t) g->parts[i].bytes, g->parts[i].length);
        free(g->parts);
        free(g);
}

/* ---- access ---- */

uint32_t gguf_version(const struct gguf *g) {
        return g->version;
}

uint64_t gguf_file_bytes(const struct gguf *g) {
        return g->file_bytes;
}

uint64_t gguf_tensor_bytes(const struct gguf *g) {
        return g->tensor_bytes;
}

size_t gguf_entries_count(const struct gguf *g) {
        return g->metadata.count;
}

const struct gguf_entry *gguf_entry_at(const struct gguf *g, size_t index) {
        assert(index < g->metadata.count);
        return &g->metadata.rows[index];
}

const struct gguf_entry *gguf_find(const struct gguf *g, const char *key) {
        return row_find(g->metadata.by_key, g->metadata.count, key);
}

size_t gguf_tensors_count(const struct gguf *g) {
        return g->tensors_count;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t index) {
        assert(index < g->tensors_count);
        return &g->tensors[index].tensor;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name) {
        return row_find(g->by_name, g->tensors_count, name);
}

int gguf_get_u32(const struct gguf *g, const char *key, uint32_t *ret) {
        return entry_u32(gguf_find(g, key), ret);
}

int gguf_get_f32(const struct gguf *g, const char *key, float *ret) {
        const struct gguf_entry *e = gguf_find(g, key);
        if (!e)
                return -ENOENT;
        if (e->type != GGUF_F32 && e->type != GGUF_F64)
                return -EBADMSG;
        float value = (float) e->f;
        if (isinf(value) && !isinf(e->f))
                return -EBADMSG;
        *ret = value;
        return 0;
}

int gguf_get_bool(const struct gguf *g, const char *key, bool *ret) {
        const struct gguf_entry *e = gguf_find(g, key);
        if (!e)
                return -ENOENT;
        if (e->type != GGUF_BOOL)
                return -EBADMSG;
        *ret = e->u;
        return 0;
}

int gguf_get_string(const struct gguf *g, const char *key, struct gguf_string *ret) {
        const struct gguf_entry *e = gguf_find(g, key);
        if (!e)
                return -ENOENT;
        if (e->type != GGUF_STRING)
                return -EBADMSG;
        *ret = e->string;
        return 0;
}

int gguf_get_array(const struct gguf *g, const char *key, enum gguf_value_type type, const struct gguf_array **ret) {
        const struct gguf_entry *e = gguf_find(g, key);
        if (!e)
                return -ENOENT;
        if (e->type != GGUF_ARRAY || e->array.type != type)
                return -EBADMSG;
        *ret = &e->array;
        return 0;
}

uint64_t gguf_array_u64(const struct gguf_array *a, uint64_t index) {
        assert(index < a->count && (is_unsigned(a->type) || is_signed(a->type)));
        const uint8_t *bytes = a->bytes + index * value_bytes[a->type];
        return is_signed(a->type) ? (uint64_t) stored_signed(bytes, a->type) : stored_bits(bytes, a->type);
}

float gguf_array_f32(const struct gguf_array *a, uint64_t index) {
        assert(index < a->count && (a->type == GGUF_F32 || a->type == GGUF_F64));
        return (float) stored_float(a->bytes + index * value_bytes[a->type], a->type);
}

bool gguf_string_equals(struct gguf_string s, const char *text) {
        return s.length == strlen(text) && !memcmp(s.bytes, text, s.length);
}
