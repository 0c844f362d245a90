/* printable.c - see printable.h. UTF-8 as RFC 3629 defines it: shortest form only, no surrogates, up to U+10FFFF. */
#include "engine/base/printable.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

size_t printable_utf8(const char *bytes, size_t length, uint32_t *ret_codepoint) {
        static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };

        if (length == 0)
                return 0;
        uint8_t first = (uint8_t) bytes[0];
        size_t count = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || count > length)
                return 0;
        uint32_t codepoint = count == 1 ? first : first & (0x7fu >> count);
        for (size_t i = 1; i < count; i++) {
                uint8_t next = (uint8_t) bytes[i];
                if ((next & 0xc0) != 0x80)
                        return 0;
                codepoint = codepoint << 6 | (next & 0x3fu);
        }
        if (codepoint < smallest[count] || codepoint > 0x10ffff || (codepoint >= 0xd800 && codepoint <= 0xdfff))
                return 0;
        if (ret_codepoint)
                *ret_codepoint = codepoint;
        return count;
}

static bool is_control(uint32_t codepoint) {
        return codepoint < 0x20 || (codepoint >= 0x7f && codepoint < 0xa0);
}

char *printable_copy(char *out, size_t size, const char *bytes, uint64_t length) {
        assert(size >= 4);
        size_t used = 0, keep = 0; /* keep: where "..." would still fit */
        uint64_t at = 0;
        while (at < length) {
                uint32_t codepoint = 0;
                size_t count = printable_utf8(bytes + at, length - at < 4 ? (size_t) (length - at) : 4, &codepoint);
                bool bad = count == 0 || is_control(codepoint);
                size_t wanted = bad ? 1 : count;
                if (used + wanted >= size) {
                        memcpy(out + keep, "...", 4);
                        return out;
                }
                if (bad)
                        out[used] = '?';
                else
                        memcpy(out + used, bytes + at, count);
                used += wanted;
                at += count ? count : 1;
                if (used + 4 <= size)
                        keep = used;
        }
        out[used] = '\0';
        return out;
}
