/*
 * test_tokenizer_bpe.c - byte-level and plain BPE vocabularies, small enough to merge by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/tokenizer/tokenizer_rows.h"

static void test_byte_level(void **state) {
        (void) state;
        static const struct row rows[] = {
                { "nothing", "", "", true, true },
                { "one word", "hello", "hello", false, false },
                { "a space joins the word behind it", "hello hello", "hello|\xc4\xa0hello", false, false },
                { "merges by rank", "hell", "he|ll", false, false },
                { "the leftmost of equals", "aaaaa", "aaaa|a", false, false },
                { "a character of two bytes", "\xc3\xa9", "\xc3\x83\xc2\xa9", false, false },
                { "invalid bytes", "\xff", "\xc3\xbf", false, false },
                { "a token that no merge makes", "unmerged", "u|n|m|e|r|g|e|d", false, false },
                { "control tokens are text", "<|im_end|>", "<|||i|m|_|e|n|d|||>", false, false },
                { "unless allowed", "a<|im_end|>a", "a|<|im_end|>|a", false, true },
                { "user-defined tokens always count", "a<tool>a", "a|<tool>|a", false, false },
                { "a zero is a byte like any other", "", "", false, false },
        };
        struct tiny_vocab v;
        tiny_vocab_bpe(&v, "gpt-2");
        check_rows(&v, rows, COUNT(rows));
        struct token_list list = { 0 };
        assert_int_equal(tokenizer_encode(v.tokenizer, "a\0a", 3, false, false, &list), 0);
        assert_int_equal(list.count, 3);
        assert_int_equal(list.ids[1], 0);
        token_list_done(&list);
        tiny_vocab_done(&v);

        static const struct row whole[] = { { "a word that is a token is not merged", "unmerged hello", "unmerged|\xc4\xa0hello",
                                              false, false } };
        tiny_vocab_bpe(&v, "llama-bpe");
        check_rows(&v, whole, 1);
        tiny_vocab_done(&v);
        tiny_vocab_bpe(&v, NULL);
        check_rows(&v, rows, COUNT(rows));
        tiny_vocab_done(&v);
}

/* ---- BPE that spells text as it is ---- */

static void test_plain_bpe(void **state) {
        (void) state;
        static const struct tiny_token tokens[] = {
                { "<unk>", TOKEN_UNKNOWN, 0 },   { "<bos>", TOKEN_CONTROL, 0 },
                { "a", TOKEN_NORMAL, 0 },        { "b", TOKEN_NORMAL, 0 },
                { U2581, TOKEN_NORMAL, 0 },      { "ab", TOKEN_NORMAL, 0 },
                { U2581 "ab", TOKEN_NORMAL, 0 }, { "\n", TOKEN_NORMAL, 0 },
                { "\n\n", TOKEN_NORMAL, 0 },     { "ab" U2581 "ab", TOKEN_NORMAL, 0 },
                { "\xc3\xa9", TOKEN_NORMAL, 0 },
        };
        static const char *const merges[] = { "a b", U2581 " ab", "ab " U2581 "ab" };
        static const struct row rows[] = {
                { "merges reach over spaces", "ab ab", "ab" U2581 "ab", false, false },
                { "but not over line breaks", "ab\nab", "ab|\n|ab", false, false },
                { "a run of them is taken whole", "a\n\nb", "a|\n\n|b", false, false },
                { "where it is a token", "\n\n\n", "\n|\n|\n", false, false },
                { "characters", "\xc3\xa9", "\xc3\xa9", false, false },
                { "those without a token are bytes", "\xe2\x82\xac\xff", "<0xE2>|<0x82>|<0xAC>|<0xFF>", false, false },
                { "the beginning", "a", "<bos>|a", true, false },
        };
        struct tiny_vocab v;
        tiny_vocab_begin(&v, "gemma4");
        tiny_write_list(&v.file, tokens, COUNT(tokens), true);
        tiny_write_texts(&v.file, "tokenizer.ggml.merges", merges, COUNT(merges));
        gguf_write_u32(&v.file, "tokenizer.ggml.bos_token_id", TINY_BYTES + 1);
        gguf_write_u32(&v.file, "tokenizer.ggml.unknown_token_id", TINY_BYTES);
        tiny_vocab_open_whole(&v);
        check_rows(&v, rows, COUNT(rows));
        static const int32_t ids[] = { TINY_BYTES + 1, TINY_BYTES + 9, 0xff, TINY_BYTES + 7 };
        char *text;
        size_t length;
        assert_int_equal(tokenizer_decode(v.tokenizer, ids, COUNT(ids), false, &text, &length), 0);
        assert_string_equal(text, "ab ab\xff\n");
        free(text);
        assert_int_equal(tokenizer_decode(v.tokenizer, ids, COUNT(ids), true, &text, &length), 0);
        assert_string_equal(text, "<bos>ab ab\xff\n");
        free(text);
        tiny_vocab_done(&v);
}

/* As jina-v2-zh: words by white space, which is dropped; in lower case where the file says so. */
static void test_words_by_white_space(void **state) {
        (void) state;
        static const struct tiny_token tokens[] = {
                { "<unk>", TOKEN_UNKNOWN, 0 },
                { "a", TOKEN_NORMAL, 0 },
                { "b", TOKEN_NORMAL, 0 },
                { "ab", TOKEN_NORMAL, 0 },
        };
        static const char *const merges[] = { "a b" };
        static const struct row with_case[] = { { "an unknown character", "ab  aB\n", "ab|a|<unk>", false, false } };
        static const struct row lower[] = { { "in lower case", "ab  aB\n", "ab|ab", false, false } };
        for (size_t i = 0; i < 2; i++) {
                struct tiny_vocab v;
                tiny_vocab_begin(&v, "gpt2");
                gguf_write_string(&v.file, "tokenizer.ggml.pre", "whitespace");
                gguf_write_bool(&v.file, "tokenizer.ggml.normalizer.lowercase", i);
                gguf_write_u32(&v.file, "tokenizer.ggml.unknown_token_id", 0);
                tiny_write_list(&v.file, tokens, COUNT(tokens), false);
                tiny_write_texts(&v.file, "tokenizer.ggml.merges", merges, 1);
                tiny_vocab_open_whole(&v);
                check_rows(&v, i ? lower : with_case, 1);
                tiny_vocab_done(&v);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_byte_level),
                cmocka_unit_test(test_plain_bpe),
                cmocka_unit_test(test_words_by_white_space),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
