/*
 * tiny_vocab.h - vocabularies for tests, small enough to tokenize by hand: a SentencePiece one and a byte-level one, and
 * whatever else a test lists token by token.
 *
 * Both know "hello", spaces, all bytes, <|im_start|> and <|im_end|>, and the user-defined token <tool>. The tokens of a
 * text are shown as their spelling in the vocabulary, joined by "|": that is what tests compare.
 */
#ifndef HEADROOM_TESTS_TINY_VOCAB_H
#define HEADROOM_TESTS_TINY_VOCAB_H

#include <stdbool.h>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocab.h"
#include "tests/gguf_writer.h"

struct tiny_vocab {
        struct gguf_writer file;
        struct gguf *gguf;
        struct tokenizer *tokenizer;
        const struct gguf_array *tokens;
};

struct tiny_token {
        const char *text;
        uint32_t class;
        float score;
};

#define U2581      "\xe2\x96\x81"
#define TINY_BYTES 256

/* Ids 0..9; the 256 byte tokens follow, then tiny_spm_pieces. */
static const struct tiny_token tiny_spm_head[] = {
        { "<unk>", TOKEN_UNKNOWN, 0 },
        { "<s>", TOKEN_CONTROL, 0 },
        { "</s>", TOKEN_CONTROL, 0 },
        { "<|im_start|>", TOKEN_CONTROL, 0 },
        { "<|im_end|>", TOKEN_USER_DEFINED, 0 },
        { "<tool>", TOKEN_USER_DEFINED, 0 },
        { "<tool>!", TOKEN_USER_DEFINED, 0 },
        { "<|x|>", TOKEN_USER_DEFINED, 0 },
        { "[INST]", TOKEN_CONTROL, 0 },
        { "", TOKEN_NORMAL, 0 },
};
static const struct tiny_token tiny_spm_pieces[] = {
        { U2581, TOKEN_NORMAL, -100 },       { "a", TOKEN_NORMAL, -101 },
        { "e", TOKEN_NORMAL, -102 },         { "h", TOKEN_NORMAL, -103 },
        { "l", TOKEN_NORMAL, -104 },         { "o", TOKEN_NORMAL, -105 },
        { "\xc3\xa9", TOKEN_NORMAL, -106 },  { "<", TOKEN_NORMAL, -107 },
        { "he", TOKEN_NORMAL, -1 },          { "ll", TOKEN_NORMAL, -2 },
        { "hell", TOKEN_NORMAL, -3 },        { "hello", TOKEN_NORMAL, -4 },
        { U2581 "hello", TOKEN_NORMAL, -5 }, { U2581 "he", TOKEN_NORMAL, -6 },
        { "aa", TOKEN_NORMAL, -7 },          { "aaaa", TOKEN_NORMAL, -8 },
        { U2581 U2581, TOKEN_NORMAL, -9 },   { "<s", TOKEN_NORMAL, -10 },
        { ">", TOKEN_NORMAL, -110 },         { "s", TOKEN_NORMAL, -111 },
        { "a", TOKEN_NORMAL, -1 }, /* a second "a": never used */
};

static const struct tiny_token tiny_bpe_tail[] = {
        { "\xc4\xa0h", TOKEN_NORMAL, 0 },
        { "he", TOKEN_NORMAL, 0 },
        { "ll", TOKEN_NORMAL, 0 },
        { "llo", TOKEN_NORMAL, 0 },
        { "hello", TOKEN_NORMAL, 0 },
        { "\xc4\xa0hello", TOKEN_NORMAL, 0 },
        { "aa", TOKEN_NORMAL, 0 },
        { "aaaa", TOKEN_NORMAL, 0 },
        { "\xc4\xa0\xc4\xa0", TOKEN_NORMAL, 0 },
        { "\xc3\x83\xc2\xa9", TOKEN_NORMAL, 0 },
        { "unmerged", TOKEN_NORMAL, 0 },
        { "<|im_start|>", TOKEN_CONTROL, 0 },
        { "<|im_end|>", TOKEN_CONTROL, 0 },
        { "<tool>", TOKEN_USER_DEFINED, 0 },
        { "<|endoftext|>", TOKEN_CONTROL, 0 },
};
static const char *const tiny_bpe_merges[] = {
        "h e",        "l l", "ll o", "he llo", "\xc4\xa0 hello", "a a", "aa aa", "\xc4\xa0 \xc4\xa0", "\xc3\x83 \xc2\xa9",
        "q x", /* makes a token that is not there */
        "\xc4\xa0 h",
};

#define TINY_COUNT(array) ((uint32_t) (sizeof(array) / sizeof((array)[0])))

/* The spelling of BYTE in byte-level BPE. */
static inline void tiny_spell(unsigned byte, char out[3]) {
        unsigned next = 0x100, code = byte;
        for (unsigned b = 0; b < 256; b++) {
                bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
                if (!printable && b == byte)
                        code = next;
                next += !printable;
        }
        memset(out, 0, 3);
        if (code < 0x80)
                out[0] = (char) code;
        else
                snprintf(out, 3, "%c%c", (char) (0xc0 | code >> 6), (char) (0x80 | (code & 0x3f)));
}

/* The I-th token of either family; TEXT is used where it has to be made. False behind the last. */
static inline bool tiny_token_at(bool spm, uint32_t i, char text[8], struct tiny_token *ret) {
        uint32_t head = spm ? TINY_COUNT(tiny_spm_head) : 0, tail = spm ? TINY_COUNT(tiny_spm_pieces) : TINY_COUNT(tiny_bpe_tail);
        if (i < head) {
                *ret = tiny_spm_head[i];
        } else if (i < head + TINY_BYTES) {
                if (spm)
                        snprintf(text, 8, "<0x%02X>", i - head);
                else
                        tiny_spell(i, text);
                *ret = (struct tiny_token){ text, spm ? TOKEN_BYTE : TOKEN_NORMAL, 0 };
        } else if (i - head - TINY_BYTES < tail) {
                *ret = spm ? tiny_spm_pieces[i - head - TINY_BYTES] : tiny_bpe_tail[i - head - TINY_BYTES];
        } else {
                return false;
        }
        return true;
}

static inline uint32_t tiny_count(bool spm) {
        return TINY_BYTES + (spm ? TINY_COUNT(tiny_spm_head) + TINY_COUNT(tiny_spm_pieces) : TINY_COUNT(tiny_bpe_tail));
}

static inline void tiny_write_tokens(struct gguf_writer *w, bool spm) {
        struct tiny_token token;
        char text[8];
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, tiny_count(spm));
        for (uint32_t i = 0; tiny_token_at(spm, i, text, &token); i++)
                gguf_write_text(w, token.text, strlen(token.text));
}

static inline void tiny_write_classes(struct gguf_writer *w, bool spm) {
        struct tiny_token token;
        char text[8];
        gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, tiny_count(spm));
        for (uint32_t i = 0; tiny_token_at(spm, i, text, &token); i++)
                gguf_write_number(w, token.class, 4);
}

static inline void tiny_write_scores(struct gguf_writer *w) {
        struct tiny_token token;
        char text[8];
        gguf_write_array(w, "tokenizer.ggml.scores", GGUF_F32, tiny_count(true));
        for (uint32_t i = 0; tiny_token_at(true, i, text, &token); i++)
                gguf_write_float(w, token.score);
}

static inline void tiny_write_merges(struct gguf_writer *w) {
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, TINY_COUNT(tiny_bpe_merges));
        for (uint32_t i = 0; i < TINY_COUNT(tiny_bpe_merges); i++)
                gguf_write_text(w, tiny_bpe_merges[i], strlen(tiny_bpe_merges[i]));
}

/* Opens what FILE holds. 0, or what gguf_open_memory or tokenizer_new says. */
static inline int tiny_vocab_open(struct tiny_vocab *v, struct gguf_error *reterr) {
        struct gguf_memory memory = { v->file.bytes, v->file.length };
        int r = gguf_open_memory(&memory, 1, &v->gguf, reterr);
        if (r == 0)
                r = tokenizer_new(v->gguf, &v->tokenizer, reterr);
        if (r == 0)
                (void) gguf_get_array(v->gguf, "tokenizer.ggml.tokens", GGUF_STRING, &v->tokens);
        return r;
}

static inline void tiny_vocab_done(struct tiny_vocab *v) {
        tokenizer_free(v->tokenizer);
        gguf_close(v->gguf);
        gguf_write_done(&v->file);
        *v = (struct tiny_vocab){ 0 };
}

static inline void tiny_vocab_begin(struct tiny_vocab *v, const char *model) {
        *v = (struct tiny_vocab){ 0 };
        gguf_write_begin(&v->file, 3);
        gguf_write_string(&v->file, "tokenizer.ggml.model", model);
}

static inline void tiny_vocab_open_whole(struct tiny_vocab *v) {
        struct gguf_error error;
        gguf_write_end(&v->file);
        if (tiny_vocab_open(v, &error) < 0) {
                fprintf(stderr, "the test's own vocabulary: %s\n", error.text);
                exit(1);
        }
}

static inline void tiny_vocab_spm(struct tiny_vocab *v) {
        tiny_vocab_begin(v, "llama");
        tiny_write_tokens(&v->file, true);
        tiny_write_classes(&v->file, true);
        tiny_write_scores(&v->file);
        tiny_vocab_open_whole(v);
}

/* PRE may be NULL. */
static inline void tiny_vocab_bpe(struct tiny_vocab *v, const char *pre) {
        tiny_vocab_begin(v, "gpt2");
        if (pre)
                gguf_write_string(&v->file, "tokenizer.ggml.pre", pre);
        tiny_write_tokens(&v->file, false);
        tiny_write_classes(&v->file, false);
        tiny_write_merges(&v->file);
        gguf_write_u32(&v->file, "tokenizer.ggml.eos_token_id", tiny_count(false) - 1);
        tiny_vocab_open_whole(v);
}

/* A vocabulary of TOKENS; where BYTES, the 256 byte tokens stand before them. The caller adds what else it needs. */
static inline void tiny_write_list(struct gguf_writer *w, const struct tiny_token tokens[], uint32_t count, bool bytes) {
        uint32_t before = bytes ? TINY_BYTES : 0;
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, before + count);
        for (uint32_t i = 0; i < before; i++) {
                char text[8];
                snprintf(text, sizeof(text), "<0x%02X>", i);
                gguf_write_text(w, text, strlen(text));
        }
        for (uint32_t i = 0; i < count; i++)
                gguf_write_text(w, tokens[i].text, strlen(tokens[i].text));
        gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, before + count);
        for (uint32_t i = 0; i < before + count; i++)
                gguf_write_number(w, i < before ? TOKEN_BYTE : tokens[i - before].class, 4);
}

static inline void tiny_write_texts(struct gguf_writer *w, const char *key, const char *const texts[], uint32_t count) {
        gguf_write_array(w, key, GGUF_STRING, count);
        for (uint32_t i = 0; i < count; i++)
                gguf_write_text(w, texts[i], strlen(texts[i]));
}

/* "hel|lo" of LIST, from token FROM on; the caller frees it. */
static inline char *tiny_shown(const struct tiny_vocab *v, const struct token_list *list, size_t from) {
        size_t length = 1;
        for (size_t i = from; i < list->count; i++)
                length += v->tokens->strings[list->ids[i]].length + 1;
        char *shown = calloc(1, length + 1), *at = shown;
        for (size_t i = from; i < list->count; i++) {
                struct gguf_string text = v->tokens->strings[list->ids[i]];
                if (i > from)
                        *at++ = '|';
                memcpy(at, text.bytes, text.length);
                at += text.length;
        }
        return shown;
}

#endif
