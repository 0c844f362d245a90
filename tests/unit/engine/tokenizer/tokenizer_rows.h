/*
 * tokenizer_rows.h - what the tests of tokenizers share: rows of texts and the tokens that they become, random numbers of
 * one seed, and a text's way there and back.
 */
#ifndef HEADROOM_TESTS_UNIT_ENGINE_TOKENIZER_TOKENIZER_ROWS_H
#define HEADROOM_TESTS_UNIT_ENGINE_TOKENIZER_TOKENIZER_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/tiny_vocab.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct row {
        const char *what, *text, *tokens;
        bool add_special, parse_special;
};

static inline void check_rows(const struct tiny_vocab *v, const struct row *rows, size_t count) {
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

/* Two texts as one list, and where the second begins: their tokens apart by bars, as in rows. */
static inline void check_pair(const struct tiny_vocab *v, const char *first, const char *second, const char *expected,
                              size_t second_at) {
        struct token_list list = { 0 };
        size_t at;
        assert_int_equal(tokenizer_encode_pair(v->tokenizer, (struct token_text){ first, strlen(first) },
                                               (struct token_text){ second, strlen(second) }, &list, &at),
                         0);
        char *shown = tiny_shown(v, &list, 0);
        assert_string_equal(shown, expected);
        assert_int_equal(at, second_at);
        free(shown);
        token_list_done(&list);
}

static inline uint32_t random_below(uint32_t limit) {
        static uint64_t seed = 1;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (seed >> 33) % limit;
}

/* Encodes TEXT and writes out the pieces; the result is the caller's to free. */
static inline char *there_and_back(const struct tokenizer *t, const char *text, size_t length, bool parse_special,
                                   size_t *ret_length) {
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

#endif
