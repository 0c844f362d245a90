/*
 * charsmap.h - what becomes of the characters of a text before a unigram tokenizer sees them: a dictionary of replacements.
 *
 * The bytes are the file's: a number of bytes (32 bits, little-endian), so many bytes of double array, then the replacements,
 * each ended by a 0. An entry of the array is 32 bits: 0..7 the byte that leads here, 8 whether a replacement ends here,
 * 9 whether the base counts in 256s, 10..30 the base; bit 31 marks one that holds where a replacement begins.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_CHARSMAP_H
#define HEADROOM_ENGINE_TOKENIZER_CHARSMAP_H

#include <stddef.h>
#include <stdint.h>

struct charsmap {
        const uint8_t *entries; /* COUNT, four bytes each; may be unaligned */
        size_t count;
        const char *replacements;
        size_t replacements_length;
};

/* BYTES may be NULL: nothing is replaced. 0, or -EBADMSG where they cannot be such a dictionary. */
int charsmap_init(struct charsmap *c, const uint8_t *bytes, size_t length);

/*
 * The longest beginning of TEXT that is replaced: its bytes, *ret and *ret_length; 0 where there is none. Entries that lead
 * out of the dictionary, or to more than CHARSMAP_BYTES_MAX, replace nothing.
 */
size_t charsmap_find(const struct charsmap *c, const char *text, size_t length, const char **ret, size_t *ret_length);

#endif
