/*
 * made_vocab.h - a tokenizer of any size, as metadata of a GGUF file: byte-level BPE of 256 bytes, a few merges, made-up words
 * up to the vocabulary's size, and the marks of ChatML.
 */
#ifndef HEADROOM_TESTS_MADE_VOCAB_H
#define HEADROOM_TESTS_MADE_VOCAB_H

#include <inttypes.h>
#include <stdbool.h>

#include "tests/gguf_writer.h"

/* Pairs that BPE joins, most frequent first. "\xc4\xa0" is how byte-level BPE writes a space. */
static const char *const made_merges[][2] = {
        { "\xc4\xa0", "t" }, { "h", "e" }, { "i", "n" }, { "\xc4\xa0", "a" }, { "r", "e" },  { "o", "n" }, { "\xc4\xa0t", "he" },
        { "e", "r" },        { "a", "t" }, { "o", "r" }, { "e", "n" },        { "in", "g" }, { "e", "s" }, { "\xc4\xa0", "o" },
};
#define MADE_MERGES ((uint32_t) (sizeof(made_merges) / sizeof(made_merges[0])))

static const char *const made_specials[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };
#define MADE_SPECIALS  3u
#define MADE_VOCAB_MIN (256 + MADE_MERGES + MADE_SPECIALS)

/* The printable character that stands for BYTE in byte-level BPE: itself where it is one, else from U+0100 on. */
static inline uint32_t made_byte(uint32_t byte) {
        uint32_t moved = 0;
        for (uint32_t b = 0;; b++) {
                bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
                if (b == byte)
                        return itself ? b : 256 + moved;
                moved += !itself;
        }
}

#define MADE_TOKEN_MAX 512u
#define MADE_INFILL    300u

struct made_vocab {
        uint32_t count;                        /* >= MADE_VOCAB_MIN */
        const char *chat_template, *last_word; /* NULL: ChatML, and a word like the others */
        bool infill;                           /* it names words, from MADE_INFILL on, by which a gap is filled */
};

static inline void made_token(const struct made_vocab *v, uint32_t id, char out[MADE_TOKEN_MAX]) {
        if (id < 256) {
                uint32_t c = made_byte(id);
                if (c < 0x80)
                        snprintf(out, 32, "%c", (char) c);
                else
                        snprintf(out, 32, "%c%c", (char) (0xc0 | c >> 6), (char) (0x80 | (c & 63)));
        } else if (id < 256 + MADE_MERGES) {
                snprintf(out, 32, "%s%s", made_merges[id - 256][0], made_merges[id - 256][1]);
        } else if (id >= v->count - MADE_SPECIALS) {
                snprintf(out, 32, "%s", made_specials[id - (v->count - MADE_SPECIALS)]);
        } else if (v->last_word && id == v->count - MADE_SPECIALS - 1) {
                snprintf(out, MADE_TOKEN_MAX, "%s", v->last_word);
        } else {
                snprintf(out, 32, "\xc4\xa0word%" PRIu32, id);
        }
}

static inline void made_vocab_write(struct gguf_writer *w, const struct made_vocab *v) {
        char text[MADE_TOKEN_MAX];
        gguf_write_string(w, "tokenizer.ggml.model", "gpt2");
        gguf_write_string(w, "tokenizer.ggml.pre", "gpt-2");
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, v->count);
        for (uint32_t i = 0; i < v->count; i++) {
                made_token(v, i, text);
                gguf_write_text(w, text, strlen(text));
        }
        gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, v->count);
        for (uint32_t i = 0; i < v->count; i++)
                gguf_write_number(w, i >= v->count - MADE_SPECIALS ? 3 : 1, 4); /* control, normal */
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, MADE_MERGES);
        for (uint32_t i = 0; i < MADE_MERGES; i++) {
                snprintf(text, sizeof(text), "%s %s", made_merges[i][0], made_merges[i][1]);
                gguf_write_text(w, text, strlen(text));
        }
        gguf_write_u32(w, "tokenizer.ggml.bos_token_id", v->count - 3);
        gguf_write_u32(w, "tokenizer.ggml.eos_token_id", v->count - 1);
        gguf_write_bool(w, "tokenizer.ggml.add_bos_token", false);
        static const char *const infill[] = { "fim_pre", "fim_suf", "fim_mid", "fim_rep", "fim_sep" };
        for (uint32_t i = 0; i < 5 && v->infill; i++) {
                snprintf(text, sizeof(text), "tokenizer.ggml.%s_token_id", infill[i]);
                gguf_write_u32(w, text, MADE_INFILL + i);
        }
        gguf_write_string(
                w, "tokenizer.chat_template",
                v->chat_template
                        ? v->chat_template
                        : "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
                          "'<|im_end|>' + '\n'}}{% endfor %}"
                          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}");
}

#endif
