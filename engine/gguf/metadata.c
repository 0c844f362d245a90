/* metadata.c - the metadata of a part: keys, values of thirteen types, and arrays of them. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/gguf/internal.h"

#define ENTRY_BYTES_MIN 13u /* length of the key, value type, one byte of value */

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

/* ---- reading ---- */

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

void gguf_metadata_done(struct gguf_metadata *m) {
        for (size_t i = 0; i < m->count; i++)
                if (m->rows[i].type == GGUF_ARRAY)
                        free((void *) (uintptr_t) m->rows[i].array.strings);
        free(m->rows);
        free(m->by_key);
        *m = (struct gguf_metadata){ 0 };
}

void gguf_metadata_read(struct cursor *c, uint64_t count, struct gguf_metadata *m) {
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
        gguf_names_sort(c, m->by_key, m->count, "key");
}

int gguf_entry_u32(const struct gguf_entry *e, uint32_t *ret) {
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

uint32_t gguf_metadata_u32(struct cursor *c, const struct gguf_metadata *m, const char *key, uint32_t default_value) {
        uint32_t value = default_value;
        if (!c->broken && gguf_entry_u32(gguf_names_find(m->by_key, m->count, key), &value) == -EBADMSG)
                cursor_fail(c, -EBADMSG, "key '%s': the value is no unsigned 32-bit integer", key);
        return value;
}

/* ---- elements ---- */

uint64_t gguf_array_u64(const struct gguf_array *a, uint64_t index) {
        assert(index < a->count && (is_unsigned(a->type) || is_signed(a->type)));
        const uint8_t *bytes = a->bytes + index * value_bytes[a->type];
        return is_signed(a->type) ? (uint64_t) stored_signed(bytes, a->type) : stored_bits(bytes, a->type);
}

float gguf_array_f32(const struct gguf_array *a, uint64_t index) {
        assert(index < a->count && (a->type == GGUF_F32 || a->type == GGUF_F64));
        return (float) stored_float(a->bytes + index * value_bytes[a->type], a->type);
}
