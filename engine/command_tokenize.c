/*
 * command_tokenize.c - headroom-engine tokenize: a text to a JSON list of token ids, or back. Reads no tensor, so
 * files that hold only a vocabulary will do.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/commands.h"
#include "engine/gguf.h"
#include "engine/model_files.h"
#include "engine/options.h"
#include "engine/text_file.h"
#include "engine/tokenizer/bounds.h"
#include "engine/tokenizer/pretokenize.h"
#include "engine/tokenizer/tokenizer.h"

#define NAME "headroom-engine tokenize: "

struct options {
        const char *model, *file;
        bool add_special, parse_special, decode, no_special, pretokenizers;
};

static const char help[] = "usage: headroom-engine tokenize MODEL [--file FILE] [--add-special] [--parse-special]\n"
                           "       headroom-engine tokenize MODEL [--file FILE] --decode [--no-special]\n"
                           "       headroom-engine tokenize --pre-tokenizers\n\n"
                           "Prints the token ids of a text as a JSON list. MODEL is a GGUF file; its vocabulary is enough.\n\n"
                           "  --file FILE      read the text from FILE (default: standard input)\n"
                           "  --add-special    add the tokens that begin and end a text, as the file asks\n"
                           "  --parse-special  special tokens written out in the text become their ids\n"
                           "  --decode         the other way: read a list of ids, print their text, special tokens written out\n"
                           "  --no-special     with --decode: special tokens give no text\n"
                           "  --pre-tokenizers list the values of tokenizer.ggml.pre that are supported\n"
                           "  --help           show this\n";

enum { OPTION_FILE = 256, OPTION_ADD_SPECIAL, OPTION_PARSE_SPECIAL, OPTION_DECODE, OPTION_NO_SPECIAL, OPTION_PRE_TOKENIZERS };

static const struct option names[] = {
        { "file", required_argument, NULL, OPTION_FILE },
        { "add-special", no_argument, NULL, OPTION_ADD_SPECIAL },
        { "parse-special", no_argument, NULL, OPTION_PARSE_SPECIAL },
        { "decode", no_argument, NULL, OPTION_DECODE },
        { "no-special", no_argument, NULL, OPTION_NO_SPECIAL },
        { "pre-tokenizers", no_argument, NULL, OPTION_PRE_TOKENIZERS },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int open_files(const char *path, struct gguf **ret) {
        struct model_files files;
        uint32_t failed = 0;
        int fds[MODEL_FILES_MAX];
        int r = model_files_list(path, &files);
        if (r < 0) {
                fprintf(stderr, NAME "%s: %s\n", path, strerror(-r));
                return r;
        }
        r = model_files_open(&files, fds, &failed);
        if (r < 0) {
                fprintf(stderr, NAME "cannot open %s: %s\n", files.paths[failed], strerror(-r));
        } else {
                struct gguf_error error;
                r = gguf_open(fds, files.count, ret, &error);
                for (uint32_t i = 0; i < files.count; i++)
                        (void) close(fds[i]);
                if (r < 0)
                        fprintf(stderr, NAME "%s: %s\n", path, error.text);
        }
        model_files_done(&files);
        return r;
}

static int print_tokens(const struct tokenizer *t, const struct options *o, const struct text_file *text) {
        struct token_list list = { 0 };
        int r = tokenizer_encode(t, text->bytes, text->length, o->add_special, o->parse_special, &list);
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

static int print_text(const struct tokenizer *t, const struct options *o, const struct text_file *list) {
        struct token_list ids = { 0 };
        char *text = NULL;
        size_t length = 0;
        int r = read_ids(t, list->bytes, &ids);
        if (r == 0)
                r = tokenizer_decode(t, ids.ids, ids.count, !o->no_special, &text, &length);
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

static int convert(const struct gguf *g, const struct options *o) {
        struct tokenizer *t;
        struct gguf_error error;
        struct text_file text = { 0 };
        int r = tokenizer_new(g, &t, &error);
        if (r < 0) {
                fprintf(stderr, NAME "%s: %s\n", o->model, error.text);
                return r;
        }
        r = text_file_read(o->file, TOKENIZER_TEXT_BYTES_MAX, &text);
        if (r < 0) {
                fprintf(stderr, NAME "cannot read %s: %s\n", o->file ? o->file : "standard input", strerror(-r));
        } else {
                r = o->decode ? print_text(t, o, &text) : print_tokens(t, o, &text);
                free(text.bytes);
        }
        tokenizer_free(t);
        return r;
}

static int take_option(void *arguments, int option, const char *value) {
        struct options *o = arguments;
        switch (option) {
        case OPTION_FILE: o->file = value; return 0;
        case OPTION_ADD_SPECIAL: o->add_special = true; return 0;
        case OPTION_PARSE_SPECIAL: o->parse_special = true; return 0;
        case OPTION_DECODE: o->decode = true; return 0;
        case OPTION_NO_SPECIAL: o->no_special = true; return 0;
        case OPTION_PRE_TOKENIZERS: o->pretokenizers = true; return 0;
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct options *o, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "tokenize", help, "h", names, take_option };
        int code = options_read(&known, o, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped || o->pretokenizers)
                return code;
        if (optind + 1 != argc) {
                fputs(NAME "one MODEL is needed; see --help\n", stderr);
                return EXIT_USAGE;
        }
        o->model = argv[optind];
        return EXIT_DONE;
}

int command_tokenize(int argc, char **argv) {
        struct options o = { 0 };
        struct gguf *g;
        bool helped = false;
        int r = parse(&o, argc, argv, &helped);
        if (r != EXIT_DONE || helped)
                return r;
        if (o.pretokenizers)
                return print_pretokenizers();
        if (open_files(o.model, &g) < 0)
                return EXIT_FAILED;
        r = convert(g, &o);
        gguf_close(g);
        if (fflush(stdout) != 0 && r == 0) {
                fprintf(stderr, NAME "cannot write: %s\n", strerror(errno));
                r = -EIO;
        }
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
