/*
 * test_tokenizer_wpm.c - WordPiece vocabularies, small enough to read by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/wpm.h"
#include "tests/unit/engine/tokenizer/tokenizer_rows.h"

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
                { "even such as end a line elsewhere", "hel\vlo\f", U2581 "hello", false, false },
                { "and so are invalid bytes", "hel\xfflo\xe4", U2581 "hello", false, false },
                { "special tokens are text", "[MASK]", "[UNK]|[UNK]|[UNK]", false, false },
                { "unless allowed", "hello[MASK]s", "[CLS]|" U2581 "hello|[MASK]|" U2581 "s|[SEP]", true, true },
        };
        struct tiny_vocab v;
        open_wordpieces(&v, wordpieces, COUNT(wordpieces), NULL);
        check_rows(&v, rows, COUNT(rows));
        check_pair(&v, "hello", "[SEP] s", "[CLS]|" U2581 "hello|[SEP]|[UNK]|[UNK]|[UNK]|" U2581 "s|[SEP]", 3);
        check_pair(&v, "", "", "[CLS]|[SEP]|[SEP]", 2);
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

/* Words of more than a hundred characters are unknown, however they would come out. */
static void test_long_words(void **state) {
        (void) state;
        static const struct tiny_token tokens[] = {
                { "[PAD]", TOKEN_CONTROL, 0 }, { "[UNK]", TOKEN_UNKNOWN, 0 },  { "[CLS]", TOKEN_CONTROL, 0 },
                { "[SEP]", TOKEN_CONTROL, 0 }, { U2581 "e", TOKEN_NORMAL, 0 }, { "e", TOKEN_NORMAL, 0 },
        };
        struct tiny_vocab v;
        open_wordpieces(&v, tokens, COUNT(tokens), NULL);
        for (size_t length = 99; length <= 102; length++) {
                char text[256];
                struct token_list list = { 0 };
                for (size_t i = 0; i < length; i++)
                        memcpy(text + 2 * i, "\xc3\xa9", 2);
                assert_int_equal(tokenizer_encode(v.tokenizer, text, 2 * length, false, false, &list), 0);
                assert_int_equal(list.count, length <= 100 ? length : 1);
                assert_int_equal(list.ids[0], length <= 100 ? 4 : 1);
                token_list_done(&list);
        }
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
                { " do n't ca n ' t", " don't can't" },
                { "  .", " ." },
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
                char text[64];
                strcpy(text, rows[i][0]);
                text[wpm_clean(text, strlen(text))] = '\0';
                assert_string_equal(text, rows[i][1]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wordpiece),
                cmocka_unit_test(test_wordpiece_as_it_was),
                cmocka_unit_test(test_long_words),
                cmocka_unit_test(test_clean_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
