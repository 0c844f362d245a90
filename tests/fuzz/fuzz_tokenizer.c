/*
 * fuzz_tokenizer.c - libFuzzer's door to the tokenizers: a vocabulary and a text, both from the input, through each family.
 *
 * The input: a byte for the family, one for the pre-tokenizer or what else may be asked for, one for the number of tokens;
 * for each token a byte for its class and score, one for its length, and its text; what is left is the text to be taken
 * apart. Merges are those of each two tokens whose texts make a third. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pretokenizer/pretokenize.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/gguf_writer.h"

#define TOKENS_MAX  64u
#define FIRST_TOKEN 3u  /* of the input, behind the bytes that choose */
#define CLASSES     7u  /* 0..6 */
#define ADDED_KIND  35u /* as many times CLASSES: an added token, by its score */
#define BYTES       256u
#define LISTED      (sizeof(models) / sizeof(models[0]))

/* Bits of the second byte, where it is not for a pre-tokenizer. */
enum asked { ASKED_JOIN = 1, ASKED_CHARSMAP = 2, ASKED_NO_PREFIX = 4, ASKED_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const models[] = { "llama", "gpt2", "gemma4", "bert", "t5" };

struct token {
        const char *text;
        uint8_t length, kind;
};

/* Returns where the tokens end. */
static size_t take_tokens(const uint8_t *data, size_t size, struct token tokens[TOKENS_MAX], uint32_t *ret_count) {
        size_t at = FIRST_TOKEN;
        uint32_t count = 0;
        for (; count < data[2] % TOKENS_MAX + 1 && size - at >= 2 && size - at - 2 >= data[at + 1]; count++) {
                tokens[count] = (struct token){ (const char *) data + at + 2, data[at + 1], data[at] };
                at += 2u + data[at + 1];
        }
        *ret_count = count;
        return at;
}

static void write_merges(struct gguf_writer *w, const struct token *tokens, uint32_t count) {
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, count * count);
        for (uint32_t i = 0; i < count * count; i++) {
                const struct token *left = &tokens[i / count], *right = &tokens[i % count];
                char text[2 * UINT8_MAX + 2] = "x x"; /* where a token is empty */
                size_t length = 3;
                if (left->length > 0 && right->length > 0) {
                        memcpy(text, left->text, left->length);
                        text[left->length] = ' ';
                        memcpy(text + left->length + 1, right->text, right->length);
                        length = (size_t) left->length + right->length + 1;
                }
                gguf_write_text(w, text, length);
        }
}

static float score_of(const struct token *token) {
        return token->kind / CLASSES == ADDED_KIND ? -1000 : -(float) (token->kind / CLASSES);
}

/* Behind the input's own, the BYTES byte tokens or none. */
static void write_tokens(struct gguf_writer *w, const struct token *tokens, uint32_t count, uint32_t bytes) {
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, count + bytes);
        for (uint32_t i = 0; i < count; i++)
                gguf_write_text(w, tokens[i].text, tokens[i].length);
        for (uint32_t i = 0; i < bytes; i++) {
                char text[8];
                gguf_write_text(w, text, (size_t) snprintf(text, sizeof(text), "<0x%02X>", i));
        }
        gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, count + bytes);
        for (uint32_t i = 0; i < count + bytes; i++)
                gguf_write_number(w, i < count ? tokens[i].kind % CLASSES : CLASSES - 1, 4);
        gguf_write_array(w, "tokenizer.ggml.scores", GGUF_F32, count + bytes);
        for (uint32_t i = 0; i < count + bytes; i++)
                gguf_write_float(w, i < count ? score_of(&tokens[i]) : 0);
}

static void write_vocabulary(struct gguf_writer *w, const uint8_t *data, const struct token *tokens, uint32_t count) {
        size_t pre = 0;
        while (pretokenizer_at(pre))
                pre++;
        gguf_write_begin(w, 3);
        gguf_write_string(w, "tokenizer.ggml.model", models[data[0] % LISTED]);
        if (data[0] % LISTED == 1)
                gguf_write_string(w, "tokenizer.ggml.pre", pretokenizer_at(data[1] % pre)->name);
        else
                gguf_write_bool(w, "tokenizer.ggml.remove_extra_whitespaces", data[1] & ASKED_JOIN);
        if (data[1] & ASKED_NO_PREFIX)
                gguf_write_bool(w, "tokenizer.ggml.add_space_prefix", false);
        if (data[0] & 0x80)
                gguf_write_string(w, "general.name", "phi3");
        write_tokens(w, tokens, count, data[1] & ASKED_BYTES ? BYTES : 0);
        gguf_write_u32(w, "tokenizer.ggml.unknown_token_id", 0);
        gguf_write_u32(w, "tokenizer.ggml.seperator_token_id", 0);
        write_merges(w, tokens, count);
        if (data[1] & ASKED_CHARSMAP) { /* the last token is a dictionary, too */
                const struct token *last = &tokens[count - 1];
                gguf_write_array(w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, last->length);
                gguf_write_bytes(w, last->text, last->length);
        }
        gguf_write_end(w);
}

static void take_apart(const struct tokenizer *t, const char *text, size_t length, bool special) {
        struct token_list list = { 0 };
        char *back = NULL;
        size_t back_length;
        if (tokenizer_encode(t, text, length, special, special, &list) < 0)
                abort();
        for (size_t i = 0; i < list.count; i++)
                if (list.ids[i] < 0 || (uint32_t) list.ids[i] >= tokenizer_vocab_count(t))
                        abort();
        if (tokenizer_decode(t, list.ids, list.count, special, &back, &back_length) < 0)
                abort();
        free(back);
        token_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct token tokens[TOKENS_MAX];
        struct gguf_writer w = { 0 };
        struct gguf_error error;
        struct gguf *g = NULL;
        struct tokenizer *t;
        uint32_t count = 0;
        size_t at = size > FIRST_TOKEN ? take_tokens(data, size, tokens, &count) : 0;
        if (count == 0)
                return 0;
        write_vocabulary(&w, data, tokens, count);
        struct gguf_memory memory = { w.bytes, w.length };
        if (gguf_open_memory(&memory, 1, &g, &error) < 0)
                abort();
        if (tokenizer_new(g, &t, &error) == 0) {
                char *text = malloc(size - at + 1); /* of exactly its size, where a sanitizer sees each byte too far */
                memcpy(text, data + at, size - at);
                take_apart(t, text, size - at, false);
                take_apart(t, text, size - at, true);
                free(text);
                tokenizer_free(t);
        }
        gguf_close(g);
        gguf_write_done(&w);
        return 0;
}
