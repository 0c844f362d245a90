/* bounds.h - the tokenizer's limits. */
#ifndef HEADROOM_ENGINE_TOKENIZER_BOUNDS_H
#define HEADROOM_ENGINE_TOKENIZER_BOUNDS_H

#define VOCAB_TOKENS_MAX          (1u << 21) /* the largest published vocabularies have 262,144 */
#define VOCAB_MERGES_MAX          (1u << 22) /* and some 500,000 merges */
#define VOCAB_TOKEN_BYTES_MAX     65536u     /* longest published token: 1 KiB; bounds one buffer */
#define TRIE_DEPTH_MAX            1024u /* bytes of a token that is looked for in text: longer ones are found by merging alone */
#define CHARSMAP_BYTES_MAX        128u  /* of what is replaced and of what replaces it: 33 are in use (U+FDFA) */
#define UNIGRAM_STRETCH_BYTES_MAX (1u << 20) /* looked at together; 12 bytes of memory for each */
#define WORDPIECE_CHARACTERS_MAX  100u /* of a word, or it is unknown: max_input_chars_per_word of the published tokenizers */
#define TOKENIZER_TEXT_BYTES_MAX  (256u << 20) /* offsets are 32 bits wide, and a space may grow to three bytes */

#endif
