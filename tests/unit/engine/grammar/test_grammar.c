/* test_grammar.c - GBNF: what is refused and why; which texts a grammar lets through; that hostile grammars cost what they may. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/matcher.h"
#include "policy/base/random.h"

/* ---- refused ---- */

/* clang-format off */
static const struct {
        const char *says, *grammar;
} refused[] = {
        { "no rule 'root'",            "" },
        { "no rule 'root'",            "start ::= \"a\"" },
        { "a rule must begin",         "::= \"a\"" },
        { "must stand ::=",            "root \"a\"" },
        { "must stand ::=",            "root : \"a\"" },
        { "'a' is used but not def",   "root ::= a" },
        { "'root' is defined twice",   "root ::= \"a\"\nroot ::= \"b\"" },
        { "line 2: a text has no clo", "root ::= a\na ::= \"b" },
        { "a class has no closing",    "root ::= [a-z" },
        { "a bracket is not closed",   "root ::= (\"a\"" },
        { "is missing",                "root ::= \"a\" )" },
        { "is missing",                "root ::= * \"a\"" },
        { "runs backwards",            "root ::= [z-a]" },
        { "an escape is not one of",   "root ::= \"\\q\"" },
        { "an escape is not one of",   "root ::= \"\\x1\"" },
        { "U+0000",                    "root ::= \"\\x00\"" },
        { "U+D800",                    "root ::= \"\\uD800\"" },
        { "U+110000",                  "root ::= [\\U00110000]" },
        { "not valid UTF-8",           "root ::= \"\xff\"" },
        { "not valid UTF-8",           "root ::= \xff" },
        { "a repetition is not one",   "root ::= \"a\"{2,1}" },
        { "a repetition is not one",   "root ::= \"a\"{,}" },
        { "a repetition is not one",   "root ::= \"a\"{1000001}" },
        { "too many repetitions",      "root ::= \"a\"*****" },
        { "tokens in a grammar",       "root ::= <think>" },
        { "rule 'root' begins with it", "root ::= root \"a\" | \"a\"" },
        { "begins with itself",        "root ::= a \"x\"\na ::= b?\nb ::= \"\" a" },
        { "begins with itself",        "root ::= (\"a\"? root)* \"b\"" },
        { "no finite text",            "root ::= \"a\" root" },
        { "no finite text",            "root ::= []" },
};

/* ---- let through ---- */

enum verdict { NOT, BEGUN, WHOLE };

static const struct {
        const char *what, *grammar, *text;
        enum verdict verdict;
} rows[] = {
        { "the empty text where it is one",      "root ::= \"\"",                         "",        WHOLE },
        { "the empty text where it is none",     "root ::= \"a\"",                        "",        BEGUN },
        { "a text",                              "root ::= \"abc\"",                      "abc",     WHOLE },
        { "a beginning",                         "root ::= \"abc\"",                      "ab",      BEGUN },
        { "too much",                            "root ::= \"abc\"",                      "abcd",    NOT },
        { "the second alternative",              "root ::= \"ab\" | \"ac\"",              "ac",      WHOLE },
        { "an alternative on the next line",     "root ::= \"ab\"\n  | \"ac\"",           "ac",      WHOLE },
        { "a sequence on the next line",         "root ::=\n  \"a\"\n  \"b\" # c\n  \"c\"\n", "abc",  WHOLE },
        { "an empty alternative",                "root ::= \"a\" ( | \"b\")",             "a",       WHOLE },
        { "a rule with an empty body",           "root ::= a \"b\"\na ::=\n",             "b",       WHOLE },
        { "escapes of a text",                   "root ::= \"\\n\\t\\\"\\\\\\x41\\u00fc\\U0001F600\"", "\n\t\"\\A\xc3\xbc\xf0\x9f\x98\x80", WHOLE },
        { "a class",                             "root ::= [a-cx]",                       "x",       WHOLE },
        { "outside of a class",                  "root ::= [a-cx]",                       "d",       NOT },
        { "an inverted class",                   "root ::= [^a-c]",                       "d",       WHOLE },
        { "an inverted class, beyond ASCII",     "root ::= [^a-c]",                       "\xe2\x82\xac", WHOLE },
        { "not in an inverted class",            "root ::= [^a-c]",                       "b",       NOT },
        { "a minus at the end of a class",       "root ::= [a-]+",                        "-a",      WHOLE },
        { "escapes of a class",                  "root ::= [\\]\\[\\^\\-]{4}",            "[]^-",    WHOLE },
        { "a range beyond ASCII",                "root ::= [\xc3\xa4-\xc3\xbc]",          "\xc3\xb6", WHOLE },
        { "half a character",                    "root ::= [\xc3\xa4-\xc3\xbc]",          "\xc3",    BEGUN },
        { "half of none in the class",           "root ::= [\xc3\xa4-\xc3\xbc]",          "\xe2",    NOT },
        { "two halves that make none of them",   "root ::= [\xc3\xa4-\xc3\xbc]",          "\xc3\x9f", NOT },
        { "any character",                       "root ::= .",                            "\xf0\x9f\x98\x80", WHOLE },
        { "a surrogate is no character",         "root ::= .*",                           "\xed\xa0\x80", NOT },
        { "beyond Unicode",                      "root ::= .*",                           "\xf4\x90\x80\x80", NOT },
        { "an overlong form",                    "root ::= .*",                           "\xc0\xaf", NOT },
        { "an overlong form of three bytes",     "root ::= .*",                           "\xe0\x80\x80", NOT },
        { "none of *",                           "root ::= \"a\"*",                       "",        WHOLE },
        { "many of *",                           "root ::= \"a\"* \"b\"",                 "aaaab",   WHOLE },
        { "none of +",                           "root ::= \"a\"+ \"b\"",                 "b",       NOT },
        { "two of ?",                            "root ::= \"a\"?",                       "aa",      NOT },
        { "too few of {2,3}",                    "root ::= \"a\"{2,3}",                   "a",       BEGUN },
        { "enough of {2,3}",                     "root ::= \"a\"{2,3}",                   "aaa",     WHOLE },
        { "too many of {2,3}",                   "root ::= \"a\"{2,3}",                   "aaaa",    NOT },
        { "exactly {3}",                         "root ::= \"ab\"{3}",                    "ababab",  WHOLE },
        { "{2,} goes on",                        "root ::= \"a\"{2,}",                    "aaaaa",   WHOLE },
        { "{,2} from none",                      "root ::= \"a\"{,2} \"b\"",              "b",       WHOLE },
        { "{0}",                                 "root ::= \"a\"{0} \"b\"",               "ab",      NOT },
        { "{m,n} of {m,n}",                      "root ::= (\"a\"{1,2} \"b\"){2,3}",      "abaabab", WHOLE },
        { "a repetition of what can be empty",   "root ::= (\"a\"? \"b\"?){3} \"c\"",     "bc",      WHOLE },
        { "its bound holds",                     "root ::= (\"a\"?){3} \"c\"",            "aaaac",   NOT },
        { "of many, few are not empty",          "root ::= (\"a\"?){1000000} \"c\"",      "aac",     WHOLE },
        { "a star of what can be empty",         "root ::= (\"a\"*)* \"c\"",              "aaac",    WHOLE },
        { "right recursion",                     "root ::= \"a\" root | \"b\"",           "aaab",    WHOLE },
        { "nesting",                             "root ::= \"(\" root \")\" | \"x\"",     "(((x)))", WHOLE },
        { "nesting not closed",                  "root ::= \"(\" root \")\" | \"x\"",     "(((x))",  BEGUN },
        { "a palindrome needs all ways",         "root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"\"", "abba", WHOLE },
        { "names with - and digits",             "root ::= a-1 B_2\na-1 ::= \"a\"\nB_2 ::= \"b\"", "ab", WHOLE },
        { "a rule before it is defined",         "root ::= a a\na ::= [0-9]",             "42",      WHOLE },
        { "a branch that never ends is not gone", "root ::= \"a\" x | \"ab\"\nx ::= \"b\" x", "abb",  NOT },
        { "and does no harm",                    "root ::= \"a\" x | \"ab\"\nx ::= \"b\" x", "ab",   WHOLE },
};
/* clang-format on */

static struct grammar *compile(const char *text) {
        struct grammar *g;
        struct grammar_error error;
        if (gbnf_compile(text, strlen(text), &g, &error) < 0)
                fail_msg("%s: %s", text, error.text);
        return g;
}

/* Byte by byte, each counting at once. */
static enum verdict read_text(struct matcher *m, const char *text) {
        for (; *text; text++) {
                if (!matcher_push(m, (uint8_t) *text))
                        return NOT;
                matcher_commit(m);
        }
        return matcher_may_end(m) ? WHOLE : BEGUN;
}

static void test_refused(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                struct grammar *g;
                struct grammar_error error;
                if (gbnf_compile(refused[i].grammar, strlen(refused[i].grammar), &g, &error) != -EINVAL)
                        fail_msg("not refused: %s", refused[i].grammar);
                if (!strstr(error.text, refused[i].says))
                        fail_msg("%s: '%s' does not say '%s'", refused[i].grammar, error.text, refused[i].says);
        }
}

static void test_rows(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct grammar *g = compile(rows[i].grammar);
                struct matcher *m;
                assert_int_equal(matcher_new(g, &m), 0);
                if (read_text(m, rows[i].text) != rows[i].verdict)
                        fail_msg("%s: '%s'", rows[i].what, rows[i].text);
                matcher_free(m);
                grammar_free(g);
        }
}

static void test_tried_bytes_are_taken_back(void **state) {
        (void) state;
        struct grammar *g = compile("root ::= \"ab\"{3} | \"ac\"");
        struct matcher *m;
        assert_int_equal(matcher_new(g, &m), 0);
        assert_true(matcher_push(m, 'a') && matcher_push(m, 'b') && !matcher_push(m, 'c'));
        matcher_cut(m, 1);
        assert_true(matcher_push(m, 'c'));
        assert_true(matcher_is_over(m) && matcher_may_end(m));
        matcher_cut(m, 0);
        assert_false(matcher_push(m, 'b'));
        assert_int_equal(read_text(m, "ababab"), WHOLE);
        assert_true(matcher_is_over(m));
        matcher_free(m);
        grammar_free(g);
}

static double processor_s(void) {
        return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

/* A text far longer than what is remembered: the pools are emptied again and again, and the right text still goes through. */
static void test_forgetting_changes_nothing(void **state) {
        (void) state;
        struct grammar *g = compile("root ::= item{1,30000} \".\"\nitem ::= \"(\" [a-z]{1,40} item? \")\"");
        struct matcher *m;
        assert_int_equal(matcher_new(g, &m), 0);
        uint64_t generation = matcher_generation(m);
        for (unsigned i = 0; i < 3000; i++)
                assert_int_equal(read_text(m, "(abcdefgh(ijklm(nop(qrstuvwxyzabcdef))))"), BEGUN);
        assert_true(matcher_generation(m) > generation);
        assert_int_equal(read_text(m, "."), WHOLE);
        assert_true(matcher_is_over(m));
        matcher_free(m);
        grammar_free(g);
}

/* Grammars whose ways to read a text double with each character, or that begin in too many ways. */
static void test_hostile_grammars_are_bounded(void **state) {
        (void) state;
        static const char *const grammars[] = {
                "root ::= x\nx ::= \"a\" x \"b\" | \"a\" x \"c\" | \"a\" x \"d\" | \"a\"",
                "root ::= ((((\"a\"{0,900000}){0,900000}){0,900000}){0,900000}){0,900000}",
                "root ::= ((\"a\"?){0,1000} (\"a\"?){0,1000} (\"a\"*){0,1000}){0,1000}",
                "root ::= (x x x x x x x x)*\nx ::= (y y y y y y y y)*\ny ::= (z z z z z z z z)*\nz ::= [a-z]?",
                "root ::= \"a\" \"a\"* \"a\"* \"a\"* \"a\"* \"a\"* \"a\"* root?",
        };
        for (size_t i = 0; i < sizeof(grammars) / sizeof(grammars[0]); i++) {
                struct grammar *g = compile(grammars[i]);
                struct matcher *m;
                assert_int_equal(matcher_new(g, &m), 0);
                double begun = processor_s();
                for (unsigned n = 0; n < 200 && matcher_push(m, 'a'); n++) /* some lose their ways: that is fine */
                        matcher_commit(m);
                double took = processor_s() - begun;
                if (took > 10)
                        fail_msg("%s: 200 characters took %.1f s", grammars[i], took);
                matcher_free(m);
                grammar_free(g);
        }
}

/* Rules that learn only from the last, or from the first, what they lead to: in the order that is worst for finding out. */
static void test_large_grammars(void **state) {
        (void) state;
        enum { RULES = 15000, LINE = 40 };
        for (int step = -1; step <= 1; step += 2) {
                char *text = malloc(2 * RULES * LINE);
                size_t length = (size_t) sprintf(text, "root ::= r0");
                for (int i = 1; i < RULES; i++)
                        length += (size_t) sprintf(text + length, " | r%d", i);
                for (int i = 0; i < RULES; i++) {
                        if (i + step < 0 || i + step == RULES)
                                length += (size_t) sprintf(text + length, "\nr%d ::= \"b\"", i);
                        else
                                length += (size_t) sprintf(text + length, "\nr%d ::= \"a\" r%d", i, i + step);
                }
                struct grammar *g;
                struct grammar_error error;
                double begun = processor_s();
                if (gbnf_compile(text, length, &g, &error) < 0)
                        fail_msg("%s", error.text);
                if (processor_s() - begun > 5)
                        fail_msg("compiled in %.1f s", processor_s() - begun);
                struct matcher *m;
                assert_int_equal(matcher_new(g, &m), 0);
                /* Of more ways than are followed, those of the first alternatives are; the others are given up. */
                assert_int_equal(read_text(m, "aaab"), step < 0 ? WHOLE : NOT);
                matcher_free(m);
                grammar_free(g);
                free(text);
        }
}

/* As deep as may be, and then no deeper: what is begun can always be ended. */
static void test_nesting_ends_in_time(void **state) {
        (void) state;
        struct grammar *g =
                compile("root ::= \"(\" root \")\" | \"[\" a \"]\" | \"x\"\na ::= b \";\"\nb ::= c \",\"\nc ::= root \"!\"");
        struct matcher *m;
        assert_int_equal(matcher_new(g, &m), 0);
        unsigned depth = 0;
        while (matcher_push(m, '[')) {
                matcher_commit(m);
                assert_true(++depth <= MATCHER_DEPTH_MAX);
        }
        assert_true(depth > MATCHER_DEPTH_MAX / 5);
        assert_int_equal(read_text(m, "x"), BEGUN);
        while (depth--)
                assert_int_equal(read_text(m, "!,;]"), depth ? BEGUN : WHOLE);
        matcher_free(m);
        grammar_free(g);
}

/* Any text up to a mark, against a search for it: marks that begin again within themselves, texts of few letters. */
static void test_until(void **state) {
        (void) state;
        static const char *const marks[] = { "a", "ab", "aab", "abab", "abacab", "aabaaab", "</think>" };
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
                struct grammar_builder b = { 0 };
                struct grammar *g;
                struct grammar_error error;
                struct random r = random_seeded(i);
                uint32_t root = grammar_builder_rule(&b, "root", 4);
                grammar_builder_set_body(&b, root, grammar_builder_until(&b, marks[i]));
                assert_int_equal(grammar_builder_compile(&b, root, &g, &error), 0);
                grammar_builder_done(&b);
                for (unsigned round = 0; round < 300; round++) {
                        char text[40] = "";
                        size_t length = random_u32(&r) % 30;
                        for (size_t at = 0; at < length; at++)
                                text[at] = marks[i][random_u32(&r) % strlen(marks[i])];
                        const char *found = strstr(text, marks[i]);
                        enum verdict expected = !found ? BEGUN : found[strlen(marks[i])] ? NOT : WHOLE;
                        struct matcher *m;
                        assert_int_equal(matcher_new(g, &m), 0);
                        if (read_text(m, text) != expected)
                                fail_msg("'%s' up to '%s'", text, marks[i]);
                        matcher_free(m);
                }
                grammar_free(g);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_tried_bytes_are_taken_back),
                cmocka_unit_test(test_forgetting_changes_nothing),
                cmocka_unit_test(test_hostile_grammars_are_bounded),
                cmocka_unit_test(test_large_grammars),
                cmocka_unit_test(test_nesting_ends_in_time),
                cmocka_unit_test(test_until),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
