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

#include "engine/bounds.h"
#include "engine/commands.h"
#include "engine/engine.h"
#include "engine/options.h"
#include "engine/text_file.h"

#define PROMPT_FILE_BYTES_MAX (64u << 20) /* as much as the daemon takes */
#define TOKENS_DEFAULT        128.0

static const char help[] = "usage: headroom-engine run MODEL --prompt TEXT [OPTIONS]\n\n"
                           "Prints the continuation of the prompt, and nothing else, on standard output as it is made.\n"
                           "Special tokens written out in the prompt become their ids; in a message of --chat they stay text.\n\n"
                           "  --prompt TEXT        the text to go on from\n"
                           "  --file FILE          take it from a file instead; - is standard input\n"
                           "  --chat               the text is a user's message: ask in the model's own turn format\n"
                           "  -n N                 tokens at most (default 128; -1: as many as the context holds)\n"
                           "  --temp T             temperature, 0 to 5 (default 0.8; 0: always the likeliest token)\n"
                           "  --top-k N            from the N likeliest tokens (default 40; 0: off)\n"
                           "  --top-p P            from the likeliest tokens that reach this probability (default 0.95; 1: off)\n"
                           "  --min-p P            from tokens this likely relative to the likeliest (default 0.05; 0: off)\n"
                           "  --repeat-penalty X   over the last 64 tokens (default 1: off)\n"
                           "  --seed N             the same seed gives the same text (default: another each time)\n"
                           "  --stop TEXT          end before this text; can be given several times\n"
                           "  --json               the answer is a JSON object\n"
                           "  --json-schema FILE   the answer is JSON that satisfies this JSON Schema\n"
                           "  --grammar FILE       the answer is a text of this grammar (GBNF)\n"
                           "  --ctx N              tokens of prompt and answer (default 4096, or what the model was trained on)\n"
                           "  --kv TYPE            precision of the KV cache: f16 (default), q8_0, q4_0\n"
                           "  --threads N          threads (default: one per processor)\n"
                           "  --stats              tokens per second, on standard error\n";

struct arguments {
        const char *path, *prompt, *file, *schema_file, *grammar_file;
        struct engine_config config;
        cJSON *body;
        bool chat, stats, json;
};

enum {
        OPTION_PROMPT = 256,
        OPTION_FILE,
        OPTION_CHAT,
        OPTION_STOP,
        OPTION_CTX,
        OPTION_KV,
        OPTION_STATS,
        OPTION_JSON,
        OPTION_SCHEMA,
        OPTION_GRAMMAR,
        OPTION_FIELDS
};

/* Options that are numbers of the body: their checks are the body's own. */
static const char *const fields[] = { "max_tokens", "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed" };

static const struct option names[] = {
        { "prompt", required_argument, NULL, OPTION_PROMPT },
        { "file", required_argument, NULL, OPTION_FILE },
        { "chat", no_argument, NULL, OPTION_CHAT },
        { "stop", required_argument, NULL, OPTION_STOP },
        { "ctx", required_argument, NULL, OPTION_CTX },
        { "kv", required_argument, NULL, OPTION_KV },
        { "stats", no_argument, NULL, OPTION_STATS },
        { "json", no_argument, NULL, OPTION_JSON },
        { "json-schema", required_argument, NULL, OPTION_SCHEMA },
        { "grammar", required_argument, NULL, OPTION_GRAMMAR },
        { "temp", required_argument, NULL, OPTION_FIELDS + 1 },
        { "top-k", required_argument, NULL, OPTION_FIELDS + 2 },
        { "top-p", required_argument, NULL, OPTION_FIELDS + 3 },
        { "min-p", required_argument, NULL, OPTION_FIELDS + 4 },
        { "repeat-penalty", required_argument, NULL, OPTION_FIELDS + 5 },
        { "seed", required_argument, NULL, OPTION_FIELDS + 6 },
        { "threads", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

/* ---- options ---- */

static int set_number(cJSON *body, const char *field, const char *text) {
        char *end;
        errno = 0;
        double value = strtod(text, &end);
        if (errno || end == text || *end)
                return -EINVAL;
        if (!strcmp(field, "max_tokens") && value == -1)
                value = UINT32_MAX; /* the context is the limit */
        cJSON_DeleteItemFromObjectCaseSensitive(body, field);
        return cJSON_AddNumberToObject(body, field, value) ? 0 : -ENOMEM;
}

static int add_stop(cJSON *body, const char *text) {
        cJSON *list = cJSON_GetObjectItemCaseSensitive(body, "stop");
        if (!list)
                list = cJSON_AddArrayToObject(body, "stop");
        return cJSON_AddItemToArray(list, cJSON_CreateString(text)) ? 0 : -ENOMEM;
}

static int take_option(void *arguments, int option, const char *value) {
        struct arguments *a = arguments;
        if (option >= OPTION_FIELDS)
                return set_number(a->body, fields[option - OPTION_FIELDS], value);
        switch (option) {
        case OPTION_PROMPT: a->prompt = value; return 0;
        case OPTION_FILE: a->file = value; return 0;
        case OPTION_CHAT: a->chat = true; return 0;
        case OPTION_STATS: a->stats = true; return 0;
        case OPTION_JSON: a->json = true; return 0;
        case OPTION_SCHEMA: a->schema_file = value; return 0;
        case OPTION_GRAMMAR: a->grammar_file = value; return 0;
        case OPTION_STOP: return add_stop(a->body, value);
        case OPTION_CTX: return option_u32(value, 1, N_CTX_MAX, &a->config.ctx);
        case OPTION_KV: return kv_type_by_name(value, &a->config.kv);
        case 't': return option_u32(value, 1, THREADS_MAX, &a->config.threads);
        case 'n': return set_number(a->body, "max_tokens", value);
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct arguments *a, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "run", help, "n:t:h", names, take_option };
        int code = options_read(&known, a, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped)
                return code;
        if (optind + 1 != argc || !a->prompt == !a->file) {
                fputs("headroom-engine run: one MODEL and either --prompt or --file are needed; see --help\n", stderr);
                return EXIT_USAGE;
        }
        a->path = argv[optind];
        return EXIT_DONE;
}

/* ---- the prompt ---- */

/* The whole file as a string, malloc'ed; NULL when it cannot be read, said on stderr. */
static char *read_text(const char *path) {
        struct text_file text = { 0 };
        int r = text_file_read(path, PROMPT_FILE_BYTES_MAX, &text);
        const char *problem = r == -EFBIG ? "longer than 64 MiB" : r < 0 ? strerror(-r) : NULL;
        if (!problem && memchr(text.bytes, 0, text.length))
                problem = "holds a NUL byte, so it is no text";
        if (!problem)
                return text.bytes;
        fprintf(stderr, "headroom-engine run: %s: %s\n", path, problem);
        free(text.bytes);
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
        cJSON *schema = text ? cJSON_Parse(text) : NULL;
        if (text && !schema)
                fprintf(stderr, "headroom-engine run: %s: is not JSON\n", a->schema_file);
        free(text);
        return schema && cJSON_AddItemToObject(a->body, "json_schema", schema);
}

static bool add_json(const struct arguments *a) {
        cJSON *format = cJSON_AddObjectToObject(a->body, "response_format");
        return cJSON_AddStringToObject(format, "type", "json_object") != NULL;
}

/* What is asked for twice is refused where every body is read. */
static bool add_form(const struct arguments *a) {
        return (!a->grammar_file || add_grammar(a)) && (!a->schema_file || add_schema(a)) && (!a->json || add_json(a));
}

/* ---- the answer ---- */

struct printer {
        bool ended, failed, stats;
        bool reasoned; /* the last piece was reasoning */
};

static void on_start(void *context, uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens) {
        (void) context, (void) id, (void) prompt_tokens, (void) cached_tokens;
}

static void on_text(void *context, uint64_t id, const struct answer_piece *piece) {
        struct printer *p = context;
        (void) id;
        /* What a model thought is told apart from what it says by an empty line. */
        if (p->reasoned && piece->part.kind == REPLY_CONTENT)
                fputs("\n\n", stdout);
        p->reasoned = piece->part.kind == REPLY_REASONING;
        if (fwrite(piece->part.text, 1, piece->part.length, stdout) != piece->part.length || fflush(stdout)) {
                fprintf(stderr, "headroom-engine run: cannot write: %s\n", strerror(errno));
                p->failed = true;
        }
}

static double per_second(double count, double ms) {
        return ms > 0 ? count * 1000 / ms : 0;
}

static void on_end(void *context, uint64_t id, const struct answer_end *e) {
        struct printer *p = context;
        (void) id;
        p->ended = true;
        if (isatty(STDOUT_FILENO))
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

static int answer(const struct arguments *a) {
        struct printer printer = { .stats = a->stats };
        struct engine_config config = a->config;
        config.path = a->path;
        config.parallel = 1;
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
        } else if (request_read(&e.rules, 1, a->chat ? REQUEST_CHAT : REQUEST_COMPLETION, a->body, &r, &error) < 0 ||
                   scheduler_submit(e.scheduler, &r, &error) < 0) {
                on_error(&printer, 1, &error);
        }
        while (!printer.ended && !printer.failed)
                scheduler_step(e.scheduler);
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
        bool helped = false;
        int code = parse(&a, argc, argv, &helped);
        if (code == EXIT_DONE && !helped)
                code = run(&a);
        cJSON_Delete(a.body);
        return code;
}
