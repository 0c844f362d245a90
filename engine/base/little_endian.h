/* little_endian.h - numbers in the bytes of a file or a frame, the least significant first. */
#ifndef HEADROOM_ENGINE_BASE_LITTLE_ENDIAN_H
#define HEADROOM_ENGINE_BASE_LITTLE_ENDIAN_H

#include <stdint.h>

/* Each function returns the place of the next number. */
static inline uint8_t *put_u32(uint8_t *p, uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t) (value >> 8 * i);
        return p + 4;
}

static inline uint8_t *put_u64(uint8_t *p, uint64_t value) {
        return put_u32(put_u32(p, (uint32_t) value), (uint32_t) (value >> 32));
}

/* *P goes on to the next number. */
static inline uint32_t take_u32(const uint8_t **p) {
        uint32_t value = (uint32_t) (*p)[0] | (uint32_t) (*p)[1] << 8 | (uint32_t) (*p)[2] << 16 | (uint32_t) (*p)[3] << 24;
        *p += 4;
        return value;
}

static inline uint64_t take_u64(const uint8_t **p) {
        uint64_t low = take_u32(p);
        return low | (uint64_t) take_u32(p) << 32;
}

#endif
