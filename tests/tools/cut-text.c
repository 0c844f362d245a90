/*
 * cut-text.c - the words that a pre-tokenizer cuts: texts from standard input, each ended by a 0, come out on standard
 * output with the byte 1F between their words.
 *
 * usage: cut-text PRE-TOKENIZER
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text_file.h"
#include "engine/tokenizer/bounds.h"
#include "engine/pretokenizer/pretokenize.h"

static void cut(const struct pretokenizer *pre, const char *text, size_t length) {
        struct cutter c;
        size_t start, count;
        cut_begin(&c, pre->stages, pretokenizer_stages_count(pre), text, length);
        while (cut_next(&c, &start, &count)) {
                if (start > 0)
                        putchar(0x1f);
                (void) fwrite(text + start, 1, count, stdout);
        }
        putchar(0);
}

int main(int argc, char **argv) {
        const struct pretokenizer *pre = argc == 2 ? pretokenizer_find((struct gguf_string){ argv[1], strlen(argv[1]) }) : NULL;
        struct text texts;
        if (!pre || text_file_read(NULL, TOKENIZER_TEXT_BYTES_MAX, &texts) < 0) {
                fputs("usage: cut-text PRE-TOKENIZER <TEXTS\n", stderr);
                return 2;
        }
        for (size_t at = 0, length; at < texts.used; at += length + 1) {
                length = strnlen(texts.bytes + at, texts.used - at);
                cut(pre, texts.bytes + at, length);
        }
        text_done(&texts);
        return 0;
}
