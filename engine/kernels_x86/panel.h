/*
 * panel.h - how products of quantised weights go over rows and columns where the processor has vectors. Included after lanes_avx2.h or lanes_avx512.h.
 *
 * A PANEL is one block of each of LANES rows, unpacked so that a vector's lanes are the rows: of each four codes that lie one behind the
 * other, all rows' side by side. So whatever is added up is added up within a lane, and nothing across. It is unpacked once,
 * stays in the first-level cache, and meets all columns. An output is one float that takes the blocks in order, each as an exact
 * whole number times its scale, so what is computed beside it changes no bit.
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_PANEL_H
#define HEADROOM_ENGINE_KERNELS_X86_PANEL_H

#include "engine/gguf/block.h"
#include "engine/gguf/half.h"
#include "engine/kernels/kernels.h"

#define PANELS_MAX  2u /* multiplied together: each activation is read once for both */
#define COLUMNS_MAX 4u /* with two panels as many as the accumulators stay in registers */

/* Four bytes, in all lanes. */
ALWAYS_INLINE i32s everywhere(const uint8_t *bytes) {
        return (i32s){ 0 } + (int32_t) load_u32(bytes);
}

ALWAYS_INLINE f32s load_floats(const float *x) {
        return (f32s) load_lanes(x);
}

ALWAYS_INLINE void store_floats(float *x, f32s v) {
        store_lanes(x, (i32s) v);
}

/* --- where a product stands --- */

#define BLOCK_BYTES_MAX 256u

/* From row R, block B of so many bytes; SPACE is for the end of a matrix, where rows that are not there are taken to be zero. */
ALWAYS_INLINE struct panel_rows panel_rows_at(const struct product *p, uint32_t r, uint32_t b, size_t block_bytes,
                                              uint8_t space[LANES * BLOCK_BYTES_MAX]) {
        const uint8_t *first = p->rows + r * p->row_bytes + b * block_bytes;
        if (p->rows_count - r >= LANES)
                return (struct panel_rows){ first, p->row_bytes };
        memset(space, 0, LANES * block_bytes);
        for (uint32_t i = 0; i < p->rows_count - r; i++)
                memcpy(space + i * block_bytes, first + i * p->row_bytes, block_bytes);
        return (struct panel_rows){ space, block_bytes };
}

ALWAYS_INLINE const uint8_t *column_at(const struct product *p, uint32_t c) {
        return p->columns + c * p->column_bytes;
}

/* The outputs of the rows from R, of which there may be fewer than LANES, and column C. */
ALWAYS_INLINE f32s panel_sums(const struct product *p, uint32_t r, uint32_t c) {
        return load_some(p->out + c * p->out_stride + r, p->rows_count - r);
}

ALWAYS_INLINE void panel_store(const struct product *p, uint32_t r, uint32_t c, f32s sums) {
        store_some(p->out + c * p->out_stride + r, p->rows_count - r, sums);
}

/*
 * With few columns a product is as fast as its weights arrive, and rows in step are no pattern that the processor fetches ahead by
 * itself. Rows lie one after another, so each step of COUNT rows from R asks for as many bytes as it uses, of the rows behind these.
 */
ALWAYS_INLINE void fetch_ahead(const struct product *p, uint32_t r, uint32_t count, uint32_t step, size_t step_bytes) {
        uintptr_t next = (uintptr_t) p->rows + (r + count) * p->row_bytes + step * count * step_bytes;
        for (size_t at = 0; at < count * step_bytes; at += 64)
                _mm_prefetch((const char *) (next + at), _MM_HINT_T0);
}

/*
 * What panels are made of at the STEP behind this one, COUNT rows from R with so many bytes of each. With few columns that is needed as soon as it
 * comes, so it is asked for in the order of memory, a panel ahead; with many it would have left the cache again by then.
 */
#define COLUMNS_FEW 16u
ALWAYS_INLINE void fetch_panels(const struct product *p, uint32_t r, uint32_t count, uint32_t step, size_t step_bytes) {
        if (p->columns_count <= COLUMNS_FEW) {
                fetch_ahead(p, r, count, step, step_bytes);
                return;
        }
        const uint8_t *row = p->rows + r * p->row_bytes + (step + 1) * step_bytes;
        for (uint32_t i = 0; i < count; i++, row += p->row_bytes)
                for (size_t line = 0; line < step_bytes + 63; line += 64)
                        _mm_prefetch((const char *) row + line, _MM_HINT_T0);
}

/* --- tiles over a product --- */

/* All columns in fours, then two, then one: TILE is an expression that knows them by C and COLUMNS. */
#define FOR_COLUMNS(p, c, tile)                               \
        do {                                                  \
                uint32_t c = 0;                               \
                for (; c + 4 <= (p)->columns_count; c += 4) { \
                        enum { columns = 4 };                 \
                        tile;                                 \
                }                                             \
                for (; c + 2 <= (p)->columns_count; c += 2) { \
                        enum { columns = 2 };                 \
                        tile;                                 \
                }                                             \
                if (c < (p)->columns_count) {                 \
                        enum { columns = 1 };                 \
                        tile;                                 \
                }                                             \
        } while (0)

/* All rows: up to AS_THEY_LIE columns by few_columns_TYPE(p, r), more by panels_TYPE(p, r, count). MULTIPLY(TYPE): the name, by the set of kernels. */
#define DEFINE_PRODUCT(type)                                                                            \
        _Static_assert(sizeof(struct block_##type) <= BLOCK_BYTES_MAX, "the end of a matrix has room"); \
        void MULTIPLY(type)(const struct product *p) {                                                  \
                uint32_t r = 0;                                                                         \
                for (; p->columns_count <= AS_THEY_LIE && r < p->rows_count; r += LANES)                \
                        few_columns_##type(p, r);                                                       \
                for (; r + PANELS_MAX * LANES <= p->rows_count; r += PANELS_MAX * LANES)                \
                        panels_##type(p, r, PANELS_MAX);                                                \
                for (; r < p->rows_count; r += LANES)                                                   \
                        panels_##type(p, r, 1);                                                         \
        }

#endif
