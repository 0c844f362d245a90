/*
 * command_logits.c - the exact numbers a model gives for given tokens, as JSON: to compare engines, precisions and
 * kernels. The prompt goes in at once, what follows one token at a time, as a conversation would.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/cli/commands.h"
#include "engine/cli/options.h"
#include "engine/cli/single.h"
#include "engine/tokenizer/tokenizer.h"

struct arguments {
        const char *path;
        struct token_list prompt, then;
        enum kv_type kv;
        uint32_t threads, batch;
};

#define AT(field) offsetof(struct arguments, field)

static const struct option_row options[] = {
        { "tokens", 0, "LIST", option_tokens, AT(prompt), .help = "token ids of the prompt, taken in together" },
        { "then", 0, "LIST", option_tokens, AT(then), .help = "token ids that follow it, one at a time" },
        { "kv", 0, "TYPE", option_kv, AT(kv), .help = "precision of the KV cache: f16 (default), q8_0, q4_0" },
        { "batch", 'b', "N", option_number, AT(batch), 1, SINGLE_BATCH_MAX,
          .help = "tokens per pass of the prompt (default 512)" },
        { "threads", 't', "N", option_number, AT(threads), 1, THREADS_MAX, .help = "threads (default: one per core)" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->path && a->prompt.count;
}

static const struct command_line line = {
        .name = "headroom-engine logits",
        .usage = { "MODEL --tokens 1,2,3 [--then 4,5] [OPTIONS]" },
        .about = "Prints {\"steps\":[{\"position\":n,\"logits\":[...]}]}: one vector after the last of --tokens,\n"
                 "and one after each of --then.\n",
        .options = options,
        .operands = { AT(path) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one MODEL and --tokens are needed",
};

/* JSON has no infinities: a broken model shows as null. */
static void print_step(uint32_t position, const float *logits, uint32_t n, bool first) {
        printf("%s{\"position\":%u,\"logits\":[", first ? "" : ",\n", position);
        for (uint32_t i = 0; i < n; i++)
                if (isfinite(logits[i]))
                        printf("%s%.9g", i ? "," : "", (double) logits[i]);
                else
                        printf("%snull", i ? "," : "");
        fputs("]}", stdout);
}

static bool tokens_fit(const struct token_list *list, const struct hparams *s) {
        for (size_t i = 0; i < list->count; i++)
                if ((uint32_t) list->ids[i] >= s->n_vocab) {
                        fprintf(stderr, "headroom-engine logits: token %d is not below the vocabulary's %u\n", list->ids[i],
                                s->n_vocab);
                        return false;
                }
        return true;
}

static int print_all(struct single *s, const struct arguments *a) {
        const struct hparams *hparams = &s->model->hparams;
        const float *logits = NULL;
        uint32_t count = (uint32_t) a->prompt.count;
        if (!tokens_fit(&a->prompt, hparams) || !tokens_fit(&a->then, hparams))
                return EXIT_FAILED;
        int r = single_feed(s, a->prompt.ids, count, &logits);
        if (r == 0) {
                fputs("{\"steps\":[", stdout);
                print_step(count - 1, logits, hparams->n_vocab, true);
        }
        for (uint32_t i = 0; r == 0 && i < a->then.count; i++) {
                r = single_feed(s, &a->then.ids[i], 1, &logits);
                if (r == 0)
                        print_step(count + i, logits, hparams->n_vocab, false);
        }
        if (r < 0) {
                fprintf(stderr, "headroom-engine logits: %s\n", strerror(-r));
                return EXIT_FAILED;
        }
        puts("]}");
        return EXIT_DONE;
}

static int run(const struct arguments *a) {
        struct gguf_error error = { .text = "" };
        struct single s;
        uint32_t batch = a->batch ? a->batch : SINGLE_BATCH, tokens = (uint32_t) a->prompt.count;
        struct single_config config = {
                .path = a->path,
                .threads = a->threads,
                .kv = a->kv,
                .for_ids = true,
                .tokens_max = (uint32_t) (a->prompt.count + a->then.count),
                .batch = batch < tokens ? batch : tokens,
        };
        int code = EXIT_FAILED;
        if (single_open(&s, &config, &error) < 0)
                fprintf(stderr, "headroom-engine logits: %s\n", error.text);
        else
                code = print_all(&s, a);
        single_close(&s);
        return code;
}

int command_logits(int argc, char **argv) {
        struct arguments a = { .kv = KV_F16 };
        int code = options_read(&line, &a, argc, argv);
        if (code == OPTIONS_READ)
                code = run(&a);
        token_list_done(&a.prompt);
        token_list_done(&a.then);
        return code;
}
