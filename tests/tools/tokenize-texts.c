/*
 * tokenize-texts.c - what a vocabulary makes of many texts: each text from standard input, ended by a 0, comes out as its
 * tokens' ids with spaces between them, a tab, the text that the tokens stand for, and a 0.
 *
 * usage: tokenize-texts MODEL <TEXTS
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf/gguf.h"
#include "engine/base/text_file.h"
#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/tokenizer.h"

static int there_and_back(const struct tokenizer *t, const char *text, size_t length) {
        struct token_list list = { 0 };
        char *back = NULL;
        size_t back_length;
        int r = tokenizer_encode(t, text, length, false, false, &list);
        if (r == 0)
                r = tokenizer_decode(t, list.ids, list.count, false, &back, &back_length);
        for (size_t i = 0; i < list.count && r == 0; i++)
                printf(i ? " %" PRId32 : "%" PRId32, list.ids[i]);
        if (r == 0) {
                putchar('\t');
                (void) fwrite(back, 1, back_length, stdout);
                putchar(0);
        }
        free(back);
        token_list_done(&list);
        return r;
}

int main(int argc, char **argv) {
        struct gguf_error error = { "usage: tokenize-texts MODEL <TEXTS" };
        struct gguf *g;
        struct tokenizer *t;
        struct text texts;
        int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0 || gguf_open(&fd, 1, &g, &error) < 0 || tokenizer_new(g, &t, &error) < 0) {
                fprintf(stderr, "tokenize-texts: %s\n", error.text);
                return 2;
        }
        int r = text_file_read(NULL, TOKENIZER_TEXT_BYTES_MAX, &texts);
        for (size_t at = 0, length; r == 0 && at < texts.used; at += length + 1) {
                length = strnlen(texts.bytes + at, texts.used - at);
                r = there_and_back(t, texts.bytes + at, length);
        }
        if (r < 0)
                fprintf(stderr, "tokenize-texts: %s\n", strerror(-r));
        else
                text_done(&texts);
        tokenizer_free(t);
        gguf_close(g);
        return r < 0;
}
