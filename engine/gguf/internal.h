/*
 * internal.h - what the files of the GGUF reader share: gguf.c opens and answers, metadata.c and tensors.c read
 * the two directories of a part, names.c finds rows in them. Private to this room.
 */
#ifndef HEADROOM_ENGINE_GGUF_INTERNAL_H
#define HEADROOM_ENGINE_GGUF_INTERNAL_H

#include "engine/gguf/gguf.h"
#include "engine/gguf/cursor.h"

struct gguf_part {
        const uint8_t *bytes;
        uint64_t length;
        bool mapped; /* by us */
};

struct gguf_metadata {
        struct gguf_entry *rows;
        size_t count;
        const struct gguf_entry **by_key; /* sorted */
};

struct tensor_row {
        struct gguf_tensor tensor;
        uint64_t offset; /* from the start of its part's data */
};

struct gguf_tensors {
        struct tensor_row *rows; /* of all parts, in file order */
        size_t count;
        const struct gguf_tensor **by_name; /* sorted */
        uint64_t bytes;                     /* of all together */
};

/* The row of NAME, or NULL. SORTED are pointers to rows that begin with their name, COUNT of them. */
const void *gguf_names_find(const void *sorted, size_t count, const char *name);
/* Sorts such pointers, and fails when a name is there twice. KIND is what a row is, for the sentence. */
void gguf_names_sort(struct cursor *c, const void *rows, size_t count, const char *kind);

/* M is all zero before; gguf_metadata_done afterwards, whatever happened. */
void gguf_metadata_read(struct cursor *c, uint64_t count, struct gguf_metadata *m);
void gguf_metadata_done(struct gguf_metadata *m);
/* DEFAULT_VALUE when the key is absent; fails when it holds no such number. */
uint32_t gguf_metadata_u32(struct cursor *c, const struct gguf_metadata *m, const char *key, uint32_t default_value);
/* E may be NULL. As gguf_get_u32. */
int gguf_entry_u32(const struct gguf_entry *e, uint32_t *ret);

/* Adds the directory of COUNT tensors at C, and gives each its bytes in PART, which C walks through. */
void gguf_tensors_read(struct cursor *c, struct gguf_tensors *t, uint64_t count, const struct gguf_part *part,
                       uint32_t alignment);
/* After the last part. */
void gguf_tensors_index(struct cursor *c, struct gguf_tensors *t);
void gguf_tensors_done(struct gguf_tensors *t);

#endif
