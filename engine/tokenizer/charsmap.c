/* charsmap.c - see charsmap.h. */
#include "engine/tokenizer/charsmap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "engine/tokenizer/bounds.h"

#define UNIT_BYTES 4u
#define LEAF_BIT   (1u << 8)
#define FAR_BIT    (1u << 9)
#define VALUE_BIT  (1u << 31)

static uint32_t little_endian(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

int charsmap_init(struct charsmap *c, const uint8_t *bytes, size_t length) {
        *c = (struct charsmap){ 0 };
        if (length == 0)
                return 0;
        uint32_t trie_bytes = length < UNIT_BYTES ? 0 : little_endian(bytes);
        if (length < UNIT_BYTES || trie_bytes > length - UNIT_BYTES || trie_bytes % UNIT_BYTES)
                return -EBADMSG;
        *c = (struct charsmap){
                .units = bytes + UNIT_BYTES,
                .units_count = trie_bytes / UNIT_BYTES,
                .replacements = (const char *) bytes + UNIT_BYTES + trie_bytes,
                .replacements_length = length - UNIT_BYTES - trie_bytes,
        };
        return 0;
}

/* ---- the trie ---- */

/* A place in the trie and where its children are counted from. */
struct node {
        uint32_t unit, children;
};

static bool enter(const struct charsmap *c, uint32_t place, struct node *ret) {
        if (place >= c->units_count)
                return false;
        ret->unit = little_endian(c->units + (size_t) place * UNIT_BYTES);
        ret->children = place ^ (ret->unit >> 10) << (ret->unit & FAR_BIT ? 8 : 0);
        return true;
}

static bool descend(const struct charsmap *c, struct node *n, uint8_t byte) {
        return enter(c, n->children ^ byte, n) && (n->unit & (VALUE_BIT | 0xff)) == byte;
}

/* ---- replacements of strings ---- */

/* False where no string ends at N, or its replacement is none. */
static bool replacement_of(const struct charsmap *c, const struct node *n, const char **ret, size_t *ret_length) {
        struct node value;
        if (!(n->unit & LEAF_BIT) || !enter(c, n->children, &value))
                return false;
        size_t begin = value.unit & ~VALUE_BIT;
        if (begin >= c->replacements_length)
                return false;
        size_t room = c->replacements_length - begin;
        const char *text = c->replacements + begin;
        const char *end = memchr(text, 0, room < CHARSMAP_BYTES_MAX ? room : CHARSMAP_BYTES_MAX);
        if (!end)
                return false;
        *ret = text;
        *ret_length = (size_t) (end - text);
        return true;
}

size_t charsmap_find(const struct charsmap *c, const char *text, size_t length, const char **ret, size_t *ret_length) {
        struct node n;
        size_t found = 0, most = length < CHARSMAP_BYTES_MAX ? length : CHARSMAP_BYTES_MAX;
        bool on = enter(c, 0, &n);
        for (size_t at = 0; on && at < most; at++) {
                on = text[at] && descend(c, &n, (uint8_t) text[at]); /* a 0 labels nothing: it would lead to a value */
                if (on && replacement_of(c, &n, ret, ret_length))
                        found = at + 1;
        }
        return found;
}
