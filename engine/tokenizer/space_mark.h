/* space_mark.h - U+2581, as which vocabularies of the SentencePiece kind and WordPiece spell a space. */
#ifndef HEADROOM_ENGINE_TOKENIZER_SPACE_MARK_H
#define HEADROOM_ENGINE_TOKENIZER_SPACE_MARK_H

#include <stdbool.h>
#include <string.h>

#include "engine/gguf.h"
#include "engine/tokenizer/piece.h"

#define SPACE_MARK       "\xe2\x96\x81"
#define SPACE_MARK_BYTES 3u

static inline bool is_space_mark(const char *bytes, size_t length) {
        return length >= SPACE_MARK_BYTES && !memcmp(bytes, SPACE_MARK, SPACE_MARK_BYTES);
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
