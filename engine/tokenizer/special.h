/*
 * special.h - finds tokens that are written out in a text as they are: control, unknown and user-defined ones.
 *
 * At each place the longest one counts, as in the tokenizers that vocabularies are made with. Guarded tokens count only
 * where the caller allows them; user-defined ones always, since models have learned them as parts of plain text. A family
 * that looks for those itself leaves only added ones to this, and those that take white space with them.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_SPECIAL_H
#define HEADROOM_ENGINE_TOKENIZER_SPECIAL_H

#include "engine/tokenizer/trie.h"

struct special {
        struct trie trie;
};

int special_init(struct special *s, const struct vocab *v, bool user_defined); /* 0 or -ENOMEM */
void special_done(struct special *s);

/*
 * The token that stands at TEXT, of LENGTH bytes; a guarded one may be at most GUARDED_LENGTH bytes long.
 * TOKEN_NONE, or the id and *ret_length.
 */
int32_t special_at(const struct special *s, const char *text, size_t length, size_t guarded_length, size_t *ret_length);

#endif
