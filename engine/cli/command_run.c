/*
 * command_run.c - one prompt to one answer, on the command line.
 *
 * The options become the very body that a client would send, so that `run` and the daemon cannot differ.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/bounds.h"
#include "engine/base/json_read.h"
#include "engine/cli/commands.h"
#include "engine/runtime/engine.h"
#include "engine/cli/options.h"
#include "engine/base/text_file.h"

#define PROMPT_FILE_BYTES_MAX (64u << 20) /* as much as the daemon takes */
#define TOKENS_DEFAULT        128.0

struct arguments {
        const char *path, *prompt, *file, *schema_file, *grammar_file;
        struct engine_config config;
        cJSON *body;
        bool chat, stats, json;
};

/* ---- options ---- */

#define AT(field) offsetof(struct arguments, field)

/* A number of the body, as the field KEY: its checks are the body's own. */
static int take_number(const struct option_row *o, void *at, const char *text) {
        cJSON *body = *(cJSON **) at;
        char *end;
        errno = 0;
        double value = strtod(text, &end);
        if (errno || end == text || *end)
                return -EINVAL;
        if (!strcmp(o->key, "max_tokens") && value == -1)
                value = UINT32_MAX; /* the context is the limit */
        cJSON_DeleteItemFromObjectCaseSensitive(body, o->key);
        return cJSON_AddNumberToObject(body, o->key, value) ? 0 : -ENOMEM;
}

static int take_stop(const struct option_row *o, void *at, const char *text) {
        cJSON *body = *(cJSON **) at, *list = cJSON_GetObjectItemCaseSensitive(body, "stop");
        (void) o;
        if (!list)
                list = cJSON_AddArrayToObject(body, "stop");
        return cJSON_AddItemToArray(list, cJSON_CreateString(text)) ? 0 : -ENOMEM;
}

static const struct option_row options[] = {
        { "prompt", 0, "TEXT", option_text, AT(prompt), .help = "the text to go on from" },
        { "file", 0, "FILE", option_text, AT(file), .help = "take it from a file instead; - is standard input" },
        { "chat", 0, NULL, option_flag, AT(chat), .help = "the text is a user's message: ask in the model's own turn format" },
        { NULL, 'n', "N", take_number, AT(body), .key = "max_tokens",
          .help = "tokens at most (default 128; -1: as many as the context holds)" },
        { "temp", 0, "T", take_number, AT(body), .key = "temperature",
          .help = "temperature, 0 to 5 (default 0.8; 0: always the likeliest token)" },
        { "top-k", 0, "N", take_number, AT(body), .key = "top_k", .help = "from the N likeliest tokens (default 40; 0: off)" },
        { "top-p", 0, "P", take_number, AT(body), .key = "top_p",
          .help = "from the likeliest tokens that reach this probability (default 0.95; 1: off)" },
        { "min-p", 0, "P", take_number, AT(body), .key = "min_p",
          .help = "from tokens this likely relative to the likeliest (default 0.05; 0: off)" },
        { "repeat-penalty", 0, "X", take_number, AT(body), .key = "repeat_penalty",
          .help = "over the last 64 tokens (default 1: off)" },
        { "seed", 0, "N", take_number, AT(body), .key = "seed",
          .help = "the same seed gives the same text (default: another each time)" },
        { "stop", 0, "TEXT", take_stop, AT(body), .help = "end before this text; can be given several times" },
        { "json", 0, NULL, option_flag, AT(json), .help = "the answer is a JSON object" },
        { "json-schema", 0, "FILE", option_text, AT(schema_file), .help = "the answer is JSON that satisfies this JSON Schema" },
        { "grammar", 0, "FILE", option_text, AT(grammar_file), .help = "the answer is a text of this grammar (GBNF)" },
        { "ctx", 0, "N", option_number, AT(config.ctx), 1, N_CTX_MAX,
          .help = "tokens of prompt and answer (default 4096, or what the model was trained on)" },
        { "kv", 0, "TYPE", option_kv, AT(config.kv), .help = "precision of the KV cache: f16 (default), q8_0, q4_0" },
        { "speculate", 0, "HOW", option_speculate, AT(config.speculate),
          .help = "guess the tokens to come: auto (default: while it pays), off, lookup (wherever the text\n"
                  "repeats itself)" },
        { "threads", 't', "N", option_number, AT(config.threads), 1, THREADS_MAX,
          .help = "threads (default: one per core)" },
        { "stats", 0, NULL, option_flag, AT(stats), .help = "tokens per second, on standard error" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return a->path && !a->prompt != !a->file;
}

static const struct command_line line = {
        .name = "headroom-engine run",
        .usage = { "MODEL --prompt TEXT [OPTIONS]", "MODEL --file FILE [OPTIONS]" },
        .about = "Prints the continuation of the prompt, and nothing else, on standard output as it is made.\n"
                 "Special tokens written out in the prompt become their ids; in a message of --chat they stay text.\n",
        .options = options,
        .operands = { AT(path) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one MODEL and either --prompt or --file are needed",
};

/* ---- the prompt ---- */

/* The whole file as a string, malloc'ed; NULL when it cannot be read, said on stderr. */
static char *read_text(const char *path) {
        struct text text = { 0 };
        int r = text_file_read(path, PROMPT_FILE_BYTES_MAX, &text);
        const char *problem = r == -EFBIG ? "longer than 64 MiB" : r < 0 ? strerror(-r) : NULL;
        if (!problem && memchr(text.bytes, 0, text.used))
                problem = "holds a NUL byte, so it is no text";
        if (!problem)
                return text.bytes;
        fprintf(stderr, "headroom-engine run: %s: %s\n", path, problem);
        text_done(&text);
        return NULL;
}

static bool add_prompt(const struct arguments *a, const char *text) {
        if (!a->chat)
                return cJSON_AddStringToObject(a->body, "prompt", text) != NULL;
        cJSON *message = cJSON_CreateObject();
        bool all = cJSON_AddStringToObject(message, "role", "user") && cJSON_AddStringToObject(message, "content", text);
        cJSON *messages = cJSON_AddArrayToObject(a->body, "messages");
        return cJSON_AddItemToArray(messages, message) && all;
}

/* ---- the form of the answer ---- */

static bool add_grammar(const struct arguments *a) {
        char *text = read_text(a->grammar_file);
        bool added = text && cJSON_AddStringToObject(a->body, "grammar", text);
        free(text);
        return added;
}

static bool add_schema(const struct arguments *a) {
        char *text = read_text(a->schema_file);
        cJSON *schema = text ? json_read(text, strlen(text), NULL) : NULL;
        if (text && !schema)
                fprintf(stderr, "headroom-engine run: %s: is not JSON\n", a->schema_file);
        free(text);
        return schema && cJSON_AddItemToObject(a->body, "json_schema", schema);
}

static bool add_json(const struct arguments *a) {
        cJSON *format = cJSON_AddObjectToObject(a->body, "response_format");
        return cJSON_AddStringToObject(format, "type", "json_object") != NULL;
}

/* Forms given twice are refused where every body is read. */
static bool add_form(const struct arguments *a) {
        return (!a->grammar_file || add_grammar(a)) && (!a->schema_file || add_schema(a)) && (!a->json || add_json(a));
}

/* ---- the answer ---- */

struct printer {
        bool ended, failed, stats;
        bool reasoned; /* the last piece was reasoning */
        char last;     /* byte that was written */
};

static void on_start(void *context, uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        (void) relaxed;
        (void) context, (void) id, (void) prompt_tokens, (void) cached_tokens;
}

static void on_text(void *context, uint64_t id, const struct output_chunk *chunk) {
        struct printer *p = context;
        (void) id;
        /* An empty line sets the model's reasoning apart from its answer. */
        if (p->reasoned && chunk->parsed.kind == CHUNK_CONTENT)
                fputs("\n\n", stdout);
        p->reasoned = chunk->parsed.kind == CHUNK_REASONING;
        if (chunk->parsed.length > 0)
                p->last = chunk->parsed.text[chunk->parsed.length - 1];
        if (fwrite(chunk->parsed.text, 1, chunk->parsed.length, stdout) != chunk->parsed.length || fflush(stdout)) {
                fprintf(stderr, "headroom-engine run: cannot write: %s\n", strerror(errno));
                p->failed = true;
        }
}

static double per_second(double count, double ms) {
        return ms > 0 ? count * 1000 / ms : 0;
}

static void on_end(void *context, uint64_t id, const struct output_stream_end *e) {
        struct printer *p = context;
        (void) id;
        p->ended = true;
        if (p->last != '\n')
                putchar('\n');
        if (!p->stats)
                return;
        uint32_t follow = e->completion_tokens ? e->completion_tokens - 1 : 0; /* the first comes with the prompt */
        fprintf(stderr, "prompt: %u tokens, %.1f tokens/s; answer: %u tokens, %.1f tokens/s; ended by %s\n", e->prompt_tokens,
                per_second(e->prompt_tokens, e->prefill_ms), e->completion_tokens, per_second(follow, e->decode_ms),
                e->finish == FINISH_LENGTH ? "length" : "itself");
}

static void on_embedding(void *context, uint64_t id, const struct embedding *e) {
        (void) context, (void) id, (void) e;
}

static void on_error(void *context, uint64_t id, const struct request_error *error) {
        struct printer *p = context;
        (void) id;
        fprintf(stderr, "headroom-engine run: %s\n", error->message);
        p->failed = true;
}

static void print_guesses(const struct scheduler *s) {
        struct scheduler_statistics figures = scheduler_statistics(s);
        if (figures.tokens_proposed)
                fprintf(stderr, "guessed: %llu tokens, of which %llu were right\n", (unsigned long long) figures.tokens_proposed,
                        (unsigned long long) figures.tokens_accepted);
}

static int answer(const struct arguments *a) {
        struct printer printer = { .stats = a->stats };
        struct engine_config config = a->config;
        config.path = a->path;
        config.parallel = 1;
        config.pressure_fd = readahead_open_pressure();
        config.kv_tokens = config.ctx;
        config.sink = (struct scheduler_sink){ .context = &printer,
                                               .on_start = on_start,
                                               .on_text = on_text,
                                               .on_end = on_end,
                                               .on_embedding = on_embedding,
                                               .on_error = on_error };
        struct engine e;
        struct gguf_error why = { .text = "" };
        struct request r = { 0 };
        struct request_error error;
        if (engine_open(&e, &config, &why) < 0) {
                fprintf(stderr, "headroom-engine run: %s\n", why.text);
                printer.failed = true;
        } else if (request_read(&e.rules, &(struct request_asked){ .id = 1, .kind = a->chat ? REQUEST_CHAT : REQUEST_COMPLETION },
                                a->body, &r, &error) < 0 ||
                   scheduler_submit(e.scheduler, &r, &error) < 0) {
                on_error(&printer, 1, &error);
        }
        while (!printer.ended && !printer.failed)
                scheduler_step(e.scheduler);
        if (printer.ended && a->stats)
                print_guesses(e.scheduler);
        request_done(&r);
        engine_close(&e);
        return printer.failed ? EXIT_FAILED : EXIT_DONE;
}

static int run(struct arguments *a) {
        if (!add_form(a))
                return EXIT_FAILED;
        char *text = a->file ? read_text(a->file) : strdup(a->prompt);
        if (!text)
                return EXIT_FAILED;
        bool added = add_prompt(a, text);
        free(text);
        if (added)
                return answer(a);
        fputs("headroom-engine run: out of memory\n", stderr);
        return EXIT_FAILED;
}

int command_run(int argc, char **argv) {
        struct arguments a = { .config = engine_config_default(), .body = cJSON_CreateObject() };
        cJSON_AddNumberToObject(a.body, "max_tokens", TOKENS_DEFAULT);
        int code = options_read(&line, &a, argc, argv);
        if (code == OPTIONS_READ)
                code = run(&a);
        cJSON_Delete(a.body);
        return code;
}
