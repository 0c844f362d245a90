/*
 * wpm.h - the WordPiece family (tokenizer.ggml.model = "bert"): each word is the longest tokens that it begins with.
 *
 * A text becomes words first. White space ends a word; punctuation and ideographs are words of their own. Accents go (the
 * text is decomposed, and its nonspacing marks dropped), capitals become small, control characters and what is no
 * character at all are left out. A word is then the longest token that it begins with, the longest that what is left
 * begins with, and so on; one that does not come out even, or is too long, is one unknown token.
 * Files spell a token that begins a word with U+2581 before it; older ones spell one that continues a word with ##.
 * Source: Devlin et al., BERT (2018), and what was published with it on tokenization (basic, then WordPiece); greedy
 * longest match: Wu et al., Google's Neural Machine Translation System (2016), 4.1.
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
 * Takes out the spaces that pieces leave before . ? ! , and around apostrophes, in place; returns the new length.
 * The rules are those that published tokenizers of this family clean up with, in their order.
 */
size_t wpm_clean(char *text, size_t length);

#endif
