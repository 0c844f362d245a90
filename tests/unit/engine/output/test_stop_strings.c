/* test_stop_strings.c - stop strings: rows by hand, and any cutting of a text gives what one piece gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/output/stop_strings.h"
#include "policy/base/random.h"

/* STRINGS separated by '|'. */
static struct stop_set set_of(const char *strings) {
        struct stop_set set = { 0 };
        char *copy = strdup(strings), *next = copy;
        for (char *one; (one = strsep(&next, "|"));)
                if (*one)
                        set.strings[set.count++] = strdup(one);
        free(copy);
        return set;
}

static void test_rows(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *what, *strings;
                const char *pieces[6];
                const char *out;        /* handed out after each piece, separated by '|', then what the end frees */
                const char *found;      /* of the strings */
        } rows[] = {
                { "no strings: everything flows",            "",          { "a", "bc" },            "a|bc|",         NULL },
                { "whole in one piece",                      "END",       { "xENDy" },              "x|",            "END" },
                { "across three pieces",                     "END",       { "xE", "N", "D" },       "x|||",          "END" },
                { "nearly, then freed",                      "END",       { "xE", "N", "x" },       "x||ENx|",       NULL },
                { "held at the end is freed",                "END",       { "xEN" },                "x|EN",          NULL },
                { "an ending that begins again",             "aab",       { "aa", "a", "b" },       "|a||",          "aab" },
                { "overlapping itself",                      "abab",      { "aba", "aba", "b" },    "|aba||",        "abab" },
                { "one string is the end of another",        "xyz|yz",    { "xy", "z" },            "||",            "xyz" },
                { "one string is the beginning of another",  "ab|abcd",   { "xab", "cd" },          "x||",           "ab" },
                { "what is complete first wins",             "abcdef|cd", { "abc", "d" },           "|ab|",          "cd" },
                { "text before it still goes out",           "\n\n",      { "line\n", "\nmore" },   "line||",        "\n\n" },
                { "nothing after it is taken",               "!",         { "a!", "b" },            "a||",           "!" },
                { "several bytes to a character",            "\xe2\x82\xac", { "5 ", "\xe2\x82\xac", "x" }, "5 |||", "\xe2\x82\xac" },
                { "held by whole characters",                "\xe2\x82\xac!", { "\xe2\x82\xac", "\xe2\x82\xac" },
                                                                                            "|\xe2\x82\xac|\xe2\x82\xac", NULL },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct stop_set set = set_of(rows[i].strings);
                struct stop_stream s = { 0 };
                char out[200] = "";
                for (size_t n = 0; n < 6 && rows[i].pieces[n]; n++) {
                        assert_int_equal(stop_stream_push(&s, &set, rows[i].pieces[n], strlen(rows[i].pieces[n])), 0);
                        strncat(out, s.text.bytes, s.free_count);
                        strcat(out, "|");
                        stop_stream_take(&s);
                }
                stop_stream_end(&s);
                strncat(out, s.text.bytes, s.free_count);
                if (strcmp(out, rows[i].out) || strcmp(s.found ? s.found : "", rows[i].found ? rows[i].found : ""))
                        fail_msg("%s: '%s'", rows[i].what, out);
                stop_stream_done(&s);
                stop_set_done(&set);
        }
}

static size_t take(struct stop_stream *s, char *out) {
        size_t count = s->free_count;
        if (count)
                memcpy(out, s->text.bytes, count);
        stop_stream_take(s);
        return count;
}

/* TEXT cut at random places, taken at random times. */
static bool feed(const char *text, size_t count, const struct stop_set *set, struct random *r, char *out) {
        struct stop_stream s = { 0 };
        size_t used = 0;
        for (size_t at = 0; at < count;) {
                size_t piece = r ? random_u32(r) % 7 : count;
                if (piece > count - at)
                        piece = count - at;
                assert_int_equal(stop_stream_push(&s, set, text + at, piece), 0);
                at += piece;
                if (r && random_u32(r) % 2)
                        continue;
                used += take(&s, out + used);
        }
        stop_stream_end(&s);
        out[used + take(&s, out + used)] = '\0';
        bool stopped = s.found != NULL;
        stop_stream_done(&s);
        return stopped;
}

static void test_any_cutting_gives_the_same(void **state) {
        (void) state;
        struct random r = random_seeded(7);
        unsigned stops = 0;
        for (unsigned round = 0; round < 5000; round++) {
                struct stop_set set = { 0 };
                for (uint32_t n = random_u32(&r) % 4; set.count < n;) {
                        char string[8] = "";
                        for (uint32_t i = 0, length = 1 + random_u32(&r) % 6; i < length; i++)
                                string[i] = (char) ('a' + random_u32(&r) % 2);
                        set.strings[set.count++] = strdup(string);
                }
                char text[41], whole[41], cut[41];
                size_t count = random_u32(&r) % 40;
                for (size_t i = 0; i < count; i++)
                        text[i] = (char) ('a' + random_u32(&r) % 2);
                bool stopped = feed(text, count, &set, NULL, whole);
                stops += stopped;
                for (unsigned i = 0; i < 5; i++) {
                        assert_int_equal(feed(text, count, &set, &r, cut), stopped);
                        assert_string_equal(cut, whole);
                }
                /* No stop string is inside what went out, and what went out is the text's beginning. */
                assert_memory_equal(whole, text, strlen(whole));
                for (uint32_t i = 0; i < set.count; i++)
                        assert_null(strstr(whole, set.strings[i]));
                if (!stopped)
                        assert_int_equal(strlen(whole), count);
                stop_set_done(&set);
        }
        assert_in_range(stops, 1000, 4500);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_any_cutting_gives_the_same),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
