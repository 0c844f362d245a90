/*
 * test_tokenizer.c - each family on vocabularies small enough to check by hand, special tokens, damaged vocabularies,
 * round trips of anything, and time that does not grow with the square of the text.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/pretokenize.h"
#include "engine/tokenizer/wpm.h"
#include "tests/tiny_vocab.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROUND_TRIPS  16000
#define MUTATIONS    3000

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (seed >> 33) % limit;
}

struct row {
        const char *what, *text, *tokens;
        bool add_special, parse_special;
};

static void check_rows(const struct tiny_vocab *v, const struct row *rows, size_t count) {
        for (size_t i = 0; i < count; i++) {
                struct token_list list = { 0 };
                assert_int_equal(tokenizer_encode(v->tokenizer, rows[i].text, strlen(rows[i].text), rows[i].add_special,
                                                  rows[i].parse_special, &list),
                                 0);
                char *shown = tiny_shown(v, &list, 0);
                if (strcmp(shown, rows[i].tokens))
                        fail_msg("%s: '%s' became %s, not %s", rows[i].what, rows[i].text, shown, rows[i].tokens);
                free(shown);
                token_list_done(&list);
        }
}

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

/* ---- WordPiece ---- */

static const struct tiny_token wordpieces[] = {
        { "[PAD]", TOKEN_CONTROL, 0 },
        { "[UNK]", TOKEN_UNKNOWN, 0 },
        { "[CLS]", TOKEN_CONTROL, 0 },
        { "[SEP]", TOKEN_CONTROL, 0 },
        { "[MASK]", TOKEN_CONTROL, 0 },
        { U2581 "hello", TOKEN_NORMAL, 0 },
        { U2581 "un", TOKEN_NORMAL, 0 },
        { "want", TOKEN_NORMAL, 0 },
        { "ed", TOKEN_NORMAL, 0 },
        { U2581 "cafe", TOKEN_NORMAL, 0 },
        { U2581 "!", TOKEN_NORMAL, 0 },
        { U2581 "'", TOKEN_NORMAL, 0 },
        { U2581 "s", TOKEN_NORMAL, 0 },
        { U2581 "$", TOKEN_NORMAL, 0 },
        { U2581 "\xe4\xbd\xa0", TOKEN_NORMAL, 0 },
        { U2581 "unw", TOKEN_NORMAL, 0 },
        { U2581, TOKEN_NORMAL, 0 },
        { "\xe2\x82\xac", TOKEN_NORMAL, 0 },
        { U2581 "\xe1\x84\x80", TOKEN_NORMAL, 0 },
        { "\xe1\x85\xa1", TOKEN_NORMAL, 0 },
};

static void open_wordpieces(struct tiny_vocab *v, const struct tiny_token tokens[], uint32_t count, const char *off) {
        tiny_vocab_begin(v, "bert");
        tiny_write_list(&v->file, tokens, count, false);
        gguf_write_u32(&v->file, "tokenizer.ggml.bos_token_id", 2);
        gguf_write_u32(&v->file, "tokenizer.ggml.seperator_token_id", 3);
        gguf_write_u32(&v->file, "tokenizer.ggml.unknown_token_id", 1);
        if (off)
                gguf_write_bool(&v->file, off, false);
        tiny_vocab_open_whole(v);
}

static void test_wordpiece(void **state) {
        (void) state;
        static const struct row rows[] = {
                { "nothing", " \n ", "", false, false },
                { "nothing, between its ends", "", "[CLS]|[SEP]", true, false },
                { "words in any case", " Hello\n\tHELLO ", U2581 "hello|" U2581 "hello", false, false },
                { "the longest first", "unwanted", "[UNK]", false, false }, /* unw, and then nothing begins with "a" */
                { "pieces of a word", "uned", U2581 "un|ed", false, false },
                { "a word that does not come out even", "unedx hello", "[UNK]|" U2581 "hello", false, false },
                { "accents", "Caf\xc3\xa9 cafe\xcc\x81", U2581 "cafe|" U2581 "cafe", false, false },
                { "syllables are taken apart", "\xea\xb0\x80", U2581 "\xe1\x84\x80|\xe1\x85\xa1", false, false },
                { "punctuation stands alone", "hello!'s", U2581 "hello|" U2581 "!|" U2581 "'|" U2581 "s", false, false },
                { "symbols of ASCII, too", "hello$s", U2581 "hello|" U2581 "$|" U2581 "s", false, false },
                { "others do not", "uned\xe2\x82\xac", U2581 "un|ed|\xe2\x82\xac", false, false },
                { "ideographs stand alone", "\xe4\xbd\xa0\xe4\xbd\xa0s", U2581 "\xe4\xbd\xa0|" U2581 "\xe4\xbd\xa0|" U2581 "s",
                  false, false },
                { "control characters are dropped", "he\x01l\xc2\xadlo", U2581 "hello", false, false },
                { "and so are invalid bytes", "hel\xfflo\xe4", U2581 "hello", false, false },
                { "special tokens are text", "[MASK]", "[UNK]|[UNK]|[UNK]", false, false },
                { "unless allowed", "hello[MASK]s", "[CLS]|" U2581 "hello|[MASK]|" U2581 "s|[SEP]", true, true },
        };
        struct tiny_vocab v;
        open_wordpieces(&v, wordpieces, COUNT(wordpieces), NULL);
        check_rows(&v, rows, COUNT(rows));
        assert_int_equal(tokenizer_longest(v.tokenizer), TOKENIZER_TEXT_BYTES_MAX); /* of white space */
        tiny_vocab_done(&v);

        static const struct row with_case[] = { { "case is kept where the file says", "HELLO hello", "[UNK]|" U2581 "hello",
                                                  false, false } };
        open_wordpieces(&v, wordpieces, COUNT(wordpieces), "tokenizer.ggml.normalizer.lowercase");
        check_rows(&v, with_case, 1);
        tiny_vocab_done(&v);
        static const struct row with_accents[] = { { "and accents", "caf\xc3\xa9 cafe", "[UNK]|" U2581 "cafe", false, false } };
        open_wordpieces(&v, wordpieces, COUNT(wordpieces), "tokenizer.ggml.normalizer.strip_accents");
        check_rows(&v, with_accents, 1);
        tiny_vocab_done(&v);
        static const struct row bare[] = { { "and there is no separator", "s", "[CLS]|" U2581 "s", true, false } };
        open_wordpieces(&v, wordpieces, COUNT(wordpieces), "tokenizer.ggml.add_sep_token");
        check_rows(&v, bare, 1);
        tiny_vocab_done(&v);
}

static void test_wordpiece_as_it_was(void **state) {
        (void) state;
        static const struct tiny_token tokens[] = {
                { "[PAD]", TOKEN_CONTROL, 0 }, { "[UNK]", TOKEN_UNKNOWN, 0 }, { "[CLS]", TOKEN_CONTROL, 0 },
                { "[SEP]", TOKEN_CONTROL, 0 }, { "un", TOKEN_NORMAL, 0 },     { "##want", TOKEN_NORMAL, 0 },
                { "##ed", TOKEN_NORMAL, 0 },   { "!", TOKEN_NORMAL, 0 },      { "want", TOKEN_NORMAL, 0 },
        };
        static const struct row rows[] = {
                { "continuations are marked", "unwanted!", "un|##want|##ed|!", false, false },
                { "beginnings are not", "want ed", "want|[UNK]", false, false },
        };
        struct tiny_vocab v;
        open_wordpieces(&v, tokens, COUNT(tokens), NULL);
        check_rows(&v, rows, COUNT(rows));
        char *text;
        size_t length;
        assert_int_equal(tokenizer_decode(v.tokenizer, (const int32_t[]){ 2, 4, 5, 6, 7, 3 }, 6, false, &text, &length), 0);
        assert_string_equal(text, " unwanted!");
        free(text);
        tiny_vocab_done(&v);
}

static void test_clean_text(void **state) {
        (void) state;
        static const char *const rows[][2] = {
                { "", "" },
                { " ", " " },
                { " hello world ! yes . no , why ?", " hello world! yes. no, why?" },
                { " i ' m sure", " i'm sure" },
                { " they 're 've 's 'm", " they're've's'm" },
                { " we 'll 't 'd", " we 'll 't 'd" },
                { " ' ", "'" },
                { "  .", " ." },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                char text[64];
                strcpy(text, rows[i][0]);
                text[wpm_clean(text, strlen(text))] = '\0';
                assert_string_equal(text, rows[i][1]);
        }
}

/* ---- unigram ---- */

static const struct tiny_token unigrams[] = {
        { "<pad>", TOKEN_CONTROL, 0 },     { "</s>", TOKEN_CONTROL, 0 },         { "<unk>", TOKEN_UNKNOWN, 0 },
        { U2581, TOKEN_NORMAL, -3 },       { U2581 "he", TOKEN_NORMAL, -4 },     { "llo", TOKEN_NORMAL, -4 },
        { U2581 "hel", TOKEN_NORMAL, -2 }, { "lo", TOKEN_NORMAL, -5 },           { "a", TOKEN_NORMAL, -6 },
        { "aa", TOKEN_NORMAL, -11 },       { "aaa", TOKEN_NORMAL, -19 },         { "<tool>", TOKEN_USER_DEFINED, 0 },
        { "l", TOKEN_NORMAL, -6 },         { "\xef\xbf\xbd", TOKEN_NORMAL, -9 },
};

/* What reads "A" as "a", and "B" as nothing: see charsmap.h. */
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

static void begin_unigrams(struct tiny_vocab *v) {
        tiny_vocab_begin(v, "t5");
        tiny_write_list(&v->file, unigrams, COUNT(unigrams), false);
        gguf_write_array(&v->file, "tokenizer.ggml.scores", GGUF_F32, COUNT(unigrams));
        for (uint32_t i = 0; i < COUNT(unigrams); i++)
                gguf_write_float(&v->file, unigrams[i].score);
}

static void test_unigram(void **state) {
        (void) state;
        static const struct row rows[] = {
                { "nothing", "", "", false, false },
                { "nothing, and its end", "", "</s>", true, false },
                { "the best sum", "hello", U2581 "hel|lo", false, false },       /* -7, not -8 */
                { "not the fewest tokens", "aaa", U2581 "|a|aa", false, false }, /* -17, not -19 */
                { "spaces", "hello  hello", U2581 "hel|lo|" U2581 "|" U2581 "hel|lo", false, false },
                { "an unknown character", "x", U2581 "|<unk>", false, false },
                { "several are one", "xyz\xc3\xa9 a", U2581 "|<unk>|" U2581 "|a", false, false },
                { "an invalid byte", "a\xff", U2581 "|a|\xef\xbf\xbd", false, false },
                { "user-defined tokens", "a<tool>a", U2581 "|a|<tool>|a", false, false },
                { "special tokens are text", "</s>", U2581 "|<unk>", false, false },
                { "unless allowed", "a</s>", U2581 "|a|</s>", false, true },
        };
        struct tiny_vocab v;
        begin_unigrams(&v);
        tiny_vocab_open_whole(&v);
        check_rows(&v, rows, COUNT(rows));
        char *text;
        size_t length;
        assert_int_equal(tokenizer_decode(v.tokenizer, (const int32_t[]){ 6, 7, 3, 8, 1 }, 5, false, &text, &length), 0);
        assert_string_equal(text, "hello a");
        free(text);
        tiny_vocab_done(&v);

        static const struct row mapped[] = {
                { "characters are replaced", "AaA", U2581 "|a|aa", false, false },
                { "even by nothing", "aBa", U2581 "|aa", false, false },
                { "or not, where the dictionary leads nowhere", "CD", U2581 "|<unk>", false, false },
                { "spaces are joined, and dropped at the end", "  A   a ", U2581 "|a|" U2581 "|a", false, false },
        };
        begin_unigrams(&v);
        write_charsmap(&v.file, 0);
        gguf_write_bool(&v.file, "tokenizer.ggml.remove_extra_whitespaces", true);
        tiny_vocab_open_whole(&v);
        check_rows(&v, mapped, COUNT(mapped));
        tiny_vocab_done(&v);

        struct gguf_error error;
        begin_unigrams(&v);
        write_charsmap(&v.file, 4);
        gguf_write_end(&v.file);
        assert_int_equal(tiny_vocab_open(&v, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "precompiled_charsmap"));
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

/* ---- tokens that take white space with them ---- */

static void test_takers(void **state) {
        (void) state;
        static const struct row phi3[] = {
                { "what follows a token is part of it", "<|im_start|> \n a<|im_end|>\n", "<|im_start|>|" U2581 "|a|<|im_end|>",
                  false, true },
                { "but not behind <s>", "<s> a", "<s>|" U2581 U2581 "|a", false, true },
                { "nor before a token", "a <tool>", U2581 "|a|" U2581 "|<tool>", false, true },
        };
        static const struct row other[] = { { "others take nothing", "<|im_start|> a", "<|im_start|>|" U2581 U2581 "|a", false,
                                              true } };
        static const char *const names[] = { "Phi-3 mini 4k", "my phi3", "Phi 4", NULL };
        for (size_t i = 0; i < COUNT(names); i++) {
                struct tiny_vocab v;
                tiny_vocab_begin(&v, "llama");
                if (names[i])
                        gguf_write_string(&v.file, "general.name", names[i]);
                tiny_write_tokens(&v.file, true);
                tiny_write_classes(&v.file, true);
                tiny_write_scores(&v.file);
                tiny_vocab_open_whole(&v);
                if (i < 2)
                        check_rows(&v, phi3, COUNT(phi3));
                else
                        check_rows(&v, other, COUNT(other));
                tiny_vocab_done(&v);
        }
        static const struct tiny_token tokens[] = { { "a", TOKEN_NORMAL, 0 },
                                                    { "\xc4\xa0", TOKEN_NORMAL, 0 },
                                                    { "<mask>", TOKEN_CONTROL, 0 } };
        static const char *const merges[] = { "x y" };
        static const struct row mask[] = { { "what stands before a mask is part of it", "a  <mask> a <mask>",
                                             "a|<mask>|\xc4\xa0|a|<mask>", false, true } };
        static const struct row no_mask[] = { { "elsewhere it is not", "a <mask>", "a|\xc4\xa0|<mask>", false, true } };
        for (size_t i = 0; i < 2; i++) {
                struct tiny_vocab v;
                tiny_vocab_begin(&v, "gpt2");
                gguf_write_string(&v.file, "tokenizer.ggml.pre", i ? "gpt-2" : "jina-v2-de");
                tiny_write_list(&v.file, tokens, COUNT(tokens), false);
                tiny_write_texts(&v.file, "tokenizer.ggml.merges", merges, 1);
                tiny_vocab_open_whole(&v);
                check_rows(&v, i ? no_mask : mask, 1);
                tiny_vocab_done(&v);
        }
}

/* ---- special tokens, spans, pieces ---- */

static void test_facts(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        assert_int_equal(tokenizer_vocab_count(v.tokenizer), tiny_count(true));
        assert_int_equal(tokenizer_bos(v.tokenizer), 1);
        assert_int_equal(tokenizer_eos(v.tokenizer), 2);
        assert_true(tokenizer_adds_bos(v.tokenizer));
        for (int32_t id = -2; id < (int32_t) tiny_count(true) + 2; id++)
                assert_int_equal(tokenizer_is_end(v.tokenizer, id),
                                 id == 2 || id == 4); /* </s> by default, <|im_end|> by its text */
        tiny_vocab_done(&v);

        tiny_vocab_bpe(&v, "llama-bpe");
        int32_t last = (int32_t) tiny_count(false) - 1;
        assert_int_equal(tokenizer_bos(v.tokenizer), TOKEN_NONE);
        assert_int_equal(tokenizer_eos(v.tokenizer), last);
        assert_false(tokenizer_adds_bos(v.tokenizer)); /* would, but there is none */
        assert_true(tokenizer_is_end(v.tokenizer, last));
        assert_true(tokenizer_is_end(v.tokenizer, last - 2));
        assert_false(tokenizer_is_end(v.tokenizer, last - 3));
        tiny_vocab_done(&v);
}

static void check_piece(const struct tiny_vocab *v, int32_t id, bool special, bool first, const char *text) {
        char piece[32] = "untouched";
        size_t length = tokenizer_piece(v->tokenizer, id, special, first, piece, sizeof(piece));
        assert_int_equal(length, strlen(text));
        assert_memory_equal(piece, text, length);
        memset(piece, '#', sizeof(piece));
        assert_int_equal(tokenizer_piece(v->tokenizer, id, special, first, piece, 1), strlen(text));
        assert_int_equal(piece[1], '#');
        assert_int_equal(tokenizer_piece(v->tokenizer, id, special, first, NULL, 0), strlen(text));
}

static void test_pieces(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        int32_t pieces = TINY_COUNT(tiny_spm_head) + TINY_BYTES;
        check_piece(&v, 1, false, false, "");
        check_piece(&v, 1, true, false, "<s>");
        check_piece(&v, 4, false, false, "");
        check_piece(&v, 5, false, false, "<tool>");
        check_piece(&v, (int32_t) TINY_COUNT(tiny_spm_head) + 0x41, false, true, "A");
        check_piece(&v, pieces + 12, false, false, " hello");
        check_piece(&v, pieces + 12, false, true, "hello");
        check_piece(&v, pieces + 16, false, true, " ");
        check_piece(&v, 9, true, true, "");
        check_piece(&v, -1, true, true, "");
        check_piece(&v, (int32_t) tiny_count(true), true, true, "");
        tiny_vocab_done(&v);
        tiny_vocab_bpe(&v, "gpt-2");
        check_piece(&v, 0xff, false, true, "\xff");
        check_piece(&v, TINY_BYTES + 5, false, true, " hello");
        check_piece(&v, TINY_BYTES + 9, false, true, "\xc3\xa9");
        check_piece(&v, (int32_t) tiny_count(false) - 2, false, true, "<tool>");
        tiny_vocab_done(&v);
}

static void test_spans(void **state) {
        (void) state;
        static const struct {
                const char *what, *text, *tokens;
                struct token_span spans[4];
        } rows[] = {
                { "content cannot name control tokens",
                  "<|im_start|>he<|im_start|>",
                  "<|im_start|>|" U2581 "he|<|<0x7C>|<0x69>|<0x6D>|<0x5F>|s|<0x74>|a|<0x72>|<0x74>|<0x7C>|>",
                  { { 14, TOKEN_NONE, true }, { 12, TOKEN_NONE, false } } },
                { "words grow across a border", "hello", U2581 "hello", { { 2, TOKEN_NONE, true }, { 3, TOKEN_NONE, false } } },
                { "control tokens do not, from markup to content",
                  "<s>",
                  U2581 "|<s|>",
                  { { 2, TOKEN_NONE, true }, { 1, TOKEN_NONE, false } } },
                { "nor from content to markup", "<s>", U2581 "|<s|>", { { 1, TOKEN_NONE, false }, { 2, TOKEN_NONE, true } } },
                { "user-defined ones do",
                  "<tool>",
                  U2581 "|<tool>",
                  { { 2, TOKEN_NONE, true }, { 2, TOKEN_NONE, false }, { 2, TOKEN_NONE, true } } },
                { "but for a token that stands between",
                  "<tool>",
                  U2581 "|<|</s>|" U2581 "|<0x74>|o|o|l|>",
                  { { 1, TOKEN_NONE, false }, { 0, 2, false }, { 5, TOKEN_NONE, false } } },
                { "tokens alone", "", "</s>|<s>", { { 0, 2, false }, { 0, 1, false } } },
        };
        struct tiny_vocab v;
        tiny_vocab_spm(&v);
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct token_list list = { 0 };
                size_t count = 0;
                while (count < 4 && (rows[i].spans[count].length || rows[i].spans[count].token))
                        count++;
                assert_int_equal(tokenizer_encode_spans(v.tokenizer, rows[i].text, rows[i].spans, count, &list), 0);
                char *shown = tiny_shown(&v, &list, 0);
                if (strcmp(shown, rows[i].tokens))
                        fail_msg("%s: %s, not %s", rows[i].what, shown, rows[i].tokens);
                free(shown);
                token_list_done(&list);
        }
        tiny_vocab_done(&v);
}

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

/* Encodes TEXT and writes out the pieces; the result is the caller's to free. */
static char *there_and_back(const struct tokenizer *t, const char *text, size_t length, bool parse_special, size_t *ret_length) {
        struct token_list list = { 0 };
        assert_int_equal(tokenizer_encode(t, text, length, false, parse_special, &list), 0);
        size_t room = list.count * 64 + 1, used = 0;
        char *back = malloc(room);
        for (size_t i = 0; i < list.count; i++) {
                used += tokenizer_piece(t, list.ids[i], true, i == 0, back + used, room - used);
                assert_true(used <= room);
        }
        token_list_done(&list);
        *ret_length = used;
        return back;
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

/* ---- round trips ---- */

static size_t put_utf8(char *out, uint32_t c) {
        if (c < 0x80)
                return (size_t) snprintf(out, 5, "%c", (char) c);
        if (c < 0x800)
                return (size_t) snprintf(out, 5, "%c%c", (char) (0xc0 | c >> 6), (char) (0x80 | (c & 0x3f)));
        if (c < 0x10000)
                return (size_t) snprintf(out, 5, "%c%c%c", (char) (0xe0 | c >> 12), (char) (0x80 | (c >> 6 & 0x3f)),
                                         (char) (0x80 | (c & 0x3f)));
        return (size_t) snprintf(out, 5, "%c%c%c%c", (char) (0xf0 | c >> 18), (char) (0x80 | (c >> 12 & 0x3f)),
                                 (char) (0x80 | (c >> 6 & 0x3f)), (char) (0x80 | (c & 0x3f)));
}

static uint32_t random_codepoint(void) {
        static const uint32_t limits[] = { 0x80, 0x80, 0x800, 0x10000, 0x110000 };
        static const char likely[] = "hello  aa\n\t'sT<|im_end|>0123456789!";
        if (random_below(2))
                return (uint32_t) likely[random_below(sizeof(likely) - 1)];
        uint32_t c = 1 + random_below(limits[random_below(COUNT(limits))] - 1);
        return (c >= 0xd800 && c < 0xe000) || c == 0x2581 ? 'x' : c;
}

/* Either characters, or bytes without any sense. U+2581 itself is left out: SentencePiece cannot tell it from a space. */
static size_t random_text(char *text, size_t room) {
        size_t length = 0, wanted = random_below((uint32_t) room - 5);
        bool bytes = random_below(2);
        while (length < wanted) {
                if (bytes && random_below(3) == 0)
                        text[length++] = (char) (0x80 + random_below(0x62)); /* below 0xe2 */
                else
                        length += put_utf8(text + length, random_codepoint());
        }
        return length;
}

/* HEADROOM_ROUND_TRIPS texts in all, 100000 for the long run. */
static long round_trips_wanted(void) {
        const char *wanted = getenv("HEADROOM_ROUND_TRIPS");
        return wanted ? strtol(wanted, NULL, 10) : ROUND_TRIPS;
}

static void check_round_trip(const struct tiny_vocab *v, const char *name) {
        char text[160];
        size_t length = random_text(text, sizeof(text)), got;
        char *back = there_and_back(v->tokenizer, text, length, false, &got);
        if (got != length || memcmp(back, text, length))
                fail_msg("%s: a text of %zu bytes came back as %zu others", name, length, got);
        free(back);
}

/* Over SentencePiece and every pre-tokenizer of vocabularies that spell bytes, all of which have all bytes here. */
static void test_round_trips(void **state) {
        (void) state;
        size_t kinds = 1;
        for (size_t i = 0; pretokenizer_at(i); i++)
                kinds += !pretokenizer_at(i)->plain;
        long each = round_trips_wanted() / (long) kinds + 1, done = 0;
        for (size_t i = 0; i == 0 || pretokenizer_at(i - 1); i++) {
                const struct pretokenizer *pre = i ? pretokenizer_at(i - 1) : NULL;
                struct tiny_vocab v;
                if (pre && pre->plain)
                        continue;
                if (pre)
                        tiny_vocab_bpe(&v, pre->name);
                else
                        tiny_vocab_spm(&v);
                for (long round = 0; round < each; round++, done++)
                        check_round_trip(&v, pre ? pre->name : "llama");
                tiny_vocab_done(&v);
        }
        print_message("%ld texts came back\n", done);
}

/* What a client sees of a random answer, token by token through a stream: whole characters, and all of them. */
static void test_streamed_answers(void **state) {
        (void) state;
        struct tiny_vocab v;
        tiny_vocab_bpe(&v, "gpt-2");
        for (int round = 0; round < ROUND_TRIPS; round++) {
                char text[160];
                size_t length = 0, seen = 0, wanted = random_below(100);
                while (length < wanted)
                        length += put_utf8(text + length, random_codepoint());
                struct token_list list = { 0 };
                struct utf8_stream stream = { 0 };
                assert_int_equal(tokenizer_encode(v.tokenizer, text, length, false, false, &list), 0);
                for (size_t i = 0; i < list.count; i++) {
                        char piece[64], out[UTF8_STREAM_ROOM(64)];
                        size_t count = tokenizer_piece(v.tokenizer, list.ids[i], false, i == 0, piece, sizeof(piece));
                        size_t got = utf8_stream_push(&stream, piece, count, out);
                        assert_true(seen + got <= length);
                        assert_memory_equal(out, text + seen, got);
                        seen += got;
                        assert_true(seen == length || (text[seen] & 0xc0) != 0x80); /* at the border of a character */
                }
                assert_int_equal(seen, length);
                token_list_done(&list);
        }
        tiny_vocab_done(&v);
}

/* ---- time ---- */

static double seconds(void) {
        struct timespec now;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static void test_time_of_long_texts(void **state) {
        (void) state;
        static const char *const patterns[] = { "a", " ", "hello ", "<", "ab", "\n", "'", "<|im_start|", "1", "\xff" };
        const size_t length = 1 << 20;
        char *text = malloc(length);
        for (int spm = 0; spm < 2; spm++) {
                struct tiny_vocab v;
                if (spm)
                        tiny_vocab_spm(&v);
                else
                        tiny_vocab_bpe(&v, "llama-bpe");
                for (size_t p = 0; p < COUNT(patterns); p++) {
                        struct token_list list = { 0 };
                        for (size_t i = 0; i < length; i++)
                                text[i] = patterns[p][i % strlen(patterns[p])];
                        double started = seconds();
                        assert_int_equal(tokenizer_encode(v.tokenizer, text, length, false, true, &list), 0);
                        double took = seconds() - started;
                        print_message("%s, 1 MiB of \"%s\": %zu tokens, %.0f ms\n", spm ? "SentencePiece" : "byte-level",
                                      patterns[p], list.count, took * 1e3);
                        assert_true(took < 30); /* a square would take hours */
                        token_list_done(&list);
                }
                tiny_vocab_done(&v);
        }
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sentencepiece),
                cmocka_unit_test(test_byte_level),
                cmocka_unit_test(test_wordpiece),
                cmocka_unit_test(test_wordpiece_as_it_was),
                cmocka_unit_test(test_clean_text),
                cmocka_unit_test(test_unigram),
                cmocka_unit_test(test_plain_bpe),
                cmocka_unit_test(test_words_by_white_space),
                cmocka_unit_test(test_takers),
                cmocka_unit_test(test_facts),
                cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_mutations),
                cmocka_unit_test(test_round_trips),
                cmocka_unit_test(test_streamed_answers),
                cmocka_unit_test(test_time_of_long_texts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
