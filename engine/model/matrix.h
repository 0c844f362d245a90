/*
 * matrix.h - weights as the forward pass sees them: some rows of a tensor, as they lie in the mapped file.
 *
 * What a file fuses (query, key and value; gate and up) is cut into these when it is opened, and so are the experts of one
 * tensor when they are used: rows do not know of each other, so no bit depends on it.
 */
#ifndef HEADROOM_ENGINE_MODEL_MATRIX_H
#define HEADROOM_ENGINE_MODEL_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/gguf.h"

struct matrix {
        const uint8_t *data; /* NULL: there is none */
        enum tensor_type type;
        uint32_t columns; /* values of a row */
        uint32_t rows;
        size_t row_bytes;
        size_t plane_bytes;           /* from one expert to the next */
        const uint8_t *const *planes; /* where each begins, when they have a tensor each; NULL: one behind the other */
};

/* The first plane of T. */
static inline struct matrix matrix_of(const struct gguf_tensor *t) {
        uint64_t row_bytes = 0;
        (void) tensor_type_row_bytes(t->type, t->dims[0], &row_bytes); /* cannot fail: gguf_open has computed it */
        return (struct matrix){
                .data = t->data,
                .type = t->type,
                .columns = (uint32_t) t->dims[0],
                .rows = (uint32_t) t->dims[1],
                .row_bytes = (size_t) row_bytes,
                .plane_bytes = (size_t) (row_bytes * t->dims[1]),
        };
}

/* COUNT rows from FIRST on. */
static inline struct matrix matrix_rows(struct matrix m, uint32_t first, uint32_t count) {
        m.data += first * m.row_bytes;
        m.rows = count;
        return m;
}

/* The weights of one expert. */
static inline struct matrix matrix_plane(struct matrix m, uint32_t plane) {
        m.data = m.planes ? m.planes[plane] : m.data + plane * m.plane_bytes;
        return m;
}

static inline const uint8_t *matrix_row(const struct matrix *m, uint32_t row) {
        return m->data + row * m->row_bytes;
}

#endif
