/*
 * command_perplexity.c - how well a model predicts a text (perplexity.h says how it is counted), for one precision of the
 * KV cache or for all, chunk by chunk: what is in memory is the text's tokens and one chunk.
 *
 * All precisions see one chunk after the other, so their differences are known token by token without keeping the text's
 * losses. One cache serves them: its blocks begin with another type each time.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/cli/commands.h"
#include "engine/model/fingerprint.h"
#include "engine/cli/options.h"
#include "engine/cli/perplexity.h"
#include "engine/model/perplexity_record.h"
#include "engine/base/printable.h"
#include "engine/cli/single.h"
#include "engine/base/text_file.h"
#include "engine/tokenizer/tokenizer.h"

#define TEXT_BYTES_MAX  (64u << 20) /* tokens are in memory: a quarter of that to four times as much */
#define CONTEXT_DEFAULT 512u        /* the context of the tables published with llama.cpp */
#define LOGITS_ROWS     16u         /* vectors of the vocabulary's size at once: 8 MiB for 128k tokens */
#define PROGRESS_S      10.0        /* between two lines where progress is no terminal's */

struct arguments {
        const char *path, *text;
        bool kv[KV_TYPE_COUNT];
        bool all, save, json, quiet;
        uint32_t context, chunks, threads;
};

/* ---- options ---- */

#define AT(field) offsetof(struct arguments, field)

static int take_kv(const struct option_row *o, void *at, const char *value) {
        struct arguments *a = at;
        enum kv_type type = KV_F16;
        a->all = !strcmp(value, "all");
        int r = a->all ? 0 : option_kv(o, &type, value);
        for (unsigned i = 0; i < KV_TYPE_COUNT; i++)
                a->kv[i] = a->all || i == type;
        return r;
}

static const struct option_row options[] = {
        { "kv", 0, "TYPE", take_kv, 0,
          .help = "precision of the KV cache: f16 (default), q8_0, q4_0; all: each, and what it costs against f16" },
        { "context", 0, "N", option_number, AT(context), 8, N_CTX_MAX, .help = "tokens of a chunk (default 512)" },
        { "chunks", 0, "N", option_number, AT(chunks), 1, UINT32_MAX,
          .help = "at most so many chunks, from the beginning (default: all)" },
        { "threads", 't', "N", option_number, AT(threads), 1, THREADS_MAX, .help = "threads (default: one per core)" },
        { "save", 0, NULL, option_flag, AT(save), .help = "remember the result, for `headroomctl fit` to show" },
        { "json", 0, NULL, option_flag, AT(json), .help = "one JSON object instead of text" },
        { "quiet", 'q', NULL, option_flag, AT(quiet), .help = "no progress on standard error" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->text;
}

static const struct command_line line = {
        .name = "headroom-engine perplexity",
        .usage = { "MODEL FILE [OPTIONS]" },
        .about =
                "Measures the perplexity of a text (- is standard input), e to the mean of what a token costs in nats. The text\n"
                "is cut into chunks of the context length; the second half of each is counted, seen after all before it in the\n"
                "chunk, the first token of which is the vocabulary's beginning of a text (BOS) where it has one. The error is the\n"
                "standard error of the mean.\n",
        .options = options,
        .operands = { AT(path), AT(text) },
        .operands_count = 2,
        .complete = complete,
        .needs = "one MODEL and one FILE are needed",
};

static int failed(const char *what, const char *why) {
        fprintf(stderr, "headroom-engine perplexity: %s: %s\n", what, why);
        return EXIT_FAILED;
}

/* ---- measuring ---- */

struct measurement {
        const struct arguments *arguments;
        struct single single;
        struct token_list tokens;
        struct perplexity_cut cut;
        struct running_mean losses[KV_TYPE_COUNT];
        struct running_mean differences[KV_TYPE_COUNT]; /* from f16, where that is measured too */
        int32_t *chunk;                                 /* cut.context */
        double *exact;                                  /* of this chunk, f16's losses; cut.counted */
        double begun_s, told_s;
};

static double now_s(void) {
        return clock_s(CLOCK_MONOTONIC);
}

static void note_loss(struct measurement *m, enum kv_type type, uint32_t index, double loss) {
        running_mean_add(&m->losses[type], loss);
        if (type == KV_F16)
                m->exact[index] = loss;
        else if (m->arguments->kv[KV_F16])
                running_mean_add(&m->differences[type], loss - m->exact[index]);
}

/* The pass has given hidden states for COUNT tokens from position FROM of the chunk. */
static void note_losses(struct measurement *m, enum kv_type type, uint32_t from, uint32_t count, const float *hidden) {
        const struct hparams *s = &m->single.model->hparams;
        for (uint32_t done = 0, rows; done < count; done += rows) {
                rows = count - done < LOGITS_ROWS ? count - done : LOGITS_ROWS;
                const float *logits = transformer_logits(m->single.transformer, hidden + done * (size_t) s->n_embd, rows);
                for (uint32_t i = 0; i < rows; i++)
                        note_loss(m, type, from + done + i - m->cut.first,
                                  perplexity_loss(logits + i * (size_t) s->n_vocab, s->n_vocab,
                                                  (uint32_t) m->chunk[from + done + i + 1]));
        }
}

/* The last token of a chunk foretells what is not in it, so it is not computed. */
static int measure_chunk(struct measurement *m, enum kv_type type) {
        struct single *s = &m->single;
        kv_cache_begin_with(s->cache, type);
        int r = single_feed(s, m->chunk, m->cut.first, NULL);
        if (r == 0)
                r = kv_sequence_grow(s->cache, &s->sequence, m->cut.counted);
        for (uint32_t at = m->cut.first, end = at + m->cut.counted, count; r == 0 && at < end; at += count) {
                count = end - at < s->batch ? end - at : s->batch;
                struct transformer_item item = {
                        .sequence = &s->sequence, .tokens = m->chunk + at, .count = count, .want = WANT_HIDDEN
                };
                transformer_run(s->transformer, &item, 1);
                note_losses(m, type, at, count, item.result);
        }
        single_rewind(s, 0);
        return r;
}

static void take_chunk(struct measurement *m, uint64_t number) {
        const struct tokenizer *t = m->single.model->tokenizer;
        memcpy(m->chunk, m->tokens.ids + number * m->cut.context, m->cut.context * sizeof(*m->chunk));
        if (tokenizer_adds_bos(t) && tokenizer_bos(t) != TOKEN_NONE)
                m->chunk[0] = tokenizer_bos(t);
}

/* A line that is written over on a terminal, and one now and then elsewhere. */
static void tell_progress(struct measurement *m, uint64_t done) {
        bool terminal = isatty(STDERR_FILENO), last = done == m->cut.chunks;
        double now = now_s(), left_s = (now - m->begun_s) / (double) done * (double) (m->cut.chunks - done);
        if (m->arguments->quiet || (!terminal && !last && now - m->told_s < PROGRESS_S))
                return;
        m->told_s = now;
        fprintf(stderr, "%schunk %llu of %llu", terminal ? "\r\033[K" : "", (unsigned long long) done,
                (unsigned long long) m->cut.chunks);
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                if (m->arguments->kv[type])
                        fprintf(stderr, "  %s %.4f", kv_type_name((enum kv_type) type), exp(m->losses[type].mean));
        fprintf(stderr, "  %.0f s left%s", left_s, terminal && !last ? "" : "\n");
}

static int measure(struct measurement *m) {
        m->begun_s = m->told_s = now_s();
        for (uint64_t i = 0; i < m->cut.chunks; i++) {
                take_chunk(m, i);
                for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                        int r = m->arguments->kv[type] ? measure_chunk(m, (enum kv_type) type) : 0;
                        if (r < 0)
                                return r;
                }
                tell_progress(m, i + 1);
        }
        return 0;
}

/* ---- telling ---- */

static void set_record(const struct measurement *m, struct perplexity_record *ret) {
        struct perplexity_record r = { .tokens = m->tokens.count, .counted = m->cut.total, .context = m->cut.context };
        const char *slash = strrchr(m->arguments->text, '/'), *name = slash ? slash + 1 : m->arguments->text;
        time_t now = time(NULL);
        struct tm utc;
        (void) printable_copy(r.text, sizeof(r.text), name, strlen(name));
        (void) strftime(r.measured, sizeof(r.measured), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const struct running_mean *loss = &m->losses[type], *more = &m->differences[type];
                r.kv[type] = (struct perplexity_of_kv){
                        .known = loss->count > 0 && isfinite(loss->mean),
                        .perplexity = exp(loss->mean),
                        .error = exp(loss->mean) * running_mean_error(loss),
                        .compared = more->count > 0,
                        .difference = more->mean,
                        .difference_error = running_mean_error(more),
                };
        }
        *ret = r;
}

static void print_text(const struct measurement *m, const struct perplexity_record *r) {
        const struct hparams *s = &m->single.model->hparams;
        printf("%s %s; %s: %llu tokens in %llu chunks of %u, %llu counted\n\n", *s->name ? s->name : m->arguments->path,
               s->quantization, r->text, (unsigned long long) r->tokens, (unsigned long long) m->cut.chunks, r->context,
               (unsigned long long) r->counted);
        printf("%-5s %12s %10s %10s %10s %22s\n", "KV", "PERPLEXITY", "ERROR", "NATS", "ERROR", "MORE THAN f16");
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const struct perplexity_of_kv *k = &r->kv[type];
                const struct running_mean *loss = &m->losses[type];
                if (!m->arguments->kv[type])
                        continue;
                printf("%-5s %12.4f %10.4f %10.5f %10.5f", kv_type_name((enum kv_type) type), k->perplexity, k->error, loss->mean,
                       running_mean_error(loss));
                if (k->compared)
                        printf(" %12.3f %% +- %.3f", 100 * expm1(k->difference), 100 * exp(k->difference) * k->difference_error);
                putchar('\n');
        }
}

/* JSON has no infinities: a model that gives a token no chance at all shows as null. */
static void print_number(const char *name, double value, const char *after) {
        if (isfinite(value))
                printf("\"%s\":%.9g%s", name, value, after);
        else
                printf("\"%s\":null%s", name, after);
}

static void print_json(const struct measurement *m, const struct perplexity_record *r) {
        const struct tokenizer *t = m->single.model->tokenizer;
        printf("{\"tokens\":%llu,\"context\":%u,\"chunks\":%llu,\"counted\":%llu,\"bos\":%s,\"seconds\":%.3f,\"kv\":{",
               (unsigned long long) r->tokens, r->context, (unsigned long long) m->cut.chunks, (unsigned long long) r->counted,
               tokenizer_adds_bos(t) && tokenizer_bos(t) != TOKEN_NONE ? "true" : "false", now_s() - m->begun_s);
        const char *separator = "";
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                const struct perplexity_of_kv *k = &r->kv[type];
                if (!m->arguments->kv[type])
                        continue;
                printf("%s\"%s\":{", separator, kv_type_name((enum kv_type) type));
                print_number("perplexity", k->perplexity, ",");
                print_number("perplexity_error", k->error, ",");
                print_number("nll", m->losses[type].mean, ",");
                print_number("nll_error", running_mean_error(&m->losses[type]), k->compared ? "," : "");
                if (k->compared) {
                        print_number("difference", k->difference, ",");
                        print_number("difference_error", k->difference_error, "");
                }
                putchar('}');
                separator = ",";
        }
        puts("}}");
}

static int save(const struct measurement *m, const struct perplexity_record *r) {
        uint64_t identity;
        int result = model_identity_of_path(m->arguments->path, &identity);
        if (result == 0)
                result = perplexity_record_save(identity, r);
        if (result < 0)
                return failed("the result cannot be saved", strerror(-result));
        char *path = perplexity_record_path(identity);
        if (path && !m->arguments->quiet)
                fprintf(stderr, "saved as %s\n", path);
        free(path);
        return EXIT_DONE;
}

/* ---- the whole ---- */

static int read_tokens(struct measurement *m) {
        struct text text = { 0 };
        const char *path = m->arguments->text;
        int r = text_file_read(path, TEXT_BYTES_MAX, &text);
        if (r < 0)
                return failed(path, r == -EFBIG ? "longer than 64 MiB; give a part of it" : strerror(-r));
        r = tokenizer_encode(m->single.model->tokenizer, text.bytes, text.used, true, false, &m->tokens);
        text_done(&text);
        if (r < 0)
                return failed(path, strerror(-r));
        for (size_t i = 0; i < m->tokens.count; i++)
                if ((uint32_t) m->tokens.ids[i] >= m->single.model->hparams.n_vocab)
                        return failed(path, "the tokenizer knows a token of this text that the model has no weights for");
        if (perplexity_cut(m->tokens.count, m->arguments->context, m->arguments->chunks, &m->cut) < 0)
                return failed(path, "shorter than 4 tokens, of which none would count; give a longer text");
        return EXIT_DONE;
}

/* Of `all`, what this model's heads can be stored as. */
static int choose_types(const struct measurement *m, struct arguments *a) {
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++) {
                if (!a->kv[type] || kv_cache_can_hold(m->single.cache, (enum kv_type) type))
                        continue;
                a->kv[type] = false;
                if (!a->all)
                        return failed(a->path, "the heads of this model cannot be stored so; give --kv f16");
                fprintf(stderr, "the heads of this model cannot be stored as %s: left out\n", kv_type_name((enum kv_type) type));
        }
        return EXIT_DONE;
}

static int run_opened(struct measurement *m, struct arguments *a) {
        struct perplexity_record record;
        int code = choose_types(m, a);
        if (code == EXIT_DONE)
                code = read_tokens(m);
        if (code != EXIT_DONE)
                return code;
        m->chunk = calloc(m->cut.context, sizeof(*m->chunk));
        m->exact = calloc(m->cut.counted, sizeof(*m->exact));
        int r = m->chunk && m->exact ? measure(m) : -ENOMEM;
        if (r < 0)
                return failed(a->path, strerror(-r));
        set_record(m, &record);
        if (a->json)
                print_json(m, &record);
        else
                print_text(m, &record);
        return a->save ? save(m, &record) : EXIT_DONE;
}

int command_perplexity(int argc, char **argv) {
        struct arguments a = { .kv = { [KV_F16] = true }, .context = CONTEXT_DEFAULT };
        int code = options_read(&line, &a, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        struct measurement m = { .arguments = &a };
        struct gguf_error error = { .text = "" };
        const struct single_config config = {
                .path = a.path,
                .threads = a.threads,
                .tokens_max = a.context,
                .batch = a.context < SINGLE_BATCH ? a.context : SINGLE_BATCH,
                .logits = LOGITS_ROWS,
        };
        if (single_open(&m.single, &config, &error) < 0) {
                fprintf(stderr, "headroom-engine perplexity: %s\n", error.text);
                code = EXIT_FAILED;
        } else {
                code = run_opened(&m, &a);
        }
        single_close(&m.single);
        token_list_done(&m.tokens);
        free(m.chunk);
        free(m.exact);
        return code;
}
