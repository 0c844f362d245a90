/*
 * test_pretokenize.c - the words that each pre-tokenizer cuts, on texts small enough to check by hand against its
 * regular expression; that no byte is lost, whatever the text; and that time does not grow with the square of it.
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

#include "engine/pretokenizer/pretokenize.h"
#include "engine/unicode/unicode.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXTS        4000 /* random ones, per way of cutting */

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (seed >> 33) % limit;
}

static const struct pretokenizer *named(const char *name) {
        const struct pretokenizer *pre = pretokenizer_find((struct gguf_string){ name, strlen(name) });
        if (!pre)
                fail_msg("no pre-tokenizer is called %s", name);
        return pre;
}

/* ---- by hand ---- */

struct row {
        const char *name, *words; /* "|" stands between them, and is no part of the text */
};

static const struct row rows[] = {
        { "gpt-2", "I|'m| sure| they|'ll| DON|'|T" },
        { "gpt-2", " | two|  | ," },
        { "gpt-2", "a| 12345|,|6|th" },
        { "gpt-2", "x| | y" },
        { "gpt-2", "x|\n|\n|y" },
        { "gpt-2", "x|\n\n" },
        { "gpt-2", "tab|\t|s" },
        { "gpt-2", "été| 你好|!!" },
        { "gpt-2", "\xff\xff|a" },
        { "gpt-2", "ह|ि|न" }, /* a vowel sign is no letter */
        { "gpt-2", "½|kg" },
        { "gpt-2", "a|\u00a0|b" },
        { "llama-bpe", "I|'m| sure| they|'LL| DON|'T" },
        { "llama-bpe", "123|456|7| |89" },
        { "llama-bpe", "!!\n\n|a" },
        { "llama-bpe", "(a|)" },
        { "llama-bpe", "x| \n\n| y" },
        { "llama-bpe", "tab|\ts" },
        { "llama-bpe", "\xff"
                       "a" },
        { "llama-bpe", " ?!\r\n|x" },
        { "llama-bpe", "\r\n|x" },
        { "llama-bpe", "a|\u00a0b" },
        { "llama-bpe", "x|   |\ty" },
        { "llama-bpe", "'|1" },
        { "llama-bpe", "''|a" },
        { "llama-bpe", "a|   " },
        { "qwen2", "1|2|3| |4" },
        { "qwen2", "a|'s|b" },
        { "qwen2", " hello|\n \n|  | x" },
        { "qwen2", "ह|िन" },
        { "qwen35", "हिन| है|!" },
        { "qwen35", "1|2" },
        { "default", "Hello| world|!!|123|4" },
        { "default", "a| |12" },
        { "default", "`| `|=" },
        { "falcon", "a|`| b" },
        { "falcon", "123|45" },
        { "falcon", "a| |123|4" },
        { "falcon", "it|'|s" }, /* the apostrophe is cut off before */
        { "starcoder", "ab|1|2| |3" },
        { "starcoder", " x|1|'s" },
        { "deepseek-llm", "Hi| there|\n|x| |12" },
        { "deepseek-llm", "a|  " },
        { "deepseek-llm", "x| | y" },
        { "deepseek-llm", "你好|ab| !?" },
        { "deepseek-llm", "é|t|é| ete" },
        { "deepseek-coder", "x| | y|!|1| |2|\n" },
        { "deepseek-coder", "a| ,|b" },
        { "deepseek-v3", "a|123|45| b" },
        { "deepseek-v3", "(hello|)| x" },
        { "deepseek-v3", "日本|x" },
        { "deepseek-v3", "हिन" },
        { "deepseek-v3", "\t\n|x" },
        { "jais-2", "a|    | b" },
        { "jais-2", "a|  | b" },
        { "jais-2", "a|  " },
        { "minicpm5", "123|456|7| a" },
        { "k2-horizon", "می\u200cخ| |12" },
        { "laguna", "a|!|\n\n|b| c" },
        { "bailingmoe", "a|'S| b| \n\n|y" },
        { "bailingmoe", "1|2" },
        { "seed-coder", "a|!!|\n|b" },
        { "exaone-moe", "hello world| |1" },
        { "exaone-moe", "a| | b" },
        { "exaone-moe", "!\n|\n|x" },
        { "exaone-moe", " a b c|?" },
        { "tekken", "Hello|World" },
        { "tekken", "HELLOworld" },
        { "tekken", "HELLO| foo|Bar|1|2" },
        { "tekken", "a|/b| !/\n|y" },
        { "tekken", "I|'m" },
        { "tekken", "ÄÖé|Ä" },
        { "gpt-4o", "Hello|World's| don'T" },
        { "gpt-4o", "123|45" },
        { "gpt-4o", "abc你好def" },
        { "youtu", "한국어|abc" },
        { "youtu", "你好|，|世界" },
        { "youtu", "1|2" },
        { "kimi-k2", "abc|你好|def" },
        { "kimi-k2", "中|Hello|World's|123|4" },
        { "superbpe", "the cat |1|234|567| x" },
        { "tiny_aya", "1|234|567| x" },
        { "tiny_aya", "123|4|x" },
        { "tiny_aya", " |1|234|,|567" },
        { "afmoe", "a|1|234|b" },
        { "afmoe", "ab|ไ|ทย" },
        { "bloom", " hello|,| world" },
        { "bloom", "a|...|b" },
        { "viking", "ab|1|2|,| c" },
        { "chameleon", "a|<|sentinel|:|1|2|>|b" },
        { "chameleon", "x|IMGIMGABZ|y" },
        { "chameleon", "a|    |b|\t|c|  |d" },
        { "gemma4", "a b|\n\n|c" },
        { "whitespace", "a|  |bc" },
};

static void check_row(const struct row *row) {
        const struct pretokenizer *pre = named(row->name);
        char text[256] = "", cut[256] = "";
        struct cutter c;
        size_t start, length;
        for (const char *at = row->words; *at; at++)
                if (*at != '|')
                        strncat(text, at, 1);
        cut_begin(&c, pre->stages, pretokenizer_stages_count(pre), text, strlen(text));
        while (cut_next(&c, &start, &length)) {
                strcat(cut, start ? "|" : "");
                strncat(cut, text + start, length);
        }
        if (strcmp(cut, row->words))
                fail_msg("%s cut '%s', not '%s'", row->name, cut, row->words);
}

static void test_words(void **state) {
        (void) state;
        for (size_t i = 0; i < COUNT(rows); i++)
                check_row(&rows[i]);
}

/* ---- the table ---- */

static bool has_row(const struct cut_stage *stages) {
        for (size_t i = 0; i < COUNT(rows); i++)
                if (named(rows[i].name)->stages == stages)
                        return true;
        return false;
}

static void test_table(void **state) {
        (void) state;
        size_t count = 0;
        for (const struct pretokenizer *p; (p = pretokenizer_at(count)); count++) {
                assert_ptr_equal(named(p->name), p); /* no name twice */
                if (!has_row(p->stages))
                        fail_msg("the way of '%s' has no row in this test", p->name);
        }
        assert_true(count > 80);
        assert_null(pretokenizer_find((struct gguf_string){ "gpt", 3 }));
        assert_null(pretokenizer_find((struct gguf_string){ "", 0 }));
        assert_true(named("llama-bpe")->adds_bos && named("llama-bpe")->whole_words_first);
        assert_false(named("qwen2")->adds_bos || named("qwen2")->whole_words_first);
}

/* ---- any text ---- */

static size_t random_text(char *text, size_t room) {
        static const char *const parts[] = { "a",   "B",      " ",        "  ",     "\n",      "\r\n", "\t",         "1",
                                             "234", "'",      "'s",       "'LL",    "!",       "/",    "_",          "$",
                                             "é",   "ß",      "你",       "の",     "한",      "ไ",    "ि",          "\u0301",
                                             "½",   "\u00a0", "\u2028",   "\u200d", "😀",       "，",   "<sentinel:", "IMGIMG",
                                             "Z",   "\xff",   "\xe4\xbd", "\x80",   "\xf0\x9f" };
        size_t length = 0, wanted = random_below((uint32_t) room - 16);
        while (length < wanted) {
                const char *part = parts[random_below(COUNT(parts))];
                memcpy(text + length, part, strlen(part));
                length += strlen(part);
        }
        return length;
}

static void check_nothing_is_lost(const struct pretokenizer *pre, const char *text, size_t length) {
        struct cutter c;
        size_t start, count, at = 0;
        cut_begin(&c, pre->stages, pretokenizer_stages_count(pre), text, length);
        while (cut_next(&c, &start, &count)) {
                assert_int_equal(start, at);
                assert_true(count > 0 && count <= length - at);
                at += count;
        }
        assert_int_equal(at, length);
}

static bool is_first_of_its_kind(size_t i) {
        for (size_t k = 0; k < i; k++)
                if (pretokenizer_at(k)->stages == pretokenizer_at(i)->stages)
                        return false;
        return true;
}

static void test_nothing_is_lost(void **state) {
        (void) state;
        for (size_t i = 0; pretokenizer_at(i); i++)
                for (int round = 0; round < TEXTS && is_first_of_its_kind(i); round++) {
                        char text[96];
                        size_t length = random_text(text, sizeof(text));
                        char *exact = malloc(length + 1); /* where a sanitizer sees a byte too far */
                        memcpy(exact, text, length);
                        check_nothing_is_lost(pretokenizer_at(i), exact, length);
                        free(exact);
                }
}

/* ---- time ---- */

static double seconds(void) {
        struct timespec now;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static void test_time_is_linear(void **state) {
        (void) state;
        static const char *const patterns[] = { " ",    "a",      "A",  "Aa", "1",      "\n",     " \n",         "'", "!",
                                                "\xff", "\u0301", "你", "a ", "\u2028", "IMGIMG", "<sentinel:1", "_1" };
        static const char *const ends[] = { "", "x", "你", "1", "\n" };
        const size_t length = 128 << 10;
        char *text = malloc(length + 8);
        double worst = 0;
        for (size_t i = 0; pretokenizer_at(i); i++)
                for (size_t p = 0; p < COUNT(patterns) * COUNT(ends) && is_first_of_its_kind(i); p++) {
                        const char *pattern = patterns[p / COUNT(ends)], *end = ends[p % COUNT(ends)];
                        for (size_t at = 0; at < length; at++)
                                text[at] = pattern[at % strlen(pattern)];
                        memcpy(text + length, end, strlen(end));
                        double started = seconds();
                        check_nothing_is_lost(pretokenizer_at(i), text, length + strlen(end));
                        double took = seconds() - started;
                        if (took > 2) /* a square takes minutes */
                                fail_msg("%s needs %.1f s for 128 KiB of \"%s\"", pretokenizer_at(i)->name, took, pattern);
                        worst = took > worst ? took : worst;
                }
        print_message("the slowest 128 KiB took %.1f ms\n", worst * 1e3);
        free(text);
}

/* ---- Unicode ---- */

static void test_unicode(void **state) {
        (void) state;
        static const struct {
                uint32_t codepoint, properties, lower;
        } facts[] = {
                { 'A', UNICODE_LU, 'a' },
                { 'z', UNICODE_LL, 'z' },
                { '5', UNICODE_ND, '5' },
                { '_', UNICODE_PC, '_' },
                { '$', UNICODE_SC, '$' },
                { ' ', UNICODE_ZS | UNICODE_WHITE, ' ' },
                { '\n', UNICODE_CC | UNICODE_WHITE, '\n' },
                { 0x1f, UNICODE_CC, 0x1f },
                { 0x85, UNICODE_CC | UNICODE_WHITE, 0x85 },
                { 0xc4, UNICODE_LU, 0xe4 },
                { 0x130, UNICODE_LU, 'i' },
                { 0x1c5, UNICODE_LT, 0x1c6 },
                { 0x100, UNICODE_LU, 0x101 },
                { 0x101, UNICODE_LL, 0x101 },
                { 0x301, UNICODE_MN, 0x301 },
                { 0x93e, UNICODE_MC, 0x93e },
                { 0x2028, UNICODE_ZL | UNICODE_WHITE, 0x2028 },
                { 0x4e00, UNICODE_LO, 0x4e00 },
                { 0x10400, UNICODE_LU, 0x10428 },
                { 0x1f600, UNICODE_SO, 0x1f600 },
                { 0x10ffff, UNICODE_CN, 0x10ffff },
                { UNICODE_INVALID, UNICODE_CN, UNICODE_INVALID },
        };
        for (size_t i = 0; i < COUNT(facts); i++) {
                assert_int_equal(unicode_properties(facts[i].codepoint), facts[i].properties);
                assert_int_equal(unicode_lower(facts[i].codepoint), facts[i].lower);
        }
        uint32_t parts[UNICODE_DECOMPOSED_MAX];
        assert_int_equal(unicode_decompose('a', parts), 1);
        assert_int_equal(parts[0], 'a');
        assert_int_equal(unicode_decompose(0x1f82, parts), 4);
        assert_int_equal(parts[0], 0x3b1);
        assert_int_equal(unicode_decompose(0xd55c, parts), 3); /* 한 */
        assert_int_equal(parts[2], 0x11ab);
        assert_int_equal(unicode_decompose(0xac00, parts), 2);
}

static void test_characters_backwards(void **state) {
        (void) state;
        for (int round = 0; round < TEXTS; round++) {
                char text[96];
                size_t length = random_text(text, sizeof(text)), ends[96], count = 0;
                for (size_t at = 0; at < length; ends[count++] = at)
                        at += unicode_char_at(text + at, length - at).length;
                while (count-- > 0) {
                        assert_int_equal(ends[count], length);
                        length -= unicode_last_length(text, length);
                }
                assert_int_equal(length, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),           cmocka_unit_test(test_table),
                cmocka_unit_test(test_nothing_is_lost), cmocka_unit_test(test_time_is_linear),
                cmocka_unit_test(test_unicode),         cmocka_unit_test(test_characters_backwards),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
