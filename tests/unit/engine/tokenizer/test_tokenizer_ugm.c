/*
 * test_tokenizer_ugm.c - unigram vocabularies, small enough to add up by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "tests/unit/engine/tokenizer/tokenizer_rows.h"

static const struct tiny_token unigrams[] = {
        { "<pad>", TOKEN_CONTROL, 0 },     { "</s>", TOKEN_CONTROL, 0 },         { "<unk>", TOKEN_UNKNOWN, 0 },
        { U2581, TOKEN_NORMAL, -3 },       { U2581 "he", TOKEN_NORMAL, -4 },     { "llo", TOKEN_NORMAL, -4 },
        { U2581 "hel", TOKEN_NORMAL, -2 }, { "lo", TOKEN_NORMAL, -5 },           { "a", TOKEN_NORMAL, -6 },
        { "aa", TOKEN_NORMAL, -11 },       { "aaa", TOKEN_NORMAL, -19 },         { "<tool>", TOKEN_USER_DEFINED, 0 },
        { "l", TOKEN_NORMAL, -6 },         { "\xef\xbf\xbd", TOKEN_NORMAL, -9 },
};

/* BYTES: the 256 byte tokens stand before TOKENS. */
static void begin_unigrams(struct tiny_vocab *v, const struct tiny_token tokens[], uint32_t count, bool bytes) {
        uint32_t before = bytes ? TINY_BYTES : 0;
        tiny_vocab_begin(v, "t5");
        tiny_write_list(&v->file, tokens, count, bytes);
        gguf_write_array(&v->file, "tokenizer.ggml.scores", GGUF_F32, before + count);
        for (uint32_t i = 0; i < before + count; i++)
                gguf_write_float(&v->file, i < before ? 0 : tokens[i - before].score);
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
        begin_unigrams(&v, unigrams, COUNT(unigrams), false);
        tiny_vocab_open_whole(&v);
        check_rows(&v, rows, COUNT(rows));
        char *text;
        size_t length;
        assert_int_equal(tokenizer_decode(v.tokenizer, (const int32_t[]){ 6, 7, 3, 8, 1 }, 5, false, &text, &length), 0);
        assert_string_equal(text, "hello a");
        free(text);
        tiny_vocab_done(&v);
}

/* As XLM-R has them: <s> a </s></s> b </s>. */
static void test_pairs(void **state) {
        (void) state;
        for (unsigned separates = 0; separates < 2; separates++) {
                struct tiny_vocab v;
                begin_unigrams(&v, unigrams, COUNT(unigrams), false);
                gguf_write_u32(&v.file, "tokenizer.ggml.bos_token_id", 0);
                gguf_write_u32(&v.file, "tokenizer.ggml.seperator_token_id", 1);
                gguf_write_bool(&v.file, "tokenizer.ggml.add_bos_token", true);
                if (!separates)
                        gguf_write_bool(&v.file, "tokenizer.ggml.add_sep_token", false);
                tiny_vocab_open_whole(&v);
                check_pair(&v, "hello", "a</s>",
                           separates ? "<pad>|" U2581 "hel|lo|</s>|</s>|" U2581 "|a|<unk>|</s>"
                                     : "<pad>|" U2581 "hel|lo|</s>|" U2581 "|a|<unk>|</s>",
                           separates ? 5 : 4);
                tiny_vocab_done(&v);
        }
}

/* With "cd" user-defined, "bcd" must be worth more than "b" and -0.1. */
static void test_user_defined_scores(void **state) {
        (void) state;
        for (int likely = 0; likely < 2; likely++) {
                const struct tiny_token tokens[] = {
                        { "<pad>", TOKEN_CONTROL, 0 }, { "</s>", TOKEN_CONTROL, 0 },
                        { "<unk>", TOKEN_UNKNOWN, 0 }, { U2581, TOKEN_NORMAL, -3 },
                        { "b", TOKEN_NORMAL, -4 },     { "c", TOKEN_NORMAL, -4 },
                        { "d", TOKEN_NORMAL, -4 },     { "cd", TOKEN_USER_DEFINED, -7 },
                        { "bb", TOKEN_UNUSED, -0.5f }, { "bcd", TOKEN_NORMAL, likely ? -4.09f : -4.11f },
                };
                const struct row rows[] = {
                        { "a user-defined token is nearly free", "bcd", likely ? U2581 "|bcd" : U2581 "|b|cd", false, false },
                        { "and worth more than its parts", "cdc", U2581 "|cd|c", false, false },
                        { "an unused one is not used", "bb", U2581 "|b|b", false, false },
                };
                struct tiny_vocab v;
                begin_unigrams(&v, tokens, COUNT(tokens), false);
                tiny_vocab_open_whole(&v);
                check_rows(&v, rows, COUNT(rows));
                tiny_vocab_done(&v);
        }
}

static void test_bytes(void **state) {
        (void) state;
        static const struct row rows[] = {
                { "an unknown character is bytes", "x\xc3\xa9l", U2581 "|<0x78>|<0xC3>|<0xA9>|l", false, false },
                { "and so is what is no character", "a\xff", U2581 "|a|<0xFF>", false, false },
        };
        struct tiny_vocab v;
        begin_unigrams(&v, unigrams, COUNT(unigrams), true);
        tiny_vocab_open_whole(&v);
        check_rows(&v, rows, COUNT(rows));
        size_t length;
        char *back = there_and_back(v.tokenizer, "hello \xff\xc3\xa9", 9, false, &length);
        assert_int_equal(length, 9);
        assert_memory_equal(back, "hello \xff\xc3\xa9", 9);
        free(back);
        tiny_vocab_done(&v);
}

/* A square of a MiB would take hours. */
static void test_time_of_long_texts(void **state) {
        (void) state;
        static const char *const patterns[] = { "a", " ", "hello ", "\xff", "x", "<tool>", "<tool", U2581 };
        const size_t length = 1 << 20;
        char *text = malloc(length);
        for (size_t p = 0; p < COUNT(patterns); p++) {
                struct tiny_vocab v;
                struct token_list list = { 0 };
                begin_unigrams(&v, unigrams, COUNT(unigrams), p % 2);
                tiny_vocab_open_whole(&v);
                for (size_t i = 0; i < length; i++)
                        text[i] = patterns[p][i % strlen(patterns[p])];
                time_t started = time(NULL);
                assert_int_equal(tokenizer_encode(v.tokenizer, text, length, false, false, &list), 0);
                assert_true(time(NULL) - started < 30);
                token_list_done(&list);
                tiny_vocab_done(&v);
        }
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unigram),
                cmocka_unit_test(test_pairs),
                cmocka_unit_test(test_user_defined_scores),
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_time_of_long_texts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
