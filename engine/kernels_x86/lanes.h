/*
 * lanes.h - vectors of LANES lanes of 32 bits, for the files that include lanes_avx2.h or lanes_avx512.h. They are the compiler's own vector
 * types: `+`, `&` and `<<` work on elements, and a cast changes no bit.
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_LANES_TYPES_H
#define HEADROOM_ENGINE_KERNELS_X86_LANES_TYPES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "engine/kernels/unroll.h"

#define LANE_BYTES (4 * LANES)
typedef uint8_t u8s __attribute__((vector_size(LANE_BYTES)));
typedef int16_t i16s __attribute__((vector_size(LANE_BYTES)));
typedef uint16_t u16s __attribute__((vector_size(LANE_BYTES)));
typedef int32_t i32s __attribute__((vector_size(LANE_BYTES)));
typedef uint32_t u32s __attribute__((vector_size(LANE_BYTES)));
typedef float f32s __attribute__((vector_size(LANE_BYTES)));

ALWAYS_INLINE i32s load_lanes(const void *bytes) {
        i32s v;
        memcpy(&v, bytes, sizeof(v));
        return v;
}

ALWAYS_INLINE void store_lanes(void *bytes, i32s v) {
        memcpy(bytes, &v, sizeof(v));
}

/* Blocks of LANES rows, one of each. */
struct panel_rows {
        const uint8_t *first;
        size_t row_bytes;
};

ALWAYS_INLINE const uint8_t *panel_row(const struct panel_rows *rows, size_t i) {
        return rows->first + i * rows->row_bytes;
}

#endif
