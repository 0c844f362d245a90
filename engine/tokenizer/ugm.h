/*
 * ugm.h - the unigram kind of SentencePiece models (tokenizer.ggml.model = "t5"): of all ways to put a text together from
 * tokens, the one whose scores, logarithms of probabilities, have the greatest sum.
 *
 * A character that is no token by itself may also be unknown, at 10 less than the least score of a normal token.
 * A user-defined token counts as -0.1 whatever its score, so that it is nearly always taken. Sums are made from the
 * left, over the whole text, and kept in single precision; of equal ones the token that begins first stays. So ways that
 * differ by less than a rounding are told apart as where vocabularies come from.
 * Source: Kudo, Subword Regularization (2018), section 3.2, the search being Viterbi's; the two constants were measured
 * on the SentencePiece library with vocabularies made for that (tests/conformance/sentencepiece.py has such).
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_UGM_H
#define HEADROOM_ENGINE_TOKENIZER_UGM_H

#include "engine/tokenizer/sentencepiece.h"

struct ugm {
        const struct sentencepiece *model;
        struct trie trie;
        float unknown_score;
};

/* MODEL must outlive it. 0, or -ENOMEM and one sentence; ugm_done afterwards in either case. */
int ugm_init(struct ugm *u, const struct sentencepiece *model, struct gguf_error *reterr);
void ugm_done(struct ugm *u);

/* M lends its bytes. 0 or -ENOMEM. */
int ugm_encode(const struct ugm *u, struct merger *m, const char *text, size_t length, struct token_list *list);

#endif
