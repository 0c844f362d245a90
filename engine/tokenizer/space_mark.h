/* space_mark.h - U+2581, as which vocabularies of the SentencePiece kind and WordPiece spell a space. */
#ifndef HEADROOM_ENGINE_TOKENIZER_SPACE_MARK_H
#define HEADROOM_ENGINE_TOKENIZER_SPACE_MARK_H

#include <stdbool.h>
#include <string.h>

#include "engine/gguf/gguf.h"
#include "engine/tokenizer/piece.h"

#define SPACE_MARK       "\xe2\x96\x81"
#define SPACE_MARK_BYTES 3u

static inline bool is_space_mark(const char *bytes, size_t length) {
        return length >= SPACE_MARK_BYTES && !memcmp(bytes, SPACE_MARK, SPACE_MARK_BYTES);
}

/* Whether a space follows something else: such a token belongs to two words. */
static inline bool has_inner_space_mark(struct gguf_string text) {
        for (size_t at = 1; at + SPACE_MARK_BYTES <= text.length; at++)
                if (is_space_mark(text.bytes + at, SPACE_MARK_BYTES) &&
                    (at < SPACE_MARK_BYTES || !is_space_mark(text.bytes + at - SPACE_MARK_BYTES, SPACE_MARK_BYTES)))
                        return true;
        return false;
}

/* TEXT from byte AT on, its marks as spaces. */
static inline void piece_put_marked(struct piece *p, struct gguf_string text, size_t at) {
        while (at < text.length) {
                bool marked = is_space_mark(text.bytes + at, text.length - at);
                piece_put(p, marked ? ' ' : text.bytes[at]);
                at += marked ? SPACE_MARK_BYTES : 1;
        }
}

#endif
