/*
 * vocab.h - the vocabulary of a GGUF file: what each token is, and which token a piece of text is.
 *
 * Token texts are the gguf's own views into its mapping; added are one byte of marks per token and one open-addressing
 * table of 4-byte slots. The table leads only to tokens that ordinary text may become: control, byte and added tokens are
 * found by other ways, so that no text can be merged into one. Of two tokens with the same text the lower id counts.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_VOCAB_H
#define HEADROOM_ENGINE_TOKENIZER_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/gguf.h"
#include "engine/tokenizer/tokenizer.h"

/* As GGUF stores them in tokenizer.ggml.token_type. */
enum token_class {
        TOKEN_UNDEFINED,
        TOKEN_NORMAL,
        TOKEN_UNKNOWN,
        TOKEN_CONTROL,
        TOKEN_USER_DEFINED,
        TOKEN_UNUSED,
        TOKEN_BYTE,
        TOKEN_CLASS_COUNT,
};

#define MARK_CLASS       0x07 /* enum token_class */
#define MARK_ADDED       0x08 /* user-defined after SentencePiece had made the vocabulary: no part of the text around it */
#define MARK_GUARDED     0x10 /* recognised in text only where special tokens are allowed */
#define MARK_END         0x20 /* ends an answer */
#define MARK_TAKES_LEFT  0x40 /* in a text, the white space before it is part of it */
#define MARK_TAKES_RIGHT 0x80 /* and behind it */

struct vocab {
        const struct gguf_string *tokens; /* COUNT, the gguf's */
        uint32_t count;
        uint32_t longest; /* bytes of the longest token */
        uint8_t *marks;
        uint32_t *slots; /* tag << SLOT_ID_BITS | id + 1; 0 is free */
        uint32_t slots_mask;
        int32_t bos, eos, unknown, separator, mask; /* or TOKEN_NONE */
};

/* The special tokens that a family has unless the file names others. */
enum vocab_defaults {
        VOCAB_NO_DEFAULTS,
        VOCAB_SENTENCEPIECE_DEFAULTS, /* unknown, begin, end are 0, 1, 2 unless the file says */
        VOCAB_WORDPIECE_DEFAULTS,     /* [UNK], [CLS] (begin), [SEP], [MASK] are 100 to 103 */
        VOCAB_UNIGRAM_DEFAULTS,       /* end, unknown are 1, 2 */
};

/* 0, or -EBADMSG / -ENOMEM and one sentence; vocab_done afterwards in either case. */
int vocab_init(struct vocab *v, const struct gguf *g, enum vocab_defaults defaults, struct gguf_error *reterr);
void vocab_done(struct vocab *v);

/* The token that ordinary text becomes, or TOKEN_NONE. */
int32_t vocab_find(const struct vocab *v, const char *bytes, size_t length);
bool vocab_is_text(const struct vocab *v, int32_t id); /* one that vocab_find may find */

static inline enum token_class vocab_class(const struct vocab *v, int32_t id) {
        return (enum token_class)(v->marks[id] & MARK_CLASS);
}

/* The value of a token spelt <0xNN>, or -1. */
int vocab_byte_value(struct gguf_string text);

/* The token of each byte, or TOKEN_NONE. Files without token types are taken by the spelling alone. */
void vocab_byte_tokens(const struct vocab *v, const struct gguf *g, int32_t ret_ids[256]);

/* A table of COUNT entries has this many slots, a power of two: at most three quarters are taken. */
uint32_t vocab_slots_for(uint32_t count);

/* The score of each token, all of them numbers. 0, or -EBADMSG and one sentence. */
int vocab_read_scores(const struct vocab *v, const struct gguf *g, const struct gguf_array **ret, struct gguf_error *reterr);

/* *ret stays as it is when KEY is absent. 0, or -EBADMSG and one sentence. */
int vocab_read_flag(const struct gguf *g, const char *key, bool *ret, struct gguf_error *reterr);

/* Writes the sentence and returns ERROR. */
__attribute__((format(printf, 3, 4))) int vocab_fail(struct gguf_error *reterr, int error, const char *format, ...);

#endif
