/*
 * test_tokenizer_sentencepiece.c - SentencePiece vocabularies of the BPE kind, small enough to merge by hand; and how either
 * kind spells a text before it is taken apart.
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

static void test_sentencepiece(void **state) {
        (void) state;
        static const struct row rows[] = {
                { "nothing", "", "", false, false },
                { "nothing but its beginning", "", "<s>", true, true },
                { "one word, with the space before it", "hello", U2581 "hello", false, false },
                { "two words", "hello hello", U2581 "hello|" U2581 "hello", false, false },
                { "the best score wins, not the longest", "hellll", U2581 "|hell|ll", false, false },
                { "the leftmost of equals", "aaa", U2581 "|aa|a", false, false },
                { "merges of merges", "aaaaaaa", U2581 "|aaaa|aa|a", false, false },
                { "runs of spaces", "   he", U2581 U2581 "|" U2581 "|" U2581 "he", false, false },
                { "a character with a token", "\xc3\xa9", U2581 "|\xc3\xa9", false, false },
                { "a character without one", "\xe2\x82\xac", U2581 "|<0xE2>|<0x82>|<0xAC>", false, false },
                { "invalid bytes", "a\xff\xc3", U2581 "|a|<0xFF>|<0xC3>", false, false },
                { "control tokens are text", "<s>", U2581 "|<s|>", false, false },
                { "unless allowed", "<s>a</s>", "<s>|" U2581 "|a|</s>", false, true },
                { "what looks like a byte token is text", "<0x0A>", U2581 "|<|<0x30>|<0x78>|<0x30>|<0x41>|>", false, true },
                { "user-defined tokens always count", "a<tool>a", U2581 "|a|<tool>|a", false, false },
                { "the longest of them", "<tool>!<tool>", U2581 "|<tool>!|<tool>", false, false },
                { "but not those that frame turns", "<|x|>", U2581 "|<|<0x7C>|<0x78>|<0x7C>|>", false, false },
                { "nor those that end them", "<|im_end|>", U2581 "|<|<0x7C>|<0x69>|<0x6D>|<0x5F>|e|<0x6E>|<0x64>|<0x7C>|>", false,
                  false },
                { "unless allowed", "<|x|><|im_end|>", "<|x|>|<|im_end|>", false, true },
        };
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        check_rows(&v, rows, COUNT(rows));
        tiny_vocab_done(&v);
}

/* ---- spelling ---- */

/* No two of them make another, so that both kinds take a text apart alike. */
static const struct tiny_token spellings[] = {
        { "<unk>", TOKEN_UNKNOWN, 0 },      { "</s>", TOKEN_CONTROL, 0 },     { "<s>", TOKEN_CONTROL, 0 },
        { U2581, TOKEN_NORMAL, -3 },        { "a", TOKEN_NORMAL, -4 },        { "b", TOKEN_NORMAL, -4 },
        { "aa", TOKEN_USER_DEFINED, 0 },    { "<A>", TOKEN_USER_DEFINED, 0 }, { "<tool>", TOKEN_USER_DEFINED, -1000 },
        { "<|x|>", TOKEN_USER_DEFINED, 0 },
};

/* A table that reads "A" as "a", and "B" as nothing: see charsmap.h. */
static void write_charsmap(struct gguf_writer *w, uint32_t damage) {
        enum { ENTRIES = 512, ROOT = 256 };
        uint32_t entries[ENTRIES] = { [0] = ROOT << 10 };
        entries[ROOT ^ 'A'] = 'A' | 1u << 8 | 1u << 10;
        entries[ROOT ^ 'A' ^ 1] = 1u << 31 | 0;
        entries[ROOT ^ 'B'] = 'B' | 1u << 8 | 5u << 10;
        entries[ROOT ^ 'B' ^ 5] = 1u << 31 | 1;
        entries[ROOT ^ 'C'] = 'C' | 1u << 8 | 0x1fffffu << 10; /* leads out of the dictionary */
        entries[ROOT ^ 'D'] = 'D' | 1u << 8 | 2u << 10;
        entries[ROOT ^ 'D' ^ 2] = 1u << 31 | 77; /* beyond the replacements */
        gguf_write_array(w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, 4 + sizeof(entries) + 3);
        gguf_write_number(w, sizeof(entries) + damage, 4);
        for (uint32_t i = 0; i < ENTRIES; i++)
                gguf_write_number(w, entries[i], 4);
        gguf_write_bytes(w, "a\0", 3); /* "a", "", and one more 0 */
}

static void begin_spellings(struct tiny_vocab *v, const char *model, uint32_t damage) {
        tiny_vocab_begin(v, model);
        tiny_write_list(&v->file, spellings, COUNT(spellings), false);
        gguf_write_array(&v->file, "tokenizer.ggml.scores", GGUF_F32, COUNT(spellings));
        for (uint32_t i = 0; i < COUNT(spellings); i++)
                gguf_write_float(&v->file, spellings[i].score);
        gguf_write_u32(&v->file, "tokenizer.ggml.unknown_token_id", 0);
        gguf_write_u32(&v->file, "tokenizer.ggml.eos_token_id", 1);
        write_charsmap(&v->file, damage);
}

static const struct row spelt[] = {
        { "nothing", "", "", false, false },
        { "spaces stay, and one is added", " a  ", U2581 "|" U2581 "|a|" U2581 "|" U2581, false, false },
        { "characters are replaced", "AbA", U2581 "|a|b|a", false, false },
        { "even by nothing", "bBb", U2581 "|b|b", false, false },
        { "or not, where the table leads nowhere", "bCD", U2581 "|b|<unk>", false, false },
        { "unknown ones are one token", "xyz\xc3\xa9 \xff", U2581 "|<unk>|" U2581 "|<unk>", false, false },
        { "a user-defined token is kept as it is", "<A>A", U2581 "|<A>|a", false, false },
        { "within its text", "a<A>a <A>", U2581 "|a|<A>|a|" U2581 "|<A>", false, false },
        { "also where the table makes it", "AAb", U2581 "|aa|b", false, false },
        { "one that was added stands apart", "a<tool>a", U2581 "|a|<tool>|" U2581 "|a", false, false },
        { "with nothing before it", "<tool>", "<tool>", false, false },
        { "one that frames turns does not count", "<|x|>", U2581 "|<unk>", false, false },
        { "unless allowed", "a<|x|>a", U2581 "|a|<|x|>|" U2581 "|a", false, true },
};

static const struct row joined[] = {
        { "runs of spaces are one, those at the ends go", "  a   b ", U2581 "|a|" U2581 "|b", false, false },
        { "spaces alone", "   ", "", false, false },
        { "nothing comes of them", "B", "", false, false },
        { "nor of nothing between them", "a B a", U2581 "|a|" U2581 "|a", false, false },
        { "around user-defined tokens, too", "a  <A>   a", U2581 "|a|" U2581 "|<A>|" U2581 "|a", false, false },
        { "a mark that is written out is no space", "a " U2581 " a", U2581 "|a|" U2581 "|" U2581 "|" U2581 "|a", false, false },
        { "but for the end", "a" U2581, U2581 "|a", false, false },
};

static const struct row bare[] = {
        { "no space is added", "a a", "a|" U2581 "|a", false, false },
        { "and those in front go", "  a", "a", false, false },
};

static void test_spelling(void **state) {
        (void) state;
        static const char *const models[] = { "llama", "t5" };
        for (size_t i = 0; i < 2; i++) {
                struct tiny_vocab v;
                begin_spellings(&v, models[i], 0);
                tiny_vocab_open_whole(&v);
                check_rows(&v, spelt, COUNT(spelt));
                tiny_vocab_done(&v);
                begin_spellings(&v, models[i], 0);
                gguf_write_bool(&v.file, "tokenizer.ggml.remove_extra_whitespaces", true);
                tiny_vocab_open_whole(&v);
                check_rows(&v, joined, COUNT(joined));
                char *text;
                size_t length;
                assert_int_equal(tokenizer_decode(v.tokenizer, (const int32_t[]){ 1, 3, 3, 4, 3, 5 }, 6, false, &text, &length),
                                 0);
                assert_string_equal(text, "a b");
                free(text);
                tiny_vocab_done(&v);
                begin_spellings(&v, models[i], 0);
                gguf_write_bool(&v.file, "tokenizer.ggml.remove_extra_whitespaces", true);
                gguf_write_bool(&v.file, "tokenizer.ggml.add_space_prefix", false);
                tiny_vocab_open_whole(&v);
                check_rows(&v, bare, COUNT(bare));
                tiny_vocab_done(&v);
        }
}

static void test_damaged_charsmap(void **state) {
        (void) state;
        struct gguf_error error;
        struct tiny_vocab v;
        begin_spellings(&v, "t5", 4);
        gguf_write_end(&v.file);
        assert_int_equal(tiny_vocab_open(&v, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "'tokenizer.ggml.precompiled_charsmap' says that it is longer"));
        tiny_vocab_done(&v);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sentencepiece),
                cmocka_unit_test(test_spelling),
                cmocka_unit_test(test_damaged_charsmap),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
