/*
 * charsmap.h - the mapping of the characters of a text before a SentencePiece model sees them: a dictionary of strings
 * and of what replaces them.
 *
 * The bytes are the file's (normalizer_spec.precompiled_charsmap of a SentencePiece model): the size of a trie in bytes, 32
 * bits, little-endian; the trie; then the replacements, each ended by a 0. The trie is a double array in the layout of
 * Darts-clone: units of 32 bits, little-endian, of which bits 0..7 and 31 are the label that leads here, bit 8 says whether a
 * string ends here, and bits 10..30 are the offset to the children, in 256s where bit 9 is set. A unit and a byte lead
 * to the unit at (its own place ^ its offset ^ the byte), if that is labelled with the byte. Where a string ends, the unit
 * at (place ^ offset) is its value, bits 0..30: where its replacement begins.
 * Source: Kudo and Richardson, SentencePiece (2018), 3.4; Darts-clone's description of its units; double arrays: Aoe (1989).
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_CHARSMAP_H
#define HEADROOM_ENGINE_TOKENIZER_CHARSMAP_H

#include <stddef.h>
#include <stdint.h>

struct charsmap {
        const uint8_t *units; /* UNITS_COUNT, four bytes each; may be unaligned */
        uint32_t units_count;
        const char *replacements;
        size_t replacements_length;
};

/* BYTES may be NULL: nothing is replaced. 0, or -EBADMSG where they cannot be such a dictionary. */
int charsmap_init(struct charsmap *c, const uint8_t *bytes, size_t length);

/*
 * The longest beginning of TEXT that is in the dictionary: its bytes, and *ret and *ret_length what replaces them; 0 where
 * there is none. Units that lead out of the trie, or to more than CHARSMAP_BYTES_MAX, replace nothing.
 */
size_t charsmap_find(const struct charsmap *c, const char *text, size_t length, const char **ret, size_t *ret_length);

#endif
