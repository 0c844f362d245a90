/*
 * test_tokenizer_vocab.c - damaged vocabularies: each is refused with a sentence that says why, or does no harm.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/tokenizer/tokenizer_rows.h"

#define MUTATIONS 3000

/* ---- damaged vocabularies ---- */

static void write_u32_array(struct gguf_writer *w, const char *key, uint32_t count, uint32_t value) {
        gguf_write_array(w, key, GGUF_I32, count);
        for (uint32_t i = 0; i < count; i++)
                gguf_write_number(w, value, 4);
}

static void spm_without_scores(struct gguf_writer *w) {
        tiny_write_tokens(w, true);
}
static void spm_short_scores(struct gguf_writer *w) {
        tiny_write_tokens(w, true);
        gguf_write_array(w, "tokenizer.ggml.scores", GGUF_F32, 1);
        gguf_write_float(w, 0);
}
static void spm_odd_scores(struct gguf_writer *w) {
        tiny_write_tokens(w, true);
        write_u32_array(w, "tokenizer.ggml.scores", tiny_count(true), 0);
}
static void spm_nan_score(struct gguf_writer *w) {
        tiny_write_tokens(w, true);
        gguf_write_array(w, "tokenizer.ggml.scores", GGUF_F32, tiny_count(true));
        for (uint32_t i = 0; i < tiny_count(true); i++)
                gguf_write_number(w, i == 7 ? 0x7fc00000u : 0, 4);
}
static void no_tokens(struct gguf_writer *w) {
        (void) w;
}
static void empty_tokens(struct gguf_writer *w) {
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, 0);
}
static void number_tokens(struct gguf_writer *w) {
        write_u32_array(w, "tokenizer.ggml.tokens", 5, 1);
}
static void text_tokens(struct gguf_writer *w) {
        gguf_write_string(w, "tokenizer.ggml.tokens", "a b c");
}
static void long_token(struct gguf_writer *w) {
        char *text = calloc(1, 70000);
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, 1);
        gguf_write_text(w, text, 70000);
        free(text);
}
static void short_classes(struct gguf_writer *w) {
        tiny_write_tokens(w, false);
        write_u32_array(w, "tokenizer.ggml.token_type", 3, 1);
}
static void odd_class(struct gguf_writer *w) {
        tiny_write_tokens(w, false);
        write_u32_array(w, "tokenizer.ggml.token_type", tiny_count(false), 99);
}
static void negative_class(struct gguf_writer *w) {
        tiny_write_tokens(w, false);
        write_u32_array(w, "tokenizer.ggml.token_type", tiny_count(false), UINT32_MAX);
}
static void text_classes(struct gguf_writer *w) {
        tiny_write_tokens(w, false);
        gguf_write_string(w, "tokenizer.ggml.token_type", "normal");
}
static void no_merges(struct gguf_writer *w) {
        tiny_write_tokens(w, false);
}
static void number_merges(struct gguf_writer *w) {
        tiny_write_tokens(w, false);
        write_u32_array(w, "tokenizer.ggml.merges", 3, 1);
}
static void write_merge(struct gguf_writer *w, const char *merge) {
        tiny_write_tokens(w, false);
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, 1);
        gguf_write_text(w, merge, strlen(merge));
}
static void merge_without_space(struct gguf_writer *w) {
        write_merge(w, "he");
}
static void merge_with_space_first(struct gguf_writer *w) {
        write_merge(w, " he");
}
static void merge_with_space_last(struct gguf_writer *w) {
        write_merge(w, "he ");
}
static void empty_merge(struct gguf_writer *w) {
        write_merge(w, "");
}
static void eos_out_of_range(struct gguf_writer *w) {
        write_merge(w, "h e");
        gguf_write_u32(w, "tokenizer.ggml.eos_token_id", tiny_count(false));
}
static void eot_is_text(struct gguf_writer *w) {
        write_merge(w, "h e");
        gguf_write_string(w, "tokenizer.ggml.eot_token_id", "7");
}
static void unknown_out_of_range(struct gguf_writer *w) {
        write_merge(w, "h e");
        gguf_write_u32(w, "tokenizer.ggml.unknown_token_id", UINT32_MAX);
}
static void flag_is_number(struct gguf_writer *w) {
        write_merge(w, "h e");
        gguf_write_u32(w, "tokenizer.ggml.add_bos_token", 1);
}
static void pre_is_unknown(struct gguf_writer *w) {
        write_merge(w, "h e");
        gguf_write_string(w, "tokenizer.ggml.pre", "no-\nsuch");
}
static void pre_is_number(struct gguf_writer *w) {
        write_merge(w, "h e");
        gguf_write_u32(w, "tokenizer.ggml.pre", 1);
}

static void test_damaged(void **state) {
        (void) state;
        static const struct {
                const char *model;
                void (*write)(struct gguf_writer *w);
                int error;
                const char *says;
        } rows[] = {
                { "llama", no_tokens, -EBADMSG, "'tokenizer.ggml.tokens' is missing" },
                { "llama", empty_tokens, -EBADMSG, "has 0 tokens" },
                { "llama", number_tokens, -EBADMSG, "is not an array of strings" },
                { "llama", text_tokens, -EBADMSG, "is not an array of strings" },
                { "llama", long_token, -EBADMSG, "token 0 is 70000 bytes long" },
                { "llama", spm_without_scores, -EBADMSG, "'tokenizer.ggml.scores' is missing" },
                { "llama", spm_short_scores, -EBADMSG, "has 1 entries for" },
                { "llama", spm_odd_scores, -EBADMSG, "is not an array of floats" },
                { "llama", spm_nan_score, -EBADMSG, "the score of token 7 is not a number" },
                { "gpt2", short_classes, -EBADMSG, "'tokenizer.ggml.token_type' has 3 entries for" },
                { "gpt2", odd_class, -EBADMSG, "token 0 has the type 99" },
                { "gpt2", negative_class, -EBADMSG, "token 0 has the type" },
                { "gpt2", text_classes, -EBADMSG, "is not an array of integers" },
                { "gpt2", no_merges, -EBADMSG, "'tokenizer.ggml.merges' is missing" },
                { "gpt2", number_merges, -EBADMSG, "is not an array of strings" },
                { "gpt2", merge_without_space, -EBADMSG, "merge 0 is not two tokens" },
                { "gpt2", merge_with_space_first, -EBADMSG, "merge 0 is not two tokens" },
                { "gpt2", merge_with_space_last, -EBADMSG, "merge 0 is not two tokens" },
                { "gpt2", empty_merge, -EBADMSG, "merge 0 is not two tokens" },
                { "gpt2", eos_out_of_range, -EBADMSG, "'tokenizer.ggml.eos_token_id' is not the id of one of the" },
                { "gpt2", eot_is_text, -EBADMSG, "'tokenizer.ggml.eot_token_id' is not the id" },
                { "gpt2", unknown_out_of_range, -EBADMSG, "'tokenizer.ggml.unknown_token_id' is not the id" },
                { "gpt2", flag_is_number, -EBADMSG, "'tokenizer.ggml.add_bos_token' is neither true nor false" },
                { "gpt2", pre_is_unknown, -ENOTSUP, "the pre-tokenizer 'no-?such' is not supported" },
                { "gpt2", pre_is_number, -EBADMSG, "'tokenizer.ggml.pre' is not a string" },
                { "bert", no_tokens, -EBADMSG, "'tokenizer.ggml.tokens' is missing" },
                { "rwkv", no_tokens, -ENOTSUP, "the tokenizer 'rwkv' is not supported (known: llama, gpt2, gemma4, bert, t5)" },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct tiny_vocab v;
                struct gguf_error error = { "" };
                tiny_vocab_begin(&v, rows[i].model);
                rows[i].write(&v.file);
                gguf_write_end(&v.file);
                int r = tiny_vocab_open(&v, &error);
                if (r != rows[i].error || !strstr(error.text, rows[i].says))
                        fail_msg("row %zu (%s): %d, %s", i, rows[i].says, r, error.text);
                tiny_vocab_done(&v);
        }
}

/* A file with a few bits turned either is refused or gives a tokenizer that does not crash. */
static void test_mutations(void **state) {
        (void) state;
        static const char text[] = "<s>hello <|im_end|> aaa \xc3\xa9\xff<tool>";
        int opened = 0;
        for (int round = 0; round < MUTATIONS; round++) {
                struct tiny_vocab whole, v = { 0 };
                struct gguf_error error;
                if (round % 2)
                        tiny_vocab_spm(&whole);
                else
                        tiny_vocab_bpe(&whole, "llama-bpe");
                gguf_write_bytes(&v.file, whole.file.bytes, whole.file.length);
                for (uint32_t flips = 1 + random_below(2); flips > 0; flips--)
                        v.file.bytes[random_below((uint32_t) v.file.length)] ^= (uint8_t) (1u << random_below(8));
                if (tiny_vocab_open(&v, &error) == 0) {
                        size_t length;
                        free(there_and_back(v.tokenizer, text, sizeof(text) - 1, true, &length));
                        opened++;
                } else {
                        assert_true(strlen(error.text) > 10);
                }
                tiny_vocab_done(&v);
                tiny_vocab_done(&whole);
        }
        print_message("%d of %d damaged vocabularies were still usable\n", opened, MUTATIONS);
        assert_true(opened > MUTATIONS / 10 && opened < MUTATIONS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_mutations),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
