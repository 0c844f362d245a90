/*
 * pretokenize.c - see pretokenize.h.
 *
 * The scanners follow the regular expressions alternative by alternative; the first that matches wins, as there. An
 * invalid byte counts as a character that is no letter, number or space.
 */
#include "engine/tokenizer/pretokenize.h"

#include <stdio.h>
#include <string.h>

#include "engine/tokenizer/unicode.h"

#define ANY_COUNT SIZE_MAX

/* Bytes of the run of up to MOST characters of KIND at TEXT. */
static size_t run_of(enum unicode_kind kind, const char *text, size_t length, size_t most) {
        size_t at = 0;
        for (size_t i = 0; i < most; i++) {
                struct unicode_char c = unicode_char_at(text + at, length - at);
                if (c.length == 0 || c.kind != kind)
                        break;
                at += c.length;
        }
        return at;
}

static size_t run_of_newlines(const char *text, size_t length) {
        size_t at = 0;
        while (at < length && (text[at] == '\r' || text[at] == '\n'))
                at++;
        return at;
}

/* 's 't 're 've 'm 'll 'd */
static size_t contraction(const char *text, size_t length, bool any_case) {
        static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
        if (text[0] != '\'')
                return 0;
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
                size_t n = strlen(endings[i]);
                if (length > n && !(any_case ? strncasecmp(text + 1, endings[i], n) : strncmp(text + 1, endings[i], n)))
                        return 1 + n;
        }
        return 0;
}

/* \s+(?!\S)|\s+ : all white space but the last one of it, which belongs to the word that follows. */
static size_t white_space(const char *text, size_t length) {
        size_t at = 0, last = 0;
        for (;;) {
                struct unicode_char c = unicode_char_at(text + at, length - at);
                if (c.length == 0)
                        return at;
                if (c.kind != UNICODE_SPACE)
                        break;
                last = at;
                at += c.length;
        }
        return last > 0 ? last : at;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t scan_gpt2(const char *text, size_t length) {
        size_t count = contraction(text, length, false);
        if (count > 0)
                return count;
        size_t blank = text[0] == ' ';
        struct unicode_char c = unicode_char_at(text + blank, length - blank);
        if (c.length > 0 && c.kind != UNICODE_SPACE)
                return blank + run_of(c.kind, text + blank, length - blank, ANY_COUNT);
        return white_space(text, length);
}

/* \s*[\r\n]+ : white space up to its last line break; 0 where it has none. */
static size_t white_space_with_newline(const char *text, size_t length) {
        size_t spaces = run_of(UNICODE_SPACE, text, length, ANY_COUNT);
        while (spaces > 0 && text[spaces - 1] != '\r' && text[spaces - 1] != '\n')
                spaces--;
        return spaces;
}

/*
 * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
static size_t scan_cl100k(const char *text, size_t length, size_t digits) {
        size_t count = contraction(text, length, true);
        if (count > 0)
                return count;
        struct unicode_char c = unicode_char_at(text, length);
        if (c.kind == UNICODE_NUMBER)
                return run_of(UNICODE_NUMBER, text, length, digits);
        size_t before = c.kind == UNICODE_LETTER || text[0] == '\r' || text[0] == '\n' ? 0 : c.length;
        size_t letters = run_of(UNICODE_LETTER, text + before, length - before, ANY_COUNT);
        if (letters > 0)
                return before + letters;
        size_t blank = text[0] == ' ';
        size_t others = run_of(UNICODE_OTHER, text + blank, length - blank, ANY_COUNT);
        if (others > 0)
                return blank + others + run_of_newlines(text + blank + others, length - blank - others);
        count = white_space_with_newline(text, length);
        return count > 0 ? count : white_space(text, length);
}

static size_t scan_llama3(const char *text, size_t length) {
        return scan_cl100k(text, length, 3);
}

static size_t scan_qwen2(const char *text, size_t length) {
        return scan_cl100k(text, length, 1);
}

static const struct pretokenizer pretokenizers[] = {
        { .name = "default", .next_word = scan_gpt2 },
        { .name = "gpt-2", .next_word = scan_gpt2 },
        { .name = "llama-bpe", .next_word = scan_llama3, .whole_words_first = true, .adds_bos = true },
        { .name = "llama3", .next_word = scan_llama3, .whole_words_first = true, .adds_bos = true },
        { .name = "llama-v3", .next_word = scan_llama3, .whole_words_first = true, .adds_bos = true },
        { .name = "qwen2", .next_word = scan_qwen2 },
};
#define PRETOKENIZERS_COUNT (sizeof(pretokenizers) / sizeof(pretokenizers[0]))

const struct pretokenizer *pretokenizer_find(struct gguf_string name) {
        for (size_t i = 0; i < PRETOKENIZERS_COUNT; i++)
                if (gguf_string_equals(name, pretokenizers[i].name))
                        return &pretokenizers[i];
        return NULL;
}

char *pretokenizer_names(char *out, size_t size) {
        size_t used = 0;
        out[0] = '\0';
        for (size_t i = 0; i < PRETOKENIZERS_COUNT && used < size; i++)
                used += (size_t) snprintf(out + used, size - used, "%s%s", i ? ", " : "", pretokenizers[i].name);
        return out;
}
