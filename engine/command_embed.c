/*
 * command_embed.c - vectors of texts, on the command line.
 *
 * The options become the very request that the daemon would send, so that `embed` and the daemon cannot differ.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/bounds.h"
#include "engine/commands.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/text_file.h"

#define TEXT_BYTES_MAX (64u << 20) /* as much as the daemon takes */

static const char help[] =
        "usage: headroom-engine embed MODEL [TEXT ...] [OPTIONS]\n\n"
        "Prints {\"vectors\":[[...],...],\"prompt_tokens\":N}: one vector of length 1 for each text, pooled as the\n"
        "model's file says (by default the mean over its tokens).\n\n"
        "  --file FILE       one more text, from a file; - is standard input\n"
        "  --dimensions N    the first N numbers alone, made length 1 again\n"
        "  --truncate        take the beginning of a text that is longer than the context\n"
        "  --ctx N           tokens of one text at most (default 4096, or what the model was trained on)\n"
        "  --threads N       threads (default: one per processor)\n";

struct arguments {
        const char *path, *file;
        struct engine_config config;
        cJSON *wanted, *input; /* as the wire's `embed`; input is part of it */
};

enum { OPTION_FILE = 256, OPTION_DIMENSIONS, OPTION_TRUNCATE, OPTION_CTX };

static const struct option names[] = {
        { "file", required_argument, NULL, OPTION_FILE },
        { "dimensions", required_argument, NULL, OPTION_DIMENSIONS },
        { "truncate", no_argument, NULL, OPTION_TRUNCATE },
        { "ctx", required_argument, NULL, OPTION_CTX },
        { "threads", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int add_text(struct arguments *a, const char *text) {
        return cJSON_AddItemToArray(a->input, cJSON_CreateString(text)) ? 0 : -ENOMEM;
}

/* The texts behind MODEL in ARGV, and that of --file. */
static int add_texts(struct arguments *a, int argc, char **argv) {
        struct text_file text = { 0 };
        int r = 0;
        for (int i = optind + 1; i < argc && r == 0; i++)
                r = add_text(a, argv[i]);
        if (r == 0 && a->file)
                r = text_file_read(a->file, TEXT_BYTES_MAX, &text);
        const char *problem = r == -EFBIG ? "longer than 64 MiB" : r < 0 ? strerror(-r) : NULL;
        if (!problem && text.bytes && memchr(text.bytes, 0, text.length))
                problem = "holds a NUL byte, so it is no text";
        if (!problem && text.bytes && add_text(a, text.bytes) < 0)
                problem = strerror(ENOMEM);
        free(text.bytes);
        if (problem)
                fprintf(stderr, "headroom-engine embed: %s: %s\n", a->file ? a->file : "the texts", problem);
        return problem ? EXIT_FAILED : EXIT_DONE;
}

static int take_option(void *arguments, int option, const char *value) {
        struct arguments *a = arguments;
        uint32_t number;
        switch (option) {
        case OPTION_FILE: a->file = value; return 0;
        case OPTION_DIMENSIONS:
                if (option_u32(value, 1, SHAPE_EMBD_MAX, &number) < 0)
                        return -EINVAL;
                return cJSON_AddNumberToObject(a->wanted, "dimensions", number) ? 0 : -ENOMEM;
        case OPTION_TRUNCATE: return cJSON_AddTrueToObject(a->wanted, "truncate") ? 0 : -ENOMEM;
        case OPTION_CTX: return option_u32(value, 1, N_CTX_MAX, &a->config.ctx);
        case 't': return option_u32(value, 1, THREADS_MAX, &a->config.threads);
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct arguments *a, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "embed", help, "t:h", names, take_option };
        int code = options_read(&known, a, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped)
                return code;
        if (optind + (a->file ? 1 : 2) > argc) {
                fputs("headroom-engine embed: one MODEL and at least one text or --file are needed; see --help\n", stderr);
                return EXIT_USAGE;
        }
        a->path = argv[optind];
        return add_texts(a, argc, argv);
}

struct printer {
        bool over, failed;
};

static void on_embedding(void *context, uint64_t id, const struct embedding *e) {
        struct printer *p = context;
        (void) id;
        p->over = true;
        fputs("{\"vectors\":[", stdout);
        for (uint32_t i = 0; i < e->count; i++)
                for (uint32_t d = 0; d < e->n_embd; d++)
                        printf("%s%.9g%s",
                               d   ? ","
                               : i ? ",\n["
                                   : "[",
                               (double) e->vectors[(size_t) i * e->n_embd + d], d + 1 == e->n_embd ? "]" : "");
        printf("],\"prompt_tokens\":%u}\n", e->prompt_tokens);
}

static void on_error(void *context, uint64_t id, const struct request_error *error) {
        struct printer *p = context;
        (void) id;
        fprintf(stderr, "headroom-engine embed: %s\n", error->message);
        p->failed = true;
}

static int run(const struct arguments *a) {
        struct printer printer = { 0 };
        struct engine_config config = a->config;
        config.path = a->path;
        config.parallel = 1;
        config.kv_tokens = config.ctx;
        config.sink = (struct scheduler_sink){ .context = &printer, .on_embedding = on_embedding, .on_error = on_error };
        struct engine e;
        struct gguf_error why = { .text = "" };
        struct request r = { 0 };
        struct request_error error;
        if (engine_open(&e, &config, &why) < 0) {
                fprintf(stderr, "headroom-engine embed: %s\n", why.text);
                printer.failed = true;
        } else if (request_read_embed(&e.rules, 1, a->wanted, &r, &error) < 0 || scheduler_submit(e.scheduler, &r, &error) < 0) {
                on_error(&printer, 1, &error);
        }
        while (!printer.over && !printer.failed)
                scheduler_step(e.scheduler);
        request_done(&r);
        engine_close(&e);
        return printer.failed ? EXIT_FAILED : EXIT_DONE;
}

int command_embed(int argc, char **argv) {
        struct arguments a = { .config = engine_config_default(), .wanted = cJSON_CreateObject() };
        a.input = cJSON_AddArrayToObject(a.wanted, "input");
        bool helped = false;
        int code = a.input ? parse(&a, argc, argv, &helped) : EXIT_FAILED;
        if (code == EXIT_DONE && !helped)
                code = run(&a);
        cJSON_Delete(a.wanted);
        return code;
}
