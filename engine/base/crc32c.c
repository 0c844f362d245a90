/*
 * crc32c.c - see crc32c.h. The portable one takes eight bytes at a time from eight tables (Kounavis and Berry, "A
 * Systematic Approach to Building High Performance, Software-based, CRC Generators", 2005).
 */
#include "engine/base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

static uint32_t tables[8][256];

static void make_tables(void) {
        for (uint32_t i = 0; i < 256; i++) {
                uint32_t crc = i;
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
                tables[0][i] = crc;
        }
        for (uint32_t i = 0; i < 256; i++)
                for (int t = 1; t < 8; t++)
                        tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
}

static uint32_t word_of(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        (void) pthread_once(&once, make_tables);
        const uint8_t *p = bytes;
        crc = ~crc;
        for (; count >= 8; count -= 8, p += 8) {
                uint32_t low = crc ^ word_of(p), high = word_of(p + 4);
                crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
                      tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
        }
        for (; count > 0; count--, p++)
                crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
        return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t count) {
        uint64_t wide = ~crc;
        for (; count >= 8; count -= 8, p += 8) {
                uint64_t eight;
                memcpy(&eight, p, sizeof(eight));
                wide = __builtin_ia32_crc32di(wide, eight);
        }
        uint32_t narrow = (uint32_t) wide;
        for (; count > 0; count--, p++)
                narrow = __builtin_ia32_crc32qi(narrow, *p);
        return ~narrow;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t count) {
        return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes, count) : crc32c_portable(crc, bytes, count);
}
#else
uint32_t crc32c(uint32_t crc, const void *bytes, size_t count) {
        return crc32c_portable(crc, bytes, count);
}
#endif
