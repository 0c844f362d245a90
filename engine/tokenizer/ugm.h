/*
 * ugm.h - the unigram family (tokenizer.ggml.model = "t5"): of all ways to put a text together from tokens, the one
 * whose scores have the greatest sum.
 *
 * Text is normalised first by a table that the file brings (tokenizer.ggml.precompiled_charsmap), spaces are spelt U+2581,
 * and a character without a token is unknown; unknown ones that follow each other are one token.
 * Source: Kudo, Subword Regularization (2018), section 3; the search is Viterbi's. The table is an XOR-compressed double
 * array: Kanda, Space- and Time-Efficient String Dictionaries (2018), in the layout of the SentencePiece library.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_UGM_H
#define HEADROOM_ENGINE_TOKENIZER_UGM_H

#include "engine/tokenizer/charsmap.h"
#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/piece.h"
#include "engine/tokenizer/trie.h"

struct ugm {
        const struct vocab *vocab;
        const struct gguf_array *scores; /* floats, the gguf's */
        struct trie trie;
        struct charsmap charsmap;
        double unknown_score;
        bool adds_space, joins_spaces;
        bool crosses_words; /* some token has a space behind something else: words cannot be taken one by one */
};

/* 0, or -EBADMSG / -ENOMEM and one sentence; ugm_done afterwards in either case. */
int ugm_init(struct ugm *u, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr);
void ugm_done(struct ugm *u);

/* M lends its bytes. */
int ugm_encode(const struct ugm *u, struct merger *m, const char *text, size_t length, struct token_list *list);
void ugm_piece(const struct ugm *u, int32_t id, bool first, struct piece *out);

#endif
