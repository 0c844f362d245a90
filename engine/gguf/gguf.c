/*
 * gguf.c - see gguf.h.
 *
 * One cursor (cursor.h) walks each file's directory: header, metadata (metadata.c), tensor list (tensors.c). Its
 * failure sticks, so the code that reads needs no branch per field; loops over counts from the file say
 * `i < count && !c->broken`.
 *
 * The directories are bounded three times: by the rows that the remaining bytes could hold, by jinja_value/bounds.h, and by
 * GGUF_DIRECTORY_BYTES_MAX, so the work for a hostile file is small whatever its size.
 */
#include "engine/gguf/gguf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "engine/base/bounds.h"
#include "engine/base/file_io.h"
#include "engine/gguf/internal.h"

#define DEFAULT_ALIGNMENT 32u

struct gguf {
        uint32_t version;
        struct gguf_part *parts; /* PARTS_COUNT */
        uint32_t parts_count;
        struct gguf_metadata metadata; /* of the first part */
        struct gguf_tensors tensors;
        uint64_t file_bytes;
};

/* ---- files ---- */

static void part_map(struct cursor *c, struct gguf_part *part, int fd) {
        struct stat status;
        int r = file_status(fd, &status);
        if (r < 0) {
                cursor_fail(c, r, "cannot look at the file: %s", strerror(-r));
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
                *part = (struct gguf_part){ bytes, length, true };
}

static uint32_t header_read_version(struct cursor *c) {
        const uint8_t *magic = cursor_take(c, 4, "the magic number");
        if (magic && memcmp(magic, "GGUF", 4))
                cursor_fail(c, -EBADMSG, "not a GGUF file: it does not begin with 'GGUF'");
        uint32_t version = cursor_u32(c, "the version");
        if (!c->broken && version != 2 && version != 3) {
                if (version == 2u << 24 || version == 3u << 24)
                        cursor_fail(c, -ENOTSUP, "this is a big-endian GGUF file, only little-endian ones are supported");
                else
                        cursor_fail(c, -ENOTSUP, "GGUF version %" PRIu32 " is not supported (2 and 3 are)", version);
        }
        return version;
}

static void split_check(struct cursor *c, const struct gguf_metadata *m, uint32_t index, uint32_t count) {
        uint32_t split_count = gguf_metadata_u32(c, m, "split.count", 0);
        uint32_t split_no = gguf_metadata_u32(c, m, "split.no", 0);
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

static uint32_t alignment_of(struct cursor *c, const struct gguf_metadata *m) {
        uint32_t alignment = gguf_metadata_u32(c, m, "general.alignment", DEFAULT_ALIGNMENT);
        /* The specification asks for a multiple of 8, which the kernels' aligned loads rely on. */
        if (!c->broken && (alignment < 8 || alignment > GGUF_ALIGNMENT_MAX || (alignment & (alignment - 1))))
                cursor_fail(c, -EBADMSG, "key 'general.alignment' is %" PRIu32 ", which is no power of two from 8 to %u",
                            alignment, GGUF_ALIGNMENT_MAX);
        return alignment;
}

static void part_read(struct cursor *c, struct gguf *g, uint32_t index, struct gguf_metadata *m) {
        cursor_begin(c, g->parts[index].bytes, g->parts[index].length);
        g->file_bytes += g->parts[index].length; /* cannot overflow: all of it is in memory */
        uint32_t version = header_read_version(c);
        uint64_t tensors_count = cursor_u64(c, "the tensor count");
        uint64_t entries_count = cursor_u64(c, "the metadata count");
        gguf_metadata_read(c, entries_count, m);
        split_check(c, m, index, g->parts_count);
        uint32_t alignment = alignment_of(c, m);
        gguf_tensors_read(c, &g->tensors, tensors_count, &g->parts[index], alignment);
        if (index == 0)
                g->version = version;
}

/* Reads all parts, mapping them first when FDS is given. 0, or -errno and *reterr. */
static int parts_read(struct gguf *g, const int fds[], struct gguf_error *reterr) {
        struct cursor c = { .reterr = reterr };
        for (uint32_t i = 0; i < g->parts_count && !c.broken; i++) {
                struct gguf_metadata later = { 0 };
                if (g->parts_count > 1)
                        (void) snprintf(c.prefix, sizeof(c.prefix), "part %" PRIu32 " of %" PRIu32 ": ", i + 1, g->parts_count);
                if (fds)
                        part_map(&c, &g->parts[i], fds[i]);
                part_read(&c, g, i, i == 0 ? &g->metadata : &later);
                gguf_metadata_done(&later);
        }
        c.prefix[0] = '\0';
        if (!c.broken)
                gguf_tensors_index(&c, &g->tensors);
        uint32_t stated = gguf_metadata_u32(&c, &g->metadata, "split.tensors.count", (uint32_t) g->tensors.count);
        if (!c.broken && g->parts_count > 1 && stated != g->tensors.count)
                cursor_fail(&c, -EBADMSG, "key 'split.tensors.count' is %" PRIu32 ", but all parts together hold %zu tensors",
                            stated, g->tensors.count);
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
                g->parts[i] = (struct gguf_part){ memory[i].bytes, memory[i].length, false };
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
        gguf_metadata_done(&g->metadata);
        gguf_tensors_done(&g->tensors);
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
        return g->tensors.bytes;
}

size_t gguf_entries_count(const struct gguf *g) {
        return g->metadata.count;
}

const struct gguf_entry *gguf_entry_at(const struct gguf *g, size_t index) {
        assert(index < g->metadata.count);
        return &g->metadata.rows[index];
}

const struct gguf_entry *gguf_find(const struct gguf *g, const char *key) {
        return gguf_names_find(g->metadata.by_key, g->metadata.count, key);
}

size_t gguf_tensors_count(const struct gguf *g) {
        return g->tensors.count;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *g, size_t index) {
        assert(index < g->tensors.count);
        return &g->tensors.rows[index].tensor;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name) {
        return gguf_names_find(g->tensors.by_name, g->tensors.count, name);
}

int gguf_get_u32(const struct gguf *g, const char *key, uint32_t *ret) {
        return gguf_entry_u32(gguf_find(g, key), ret);
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

bool gguf_string_equals(struct gguf_string s, const char *text) {
        return s.length == strlen(text) && !memcmp(s.bytes, text, s.length);
}
