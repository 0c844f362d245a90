/*
 * command_tokenize.c - headroom-engine tokenize: a text to a JSON list of token ids, or back. Reads no tensor, so
 * files that hold only a vocabulary will do.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cli/commands.h"
#include "engine/gguf/path.h"
#include "engine/cli/options.h"
#include "engine/base/text_file.h"
#include "engine/tokenizer/bounds.h"
#include "engine/pretokenizer/pretokenize.h"
#include "engine/tokenizer/tokenizer.h"

#define NAME "headroom-engine tokenize: "

struct arguments {
        const char *model, *file;
        bool add_special, parse_special, decode, no_special, pretokenizers;
};

/* ---- options ---- */

#define AT(field) offsetof(struct arguments, field)

static const struct option_row options[] = {
        { "file", 0, "FILE", option_text, AT(file), .help = "read the text from FILE (default: standard input)" },
        { "add-special", 0, NULL, option_flag, AT(add_special),
          .help = "add the tokens that begin and end a text, as the file asks" },
        { "parse-special", 0, NULL, option_flag, AT(parse_special),
          .help = "special tokens written out in the text become their ids" },
        { "decode", 0, NULL, option_flag, AT(decode),
          .help = "the other way: read a list of ids, print their text, special tokens written out" },
        { "no-special", 0, NULL, option_flag, AT(no_special), .help = "with --decode: special tokens give no text" },
        { "pre-tokenizers", 0, NULL, option_flag, AT(pretokenizers),
          .help = "list the values of tokenizer.ggml.pre that are supported" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->model || a->pretokenizers;
}

static const struct command_line line = {
        .name = "headroom-engine tokenize",
        .usage = { "MODEL [--file FILE] [--add-special] [--parse-special]", "MODEL [--file FILE] --decode [--no-special]",
                   "--pre-tokenizers" },
        .about = "Prints the token ids of a text as a JSON list. MODEL is a GGUF file; its vocabulary is enough.\n",
        .options = options,
        .operands = { AT(model) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one MODEL is needed",
};

/* ---- the two ways ---- */

static int print_tokens(const struct tokenizer *t, const struct arguments *a, const struct text *text) {
        struct token_list list = { 0 };
        int r = tokenizer_encode(t, text->bytes, text->used, a->add_special, a->parse_special, &list);
        if (r < 0) {
                fprintf(stderr, NAME "%s\n", strerror(-r));
        } else {
                putchar('[');
                for (size_t i = 0; i < list.count; i++)
                        printf("%s%d", i ? ", " : "", list.ids[i]);
                puts("]");
        }
        token_list_done(&list);
        return r;
}

/* The next id of a JSON list, or of numbers apart by anything that is none. */
static bool next_id(const char **at, long *ret) {
        *at += strcspn(*at, "-0123456789");
        char *end;
        *ret = strtol(*at, &end, 10);
        if (end == *at)
                return false;
        *at = end;
        return true;
}

static int read_ids(const struct tokenizer *t, const char *at, struct token_list *ids) {
        long id;
        int r = 0;
        while (r == 0 && next_id(&at, &id)) {
                if (id < 0 || id >= (long) tokenizer_vocab_count(t)) {
                        fprintf(stderr, NAME "%ld is not the id of one of the %u tokens\n", id, tokenizer_vocab_count(t));
                        return -EINVAL;
                }
                r = token_list_push(ids, (int32_t) id);
        }
        if (r < 0)
                fprintf(stderr, NAME "%s\n", strerror(-r));
        return r;
}

static int print_text(const struct tokenizer *t, const struct arguments *a, const struct text *list) {
        struct token_list ids = { 0 };
        char *text = NULL;
        size_t length = 0;
        int r = read_ids(t, list->bytes, &ids);
        if (r == 0)
                r = tokenizer_decode(t, ids.ids, ids.count, !a->no_special, &text, &length);
        if (r == 0)
                (void) fwrite(text, 1, length, stdout);
        free(text);
        token_list_done(&ids);
        return r;
}

static int print_pretokenizers(void) {
        for (size_t i = 0; pretokenizer_at(i); i++)
                puts(pretokenizer_at(i)->name);
        return EXIT_DONE;
}

static int convert(const struct gguf *g, const struct arguments *a) {
        struct tokenizer *t;
        struct gguf_error error;
        struct text text = { 0 };
        int r = tokenizer_new(g, &t, &error);
        if (r < 0) {
                fprintf(stderr, NAME "%s: %s\n", a->model, error.text);
                return r;
        }
        r = text_file_read(a->file, TOKENIZER_TEXT_BYTES_MAX, &text);
        if (r < 0) {
                fprintf(stderr, NAME "cannot read %s: %s\n", a->file ? a->file : "standard input", strerror(-r));
        } else {
                r = a->decode ? print_text(t, a, &text) : print_tokens(t, a, &text);
                text_done(&text);
        }
        tokenizer_free(t);
        return r;
}

int command_tokenize(int argc, char **argv) {
        struct arguments a = { 0 };
        struct gguf *g;
        struct gguf_error error;
        int r = options_read(&line, &a, argc, argv);
        if (r != OPTIONS_READ)
                return r;
        if (a.pretokenizers)
                return print_pretokenizers();
        if (gguf_open_path(a.model, &g, &error) < 0) {
                fprintf(stderr, NAME "%s\n", error.text);
                return EXIT_FAILED;
        }
        r = convert(g, &a);
        gguf_close(g);
        if (fflush(stdout) != 0 && r == 0) {
                fprintf(stderr, NAME "cannot write: %s\n", strerror(errno));
                r = -EIO;
        }
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
