/*
 * spm.h - the BPE kind of SentencePiece models (tokenizer.ggml.model = "llama"): pairs of neighbours are merged by score.
 *
 * Each word begins as its characters, user-defined tokens being one each that nothing is merged with. The pair that makes
 * the token of the highest score is merged first, the leftmost among equals.
 * Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units (2016), 3.2; scores instead of
 * ranks: Kudo and Richardson, SentencePiece (2018).
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_SPM_H
#define HEADROOM_ENGINE_TOKENIZER_SPM_H

#include "engine/tokenizer/sentencepiece.h"

/* M lends its memory. 0 or -ENOMEM. */
int spm_encode(const struct sentencepiece *s, struct merger *m, const char *text, size_t length, struct token_list *list);

#endif
