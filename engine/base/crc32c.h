/*
 * crc32c.h - the checksum of what we write to disk: CRC-32C (Castagnoli; RFC 3720, appendix B.4, has test values).
 *
 * It finds all damage of up to 32 bits in a row, and other damage but for one case in four billion. It does not defend
 * against deliberate changes. Uses the processor's own instruction where there is one.
 */
#ifndef HEADROOM_ENGINE_BASE_CRC32C_H
#define HEADROOM_ENGINE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of COUNT bytes behind those that gave CRC; 0 for none before. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t count);
/* The same without the instruction: for tests, and for processors without it. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t count);

#endif
