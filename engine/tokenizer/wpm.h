/*
 * wpm.h - the WordPiece family (tokenizer.ggml.model = "bert"): each word is the longest tokens that it begins with.
 *
 * Text is normalised first: decomposed and bare of accents, in lower case, without control characters. White space ends
 * a word; punctuation and CJK ideographs are words of their own. A word that does not come out even is one unknown token.
 * Files spell the beginning of a word as U+2581 before it; older ones spell its continuation as ## instead.
 * Source: Devlin et al., BERT (2018), tokenization.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_WPM_H
#define HEADROOM_ENGINE_TOKENIZER_WPM_H

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/piece.h"
#include "engine/tokenizer/trie.h"

struct wpm {
        struct trie trie;
        bool lowers, strips_accents;
        bool marks_continuation; /* ##, not U+2581 */
};

/* 0, or -EBADMSG / -ENOMEM and one sentence; wpm_done afterwards in either case. */
int wpm_init(struct wpm *w, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr);
void wpm_done(struct wpm *w);

/* M lends its bytes. */
int wpm_encode(const struct wpm *w, struct merger *m, const char *text, size_t length, struct token_list *list);
void wpm_piece(const struct wpm *w, int32_t id, struct piece *out);

/*
 * Takes out the spaces that pieces leave before . , ! ? and around apostrophes, in place; returns the new length.
 * These are the rules that published tokenizers clean up with.
 */
size_t wpm_clean(char *text, size_t length);

#endif
