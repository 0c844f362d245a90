/*
 * test_tokenizer.c - special tokens within a text, tokens back to text, round trips of anything, and time that does not grow
 * with the square of the text.
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
#include "engine/unicode/utf8_stream.h"
#include "tests/unit/engine/tokenizer/tokenizer_rows.h"

#define ROUND_TRIPS 16000

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

/* Where there are tokens that end an answer of several messages, the end of one of them is not the answer's. */
static void test_the_end_of_a_message(void **state) {
        (void) state;
        static const struct tiny_token tokens[] = { { "a", TOKEN_NORMAL, 0 },
                                                    { "<|end|>", TOKEN_CONTROL, 0 },
                                                    { "<|call|>", TOKEN_CONTROL, 0 },
                                                    { "<|return|>", TOKEN_CONTROL, 0 } };
        for (uint32_t count = 3; count <= 4; count++) {
                struct tiny_vocab v;
                tiny_vocab_begin(&v, "gpt2");
                gguf_write_string(&v.file, "tokenizer.ggml.pre", "gpt-2");
                tiny_write_list(&v.file, tokens, count, false);
                tiny_write_texts(&v.file, "tokenizer.ggml.merges", (const char *const[]){ "x y" }, 1);
                tiny_vocab_open_whole(&v);
                assert_int_equal(tokenizer_is_end(v.tokenizer, 1), count == 3);
                assert_int_equal(tokenizer_is_end(v.tokenizer, 2), count == 4);
                tiny_vocab_done(&v);
        }
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

/* Random characters, or bytes without any sense. U+2581 itself is left out: SentencePiece cannot tell it from a space. */
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

/* A random answer as a client sees it, token by token through a stream: whole characters, and all of them. */
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
                cmocka_unit_test(test_takers),
                cmocka_unit_test(test_facts),
                cmocka_unit_test(test_the_end_of_a_message),
                cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_round_trips),
                cmocka_unit_test(test_streamed_answers),
                cmocka_unit_test(test_time_of_long_texts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
