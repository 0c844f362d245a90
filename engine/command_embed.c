/*
 * command_embed.c - the vector of a text, as JSON: of an embedding model, or of any other that is asked for its hidden
 * states.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/bounds.h"
#include "engine/commands.h"
#include "engine/options.h"
#include "engine/pooling.h"
#include "engine/solo.h"

#define NAME "headroom-engine embed: "

static const char help[] =
        "usage: headroom-engine embed MODEL TEXT [OPTIONS]\n"
        "       headroom-engine embed MODEL --tokens 1,2,3 [OPTIONS]\n\n"
        "Prints {\"pooling\":\"mean\",\"tokens\":n,\"vectors\":[[...]]}: one vector of length 1, or one per token.\n\n"
        "  --tokens LIST    token ids in the place of a text\n"
        "  --pooling WORD   mean, cls, last or none (default: what the model says)\n"
        "  --raw            do not scale to length 1\n"
        "  --kv TYPE        precision of keys and values: f16 (default), q8_0, q4_0\n"
        "  --threads N      threads (default: one per processor)\n";

struct arguments {
        const char *path, *text;
        struct token_list tokens;
        enum pooling pooling;
        bool has_pooling, raw;
        enum kv_type kv;
        uint32_t threads;
};

enum { OPTION_TOKENS = 256, OPTION_POOLING, OPTION_RAW, OPTION_KV };

static const struct option names[] = {
        { "tokens", required_argument, NULL, OPTION_TOKENS },
        { "pooling", required_argument, NULL, OPTION_POOLING },
        { "raw", no_argument, NULL, OPTION_RAW },
        { "kv", required_argument, NULL, OPTION_KV },
        { "threads", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int take_option(void *arguments, int option, const char *value) {
        struct arguments *a = arguments;
        switch (option) {
        case OPTION_TOKENS: return option_tokens(value, &a->tokens);
        case OPTION_POOLING: a->has_pooling = true; return pooling_by_name(value, &a->pooling);
        case OPTION_RAW: a->raw = true; return 0;
        case OPTION_KV: return kv_type_by_name(value, &a->kv);
        case 't': return option_u32(value, 1, THREADS_MAX, &a->threads);
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct arguments *a, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "embed", help, "t:h", names, take_option };
        int code = options_read(&known, a, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped)
                return code;
        if (argc - optind != (a->tokens.count ? 1 : 2)) {
                fputs(NAME "one MODEL and one TEXT, or --tokens, are needed; see --help\n", stderr);
                return EXIT_USAGE;
        }
        a->path = argv[optind];
        a->text = a->tokens.count ? NULL : argv[optind + 1];
        return EXIT_DONE;
}

/* The tokens are in A then, each of the model's vocabulary. */
static int make_tokens(struct arguments *a, const struct model *m) {
        if (a->text && tokenizer_encode(m->tokenizer, a->text, strlen(a->text), true, false, &a->tokens) < 0) {
                fputs(NAME "out of memory\n", stderr);
                return -ENOMEM;
        }
        if (!a->tokens.count || a->tokens.count > m->shape.n_ctx_train) {
                fprintf(stderr, NAME "the text has %zu tokens where 1 to %u are possible\n", a->tokens.count,
                        m->shape.n_ctx_train);
                return -E2BIG;
        }
        for (size_t i = 0; i < a->tokens.count; i++)
                if ((uint32_t) a->tokens.ids[i] >= m->shape.n_vocab) {
                        fprintf(stderr, NAME "token %d is not below the vocabulary's %u\n", a->tokens.ids[i], m->shape.n_vocab);
                        return -EINVAL;
                }
        return 0;
}

static void print_vector(const float *x, uint32_t n) {
        for (uint32_t d = 0; d < n; d++)
                printf("%s%.9g", d ? "," : "[", (double) x[d]);
        putchar(']');
}

/* COUNT hidden states become one vector, or are printed as they are. */
static int print_pooled(const struct arguments *a, enum pooling pooling, const float *hidden, uint32_t n) {
        uint32_t count = (uint32_t) a->tokens.count;
        double *sum = calloc(n, sizeof(*sum));
        float *out = calloc(n, sizeof(*out));
        bool each = pooling == POOLING_NONE;
        for (uint32_t i = 0; sum && out && i < (each ? count : 1); i++) {
                struct pooled_rows rows = { hidden + (size_t) i * n, n, 0, each ? 1 : count, each ? 1 : count };
                pooling_add(each ? POOLING_LAST : pooling, sum, &rows);
                for (uint32_t d = 0; a->raw && d < n; d++)
                        out[d] = (float) (sum[d] / (pooling == POOLING_MEAN ? count : 1)), sum[d] = 0;
                if (!a->raw)
                        pooling_finish(sum, n, out);
                printf("%s", i ? ",\n" : "");
                print_vector(out, n);
        }
        int r = sum && out ? 0 : -ENOMEM;
        free(sum);
        free(out);
        return r;
}

static int embed(struct solo *s, struct solo_config *config, struct arguments *a, struct gguf_error *reterr) {
        int r = make_tokens(a, s->model);
        if (r < 0)
                return r;
        config->tokens_max = config->batch = (uint32_t) a->tokens.count;
        r = solo_open_rest(s, config, reterr);
        const float *hidden = NULL;
        if (r == 0)
                r = solo_hidden(s, a->tokens.ids, (uint32_t) a->tokens.count, &hidden);
        if (r < 0)
                return r;
        enum pooling pooling = a->has_pooling ? a->pooling : s->model->shape.pooling;
        printf("{\"pooling\":\"%s\",\"tokens\":%zu,\"vectors\":[", pooling_name(pooling), a->tokens.count);
        r = print_pooled(a, pooling, hidden, s->model->shape.n_embd);
        puts("]}");
        return r;
}

static int run(struct arguments *a) {
        struct gguf_error error = { .text = "" };
        struct solo s;
        struct solo_config config = { .path = a->path, .threads = a->threads, .kv = a->kv, .for_ids = !a->text, .vectors = true };
        int r = solo_open_model(&s, &config, &error);
        if (r == 0)
                r = embed(&s, &config, a, &error);
        if (*error.text)
                fprintf(stderr, NAME "%s\n", error.text);
        solo_close(&s);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_embed(int argc, char **argv) {
        struct arguments a = { .kv = KV_F16 };
        bool helped = false;
        int code = parse(&a, argc, argv, &helped);
        if (code == EXIT_DONE && !helped)
                code = run(&a);
        token_list_done(&a.tokens);
        return code;
}
