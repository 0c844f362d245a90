/* charsmap.c - see charsmap.h. */
#include "engine/tokenizer/charsmap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "engine/tokenizer/bounds.h"

#define ENTRY_BYTES 4u

static uint32_t number_at(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

int charsmap_init(struct charsmap *c, const uint8_t *bytes, size_t length) {
        *c = (struct charsmap){ 0 };
        if (length == 0)
                return 0;
        if (length < ENTRY_BYTES || number_at(bytes) > length - ENTRY_BYTES || number_at(bytes) % ENTRY_BYTES)
                return -EBADMSG;
        c->entries = bytes + ENTRY_BYTES;
        c->count = number_at(bytes) / ENTRY_BYTES;
        c->replacements = (const char *) c->entries + c->count * ENTRY_BYTES;
        c->replacements_length = length - ENTRY_BYTES - c->count * ENTRY_BYTES;
        return 0;
}

static bool entry_at(const struct charsmap *c, uint32_t index, uint32_t *ret) {
        if (index >= c->count)
                return false;
        *ret = number_at(c->entries + (size_t) index * ENTRY_BYTES);
        return true;
}

static uint32_t base_of(uint32_t entry) {
        return entry >> 10 << (entry & 1u << 9 ? 8 : 0);
}

/* The replacement that begins at OFFSET; false where it is none. */
static bool replacement_at(const struct charsmap *c, uint32_t offset, const char **ret, size_t *ret_length) {
        if (offset >= c->replacements_length)
                return false;
        size_t room = c->replacements_length - offset;
        const char *end = memchr(c->replacements + offset, 0, room < CHARSMAP_BYTES_MAX ? room : CHARSMAP_BYTES_MAX);
        if (!end)
                return false;
        *ret = c->replacements + offset;
        *ret_length = (size_t) (end - *ret);
        return true;
}

size_t charsmap_find(const struct charsmap *c, const char *text, size_t length, const char **ret, size_t *ret_length) {
        uint32_t entry, value, index;
        size_t found = 0;
        if (!entry_at(c, 0, &entry))
                return 0;
        index = base_of(entry);
        for (size_t at = 0; at < length && at < CHARSMAP_BYTES_MAX && text[at]; at++) {
                index ^= (uint8_t) text[at];
                if (!entry_at(c, index, &entry) || (entry & (1u << 31 | 0xff)) != (uint8_t) text[at])
                        break;
                index ^= base_of(entry);
                if (entry & 1u << 8 && entry_at(c, index, &value) && replacement_at(c, value & ~(1u << 31), ret, ret_length))
                        found = at + 1;
        }
        return found;
}
