/*
 * bpe.h - the BPE family (tokenizer.ggml.model = "gpt2" or "gemma4"): neighbours are merged by the rank of their pair.
 *
 * Most vocabularies of this family spell each byte as one printable character (byte_to_codepoint in bpe.c), and bytes
 * are merged. The plain ones spell text as it is: characters are merged, and one without a token becomes byte tokens
 * <0xNN>. Merges are kept
 * as triples of token ids in the order of their rank, found by pair through one open-addressing table. A merge that
 * names a token the vocabulary does not have can never be used and is left out.
 * Source: Radford et al., GPT-2 (2019), encoder.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_BPE_H
#define HEADROOM_ENGINE_TOKENIZER_BPE_H

#include "engine/tokenizer/merge.h"
#include "engine/tokenizer/piece.h"
#include "engine/pretokenizer/pretokenize.h"
#include "engine/tokenizer/vocab.h"

struct bpe_merge {
        int32_t left, right, result;
};

struct bpe {
        const struct vocab *vocab;
        const struct pretokenizer *pre;
        struct bpe_merge *merges; /* index = rank */
        uint32_t merges_count;
        uint32_t *slots; /* rank + 1; 0 is free */
        uint32_t slots_mask;
        int32_t byte_ids[256]; /* or TOKEN_NONE */
        size_t stages_count;   /* of PRE */
        bool lowers;           /* plain: text is read in lower case, where the file says so */
};

/* USUAL_PRE: the pre-tokenizer where the file names none, or "default". 0, or -EBADMSG / -ENOTSUP / -ENOMEM and one sentence; bpe_done afterwards in either case. */
int bpe_init(struct bpe *b, const struct gguf *g, const struct vocab *v, const char *usual_pre, struct gguf_error *reterr);
void bpe_done(struct bpe *b);

int bpe_encode(const struct bpe *b, struct merger *m, const char *text, size_t length, struct token_list *list);
void bpe_piece(const struct bpe *b, int32_t id, struct piece *out);

#endif
