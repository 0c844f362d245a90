/*
 * command_embed.c - the vectors of texts, as JSON: of an embedding model, or of any other that is asked for its hidden
 * states.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/cli/commands.h"
#include "engine/cli/options.h"
#include "engine/compute/pooling.h"
#include "engine/compute/rank.h"
#include "engine/cli/single.h"
#include "engine/base/text_file.h"

#define NAME           "headroom-engine embed: "
#define TEXT_BYTES_MAX (64u << 20) /* all texts of a file, whose tokens are in memory together */

struct arguments {
        const char *path, *text, *file;
        struct token_list tokens;
        enum pooling pooling; /* POOLING_COUNT: what the model says */
        bool raw, truncate;
        enum kv_type kv;
        uint32_t dimensions, threads;
};

/* ---- options ---- */

#define AT(field) offsetof(struct arguments, field)

static int take_pooling(const struct option_row *o, void *at, const char *value) {
        (void) o;
        return pooling_by_name(value, at);
}

static const struct option_row options[] = {
        { "file", 0, "FILE", option_text, AT(file), .help = "a text in each line of a file; - is standard input" },
        { "tokens", 0, "LIST", option_tokens, AT(tokens), .help = "token ids in the place of a text" },
        { "pooling", 0, "WORD", take_pooling, AT(pooling),
          .help = "mean, cls, last, none, or rank: the score of --tokens as they are\n"
                  "(default: what the model says)" },
        { "dimensions", 0, "N", option_number, AT(dimensions), 1, HPARAMS_EMBD_MAX,
          .help = "the first N numbers of each vector" },
        { "raw", 0, NULL, option_flag, AT(raw), .help = "do not scale to length 1" },
        { "truncate", 0, NULL, option_flag, AT(truncate), .help = "of a text that is too long, take the beginning" },
        { "kv", 0, "TYPE", option_kv, AT(kv), .help = "precision of keys and values: f16 (default), q8_0, q4_0" },
        { "threads", 't', "N", option_number, AT(threads), 1, THREADS_MAX, .help = "threads (default: one per core)" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->path && (a->text != NULL) + (a->file != NULL) + (a->tokens.count > 0) == 1;
}

static const struct command_line line = {
        .name = "headroom-engine embed",
        .usage = { "MODEL TEXT [OPTIONS]", "MODEL --file FILE [OPTIONS]", "MODEL --tokens 1,2,3 [OPTIONS]" },
        .about =
                "Prints {\"pooling\":\"mean\",\"tokens\":n,\"vectors\":[[...]]}: a vector of length 1 for each text (with --pooling\n"
                "none: for each token), and the tokens of all.\n",
        .options = options,
        .operands = { AT(path), AT(text) },
        .operands_count = 2,
        .complete = complete,
        .needs = "one MODEL and one of TEXT, --file and --tokens are needed",
};

/* ---- texts ---- */

struct inputs {
        struct token_list *all;
        size_t count, tokens; /* TOKENS of all together */
        uint32_t longest;
};

static void inputs_done(struct inputs *in) {
        for (size_t i = 0; i < in->count; i++)
                token_list_done(&in->all[i]);
        free(in->all);
}

/* The tokens of one text are taken over. */
static int inputs_add(struct inputs *in, struct token_list *list) {
        struct token_list *grown = reallocarray(in->all, in->count + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        in->all = grown;
        in->all[in->count++] = *list;
        *list = (struct token_list){ 0 };
        return 0;
}

/* The end of a text stays when its beginning is taken, as where texts come from the API. */
static void cut_short(struct token_list *list, const struct model *m) {
        int32_t last = list->ids[list->count - 1];
        list->count = m->hparams.n_ctx_train;
        if (m->tokenizer && tokenizer_is_end(m->tokenizer, last))
                list->ids[list->count - 1] = last;
}

/* Each has as many tokens as are possible then, all of the vocabulary. */
static int inputs_check(struct inputs *in, const struct arguments *a, const struct model *m) {
        const struct hparams *s = &m->hparams;
        for (size_t i = 0; i < in->count; i++) {
                struct token_list *list = &in->all[i];
                if (a->truncate && list->count > s->n_ctx_train)
                        cut_short(list, m);
                if (!list->count || list->count > s->n_ctx_train) {
                        fprintf(stderr, NAME "text %zu has %zu tokens where 1 to %u are possible\n", i + 1, list->count,
                                s->n_ctx_train);
                        return -E2BIG;
                }
                for (size_t k = 0; k < list->count; k++)
                        if ((uint32_t) list->ids[k] >= s->n_vocab) {
                                fprintf(stderr, NAME "token %d is not below the vocabulary's %u\n", list->ids[k], s->n_vocab);
                                return -EINVAL;
                        }
                in->tokens += list->count;
                in->longest = list->count > in->longest ? (uint32_t) list->count : in->longest;
        }
        return 0;
}

static int add_text(struct inputs *in, const struct model *m, const char *text, size_t length) {
        struct token_list list = { 0 };
        int r = tokenizer_encode(m->tokenizer, text, length, true, false, &list);
        if (r == 0)
                r = inputs_add(in, &list);
        if (r < 0)
                fprintf(stderr, NAME "%s\n", strerror(-r));
        token_list_done(&list);
        return r;
}

static int add_lines(struct inputs *in, const struct model *m, const char *path) {
        struct text file;
        int r = text_file_read(path, TEXT_BYTES_MAX, &file);
        if (r < 0) {
                fprintf(stderr, NAME "%s: %s\n", path, r == -EFBIG ? "longer than 64 MiB; give a part of it" : strerror(-r));
                return r;
        }
        const char *at = file.bytes, *end = file.bytes + file.used;
        while (r == 0 && at < end) {
                const char *newline = memchr(at, '\n', (size_t) (end - at)), *stop = newline ? newline : end;
                r = add_text(in, m, at, (size_t) (stop - at));
                at = stop + 1;
        }
        text_done(&file);
        if (r == 0 && !in->count) {
                fprintf(stderr, NAME "%s: holds no text\n", path);
                r = -EINVAL;
        }
        return r;
}

static int inputs_make(struct inputs *in, struct arguments *a, const struct model *m) {
        int r = a->file   ? add_lines(in, m, a->file)
                : a->text ? add_text(in, m, a->text, strlen(a->text))
                          : inputs_add(in, &a->tokens);
        return r < 0 ? r : inputs_check(in, a, m);
}

/* ---- vectors ---- */

struct vectors {
        enum pooling pooling;
        bool raw;
        uint32_t n, shown; /* numbers of a hidden state; the first of them that are the vector */
        double *sum;       /* N, all 0 between two vectors */
        float *out;        /* SHOWN */
        size_t printed;
};

static bool are_numbers(const float *vector, uint32_t n) {
        for (uint32_t d = 0; d < n; d++)
                if (!isfinite(vector[d]))
                        return false;
        return true;
}

/* 0, or -EDOM: it holds NaN or infinity. */
static int print_vector(struct vectors *v, enum pooling pooling, const float *hidden, uint32_t count) {
        pooling_add(pooling, v->sum, &(struct pooled_rows){ hidden, v->n, 0, count, count });
        if (v->raw)
                for (uint32_t d = 0; d < v->shown; d++)
                        v->out[d] = (float) (v->sum[d] / (pooling == POOLING_MEAN ? count : 1));
        else
                (void) pooling_finish(v->sum, v->shown, v->out);
        memset(v->sum, 0, v->n * sizeof(*v->sum));
        if (!are_numbers(v->out, v->shown))
                return -EDOM;
        printf("%s", v->printed++ ? ",\n" : "");
        for (uint32_t d = 0; d < v->shown; d++)
                printf("%s%.9g", d ? "," : "[", (double) v->out[d]);
        putchar(']');
        return 0;
}

/* A vector of one number. */
static int print_score(struct vectors *v, struct single *s, const float *hidden, uint32_t count) {
        const struct model *m = s->model;
        float *scratch = calloc(RANK_SCRATCH(v->n), sizeof(*scratch));
        if (!scratch)
                return -ENOMEM;
        float score = rank_score(m, hidden + (m->hparams.causal ? (size_t) (count - 1) * v->n : 0), scratch);
        free(scratch);
        single_rewind(s, 0);
        if (!isfinite(score))
                return -EDOM;
        printf("%s[%.9g]", v->printed++ ? ",\n" : "", (double) score);
        return 0;
}

static int print_input(struct vectors *v, struct single *s, const struct token_list *input) {
        uint32_t count = (uint32_t) input->count;
        const float *hidden;
        int r = single_hidden(s, input->ids, count, &hidden);
        if (r < 0)
                return r;
        if (v->pooling == POOLING_RANK)
                return print_score(v, s, hidden, count);
        if (v->pooling != POOLING_NONE)
                r = print_vector(v, v->pooling, hidden, count);
        for (uint32_t i = 0; v->pooling == POOLING_NONE && i < count && r == 0; i++)
                r = print_vector(v, POOLING_LAST, hidden + (size_t) i * v->n, 1);
        single_rewind(s, 0);
        return r;
}

static int print_inputs(struct single *s, const struct arguments *a, const struct inputs *in) {
        const struct hparams *hparams = &s->model->hparams;
        struct vectors v = { .pooling = a->pooling == POOLING_COUNT ? hparams->pooling : a->pooling,
                             .raw = a->raw,
                             .n = hparams->n_embd,
                             .shown = a->dimensions ? a->dimensions : hparams->n_embd,
                             .sum = calloc(hparams->n_embd, sizeof(*v.sum)),
                             .out = calloc(hparams->n_embd, sizeof(*v.out)) };
        int r = v.sum && v.out ? 0 : -ENOMEM;
        if (r == 0)
                printf("{\"pooling\":\"%s\",\"tokens\":%zu,\"vectors\":[", pooling_name(v.pooling), in->tokens);
        for (size_t i = 0; r == 0 && i < in->count; i++)
                r = print_input(&v, s, &in->all[i]);
        if (r == 0)
                puts("]}");
        else
                fprintf(stderr, NAME "%s\n",
                        r == -EDOM ? "the model computes no numbers: its vectors hold NaN or infinity" : strerror(-r));
        free(v.sum);
        free(v.out);
        return r;
}

/* ---- the whole ---- */

static int embed(struct single *s, struct single_config *config, struct arguments *a, struct gguf_error *reterr) {
        struct inputs in = { 0 };
        int r = 0;
        if (a->dimensions > s->model->hparams.n_embd) {
                (void) snprintf(reterr->text, sizeof(reterr->text), "--dimensions %u: the model's vectors have %u", a->dimensions,
                                s->model->hparams.n_embd);
                r = -EINVAL;
        }
        bool ranks = s->model->hparams.pooling == POOLING_RANK;
        if (r == 0 && (a->pooling == POOLING_COUNT ? ranks : a->pooling == POOLING_RANK) && !(ranks && a->tokens.count > 0)) {
                (void) snprintf(
                        reterr->text, sizeof(reterr->text), "%s",
                        ranks ? "this model ranks pairs of texts: name the tokens of one by --tokens, or another --pooling"
                              : "--pooling rank: the model has no head for it");
                r = -EINVAL;
        }
        if (r == 0)
                r = inputs_make(&in, a, s->model);
        config->tokens_max = config->batch = in.longest;
        if (r == 0)
                r = single_open_rest(s, config, reterr);
        if (r == 0)
                r = print_inputs(s, a, &in);
        inputs_done(&in);
        return r;
}

static int run(struct arguments *a) {
        struct gguf_error error = { .text = "" };
        struct single s;
        struct single_config config = {
                .path = a->path, .threads = a->threads, .kv = a->kv, .for_ids = a->tokens.count > 0, .vectors = true
        };
        int r = single_open_model(&s, &config, &error);
        if (r == 0)
                r = embed(&s, &config, a, &error);
        if (*error.text)
                fprintf(stderr, NAME "%s\n", error.text);
        single_close(&s);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_embed(int argc, char **argv) {
        struct arguments a = { .kv = KV_F16, .pooling = POOLING_COUNT };
        int code = options_read(&line, &a, argc, argv);
        if (code == OPTIONS_READ)
                code = run(&a);
        token_list_done(&a.tokens);
        return code;
}
