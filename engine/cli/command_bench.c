/*
 * command_bench.c - tokens per second of one model: prefill (a prompt taken in at once) and decode (one token at a
 * time), each from the same depth of context, repeated; median, least and most.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/cli/commands.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "engine/cli/options.h"
#include "engine/cli/single.h"

#define REPEATS_MAX 1000u
#define TOKENS_MAX  (1u << 22)

struct arguments {
        const char *path;
        uint32_t prefill, decode, depth, repeats, threads, batch;
        enum kv_type kv;
        bool json;
};

/* --- options --- */

#define AT(field) offsetof(struct arguments, field)

static const struct option_row options[] = {
        { "prompt-tokens", 'p', "N", option_number, AT(prefill), 0, TOKENS_MAX,
          .help = "prefill of N tokens (default 512; 0: leave out)" },
        { "decode-tokens", 'n', "N", option_number, AT(decode), 0, TOKENS_MAX,
          .help = "decode of N tokens, one at a time (default 128; 0: leave out)" },
        { "depth", 'd', "N", option_number, AT(depth), 0, TOKENS_MAX, .help = "both after N tokens of context (default 0)" },
        { "repeat", 'r', "N", option_number, AT(repeats), 1, REPEATS_MAX, .help = "times, after one to warm up (default 5)" },
        { "threads", 't', "N", option_number, AT(threads), 1, THREADS_MAX, .help = "threads (default: one per core)" },
        { "batch", 'b', "N", option_number, AT(batch), 1, SINGLE_BATCH_MAX, .help = "tokens per pass of prefill (default 512)" },
        { "kv", 0, "TYPE", option_kv, AT(kv), .help = "precision of the KV cache: f16 (default), q8_0, q4_0" },
        { "json", 0, NULL, option_flag, AT(json),
          .help = "{\"prefill\":{\"tokens\":N,\"median\":x,\"min\":x,\"max\":x},\"decode\":{...}} in tokens/s" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->path && (a->prefill || a->decode);
}

static const struct command_line line = {
        .name = "headroom-engine bench",
        .usage = { "MODEL [OPTIONS]" },
        .about = "Measures tokens per second. The tokens themselves are arbitrary.\n",
        .options = options,
        .operands = { AT(path) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one MODEL is needed, and tokens of prefill or decode: -p 0 -n 0 leaves nothing to measure",
};

/* --- measuring --- */

struct part {
        const char *name;
        uint32_t tokens;
        double speeds[REPEATS_MAX]; /* tokens per second, ascending once all are in */
};

static double now_s(void) {
        return clock_s(CLOCK_MONOTONIC);
}

/* Tokens spread over the vocabulary; the same ones each time. */
static int32_t *make_tokens(uint32_t count, uint32_t n_vocab) {
        int32_t *tokens = malloc((count ? count : 1) * sizeof(*tokens));
        if (!tokens)
                return NULL;
        for (uint32_t i = 0; i < count; i++)
                tokens[i] = (int32_t) ((i * 2654435761u) % n_vocab);
        return tokens;
}

static int feed_one_by_one(struct single *s, const int32_t *tokens, uint32_t count) {
        const float *logits;
        int r = 0;
        for (uint32_t i = 0; r == 0 && i < count; i++)
                r = single_feed(s, tokens + i, 1, &logits);
        return r;
}

/* Runs PART from DEPTH, back to DEPTH; the speed into *ret. */
static int measure(struct single *s, const int32_t *tokens, const struct part *part, bool at_once, uint32_t depth, double *ret) {
        const float *logits;
        double start = now_s();
        int r = at_once ? single_feed(s, tokens, part->tokens, &logits) : feed_one_by_one(s, tokens, part->tokens);
        *ret = part->tokens / (now_s() - start);
        single_rewind(s, depth);
        return r;
}

static int compare_speeds(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

/* Repeats alternate between the parts, so that a drifting machine does both the same. */
static int measure_all(struct single *s, const struct arguments *a, struct part parts[2]) {
        uint32_t most = a->prefill > a->decode ? a->prefill : a->decode;
        uint32_t count = a->depth > most ? a->depth : most;
        int32_t *tokens = make_tokens(count, s->model->hparams.n_vocab);
        double ignored;
        int r = 0;
        if (!tokens)
                return -ENOMEM;
        if (a->depth)
                r = single_feed(s, tokens, a->depth, NULL);
        for (int i = 0; i < 2 && r == 0; i++)
                if (parts[i].tokens)
                        r = measure(s, tokens, &(struct part){ .tokens = parts[i].tokens < 8 ? parts[i].tokens : 8 }, i == 0,
                                    a->depth, &ignored);
        for (uint32_t n = 0; n < a->repeats; n++)
                for (int i = 0; i < 2 && r == 0; i++)
                        if (parts[i].tokens)
                                r = measure(s, tokens, &parts[i], i == 0, a->depth, &parts[i].speeds[n]);
        for (int i = 0; i < 2; i++)
                qsort(parts[i].speeds, a->repeats, sizeof(double), compare_speeds);
        free(tokens);
        return r;
}

/* --- printing --- */

static double median(const double *sorted, uint32_t count) {
        return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static void print_json(const struct part parts[2], uint32_t repeats) {
        const char *separator = "{";
        for (int i = 0; i < 2; i++) {
                const struct part *p = &parts[i];
                if (!p->tokens)
                        continue;
                printf("%s\"%s\":{\"tokens\":%u,\"median\":%.3f,\"min\":%.3f,\"max\":%.3f}", separator, p->name, p->tokens,
                       median(p->speeds, repeats), p->speeds[0], p->speeds[repeats - 1]);
                separator = ",";
        }
        puts("}");
}

static void print_table(const struct single *s, const struct arguments *a, const struct part parts[2]) {
        const struct hparams *hparams = &s->model->hparams;
        printf("%s %s, %.1f M parameters, %.1f MiB; %u threads, %s kernels, %s KV", *hparams->name ? hparams->name : a->path,
               hparams->quantization, (double) hparams->parameters * 1e-6, (double) hparams->weights_bytes / (1 << 20),
               threads_width(s->threads), kernels_get()->name, kv_type_name(a->kv));
        if (a->depth)
                printf(", after %u tokens", a->depth);
        printf("\n\n%-8s %7s %12s %12s %12s\n", "", "tokens", "median t/s", "least", "most");
        for (int i = 0; i < 2; i++)
                if (parts[i].tokens)
                        printf("%-8s %7u %12.2f %12.2f %12.2f\n", parts[i].name, parts[i].tokens,
                               median(parts[i].speeds, a->repeats), parts[i].speeds[0], parts[i].speeds[a->repeats - 1]);
}

static int run_opened(struct single *s, const struct arguments *a) {
        static struct part parts[2];
        parts[0] = (struct part){ .name = "prefill", .tokens = a->prefill };
        parts[1] = (struct part){ .name = "decode", .tokens = a->decode };
        int r = measure_all(s, a, parts);
        if (r < 0) {
                fprintf(stderr, "headroom-engine bench: %s\n", strerror(-r));
                return EXIT_FAILED;
        }
        if (a->json)
                print_json(parts, a->repeats);
        else
                print_table(s, a, parts);
        return EXIT_DONE;
}

int command_bench(int argc, char **argv) {
        struct arguments a = { .prefill = 512, .decode = 128, .repeats = 5 };
        int code = options_read(&line, &a, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        uint32_t most = a.prefill > a.decode ? a.prefill : a.decode;
        struct single_config config = {
                .path = a.path, .threads = a.threads, .kv = a.kv, .tokens_max = a.depth + most, .batch = a.batch
        };
        struct gguf_error error = { .text = "" };
        struct single s;
        code = EXIT_FAILED;
        if (single_open(&s, &config, &error) < 0)
                fprintf(stderr, "headroom-engine bench: %s\n", error.text);
        else
                code = run_opened(&s, &a);
        single_close(&s);
        return code;
}
