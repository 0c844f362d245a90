/*
 * spm.h - the SentencePiece family (tokenizer.ggml.model = "llama"): pairs of characters are merged by score.
 *
 * Spaces are spelt U+2581, one is set before a text where the file asks for it, and a character without a token of its
 * own becomes byte tokens <0xNN>.
 * Source: Kudo and Richardson, SentencePiece (2018), and the token types of the GGUF specification.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_SPM_H
#define HEADROOM_ENGINE_TOKENIZER_SPM_H

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/piece.h"
#include "engine/tokenizer/vocab.h"

struct spm {
        const struct vocab *vocab;
        const struct gguf_array *scores; /* floats, the gguf's */
        int32_t byte_ids[256];           /* or TOKEN_NONE */
        bool adds_space;
        bool crosses_words; /* some token has a space behind something else: words cannot be taken one by one */
};

int spm_init(struct spm *s, const struct gguf *g, const struct vocab *v, struct gguf_error *reterr);

/* AFTER_SPECIAL: the text is the first, or the one before it was a special token: there the space is set. */
int spm_encode(const struct spm *s, struct merger *m, const char *text, size_t length, bool after_special,
               struct token_list *list);

void spm_piece(const struct spm *s, int32_t id, bool first, struct piece *out);

#endif
