/*
 * command_template.c - headroom-engine template: a conversation as the chat template of a model (or of a text file) writes it. Reads
 * no tensor, so files that hold only a vocabulary will do.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/bounds.h"
#include "engine/base/json_read.h"
#include "engine/chat/template.h"
#include "engine/cli/commands.h"
#include "engine/gguf/path.h"
#include "engine/jinja_value/bounds.h"
#include "engine/cli/options.h"
#include "engine/base/printable.h"
#include "engine/base/text_file.h"

#define NAME           "headroom-engine template: "
#define JSON_BYTES_MAX (256u << 20)

struct arguments {
        const char *model, *file;                 /* one of them */
        const char *messages, *tools, *variables; /* files of JSON; all but the first may be NULL */
        const char *bos, *eos;                    /* with FILE */
        bool no_generation, as_given, marks;
        uint32_t now;
};

/* ---- options ---- */

#define AT(field) offsetof(struct arguments, field)

static const struct option_row options[] = {
        { "messages", 0, "FILE", option_text, AT(messages),
          .help = "the conversation: a JSON list as the API takes it (\"-\": standard input)" },
        { "tools", 0, "FILE", option_text, AT(tools), .help = "tools that the model may call: a JSON list" },
        { "variables", 0, "FILE", option_text, AT(variables), .help = "further variables of the template: a JSON object" },
        { "file", 0, "TEMPLATE", option_text, AT(file),
          .help = "the template is this text; --bos and --eos are what it finds as bos_token and eos_token" },
        { "bos", 0, "TEXT", option_text, AT(bos), .help = "with --file: how texts begin (default: empty)" },
        { "eos", 0, "TEXT", option_text, AT(eos), .help = "with --file: how texts end (default: empty)" },
        { "no-generation", 0, NULL, option_flag, AT(no_generation), .help = "leave the opening of the assistant's turn out" },
        { "as-given", 0, NULL, option_flag, AT(as_given),
          .help = "give the messages to the template as they are: no system message folded into a user's,\n"
                  "no parts joined, no arguments of calls parsed" },
        { "marks", 0, NULL, option_flag, AT(marks),
          .help = "put what came with the conversation, and so can hold no special token, between U+2983 and U+2984" },
        { "now", 0, "SECONDS", option_number, AT(now), .help = "the template's time, since 1970 (default: now)" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct arguments *a = arguments;
        return !a->model != !a->file && a->messages;
}

static const struct command_line line = {
        .name = "headroom-engine template",
        .usage = { "MODEL --messages FILE [OPTIONS]", "--file TEMPLATE --messages FILE [OPTIONS]" },
        .about =
                "Prints a conversation as the model's chat template writes it. MODEL is a GGUF file; its vocabulary is enough.\n",
        .options = options,
        .operands = { AT(model) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one MODEL or --file, and --messages, are needed",
};

static int complain(const char *path, const char *what) {
        char shown[256];
        fprintf(stderr, NAME "%s: %s\n", printable_copy(shown, sizeof(shown), path, strlen(path)), what);
        return -EINVAL;
}

/* ---- input ---- */

/* PATH NULL: *ret is NULL. LIST: it must be one, else an object. */
static int read_json(const char *path, bool list, cJSON **ret) {
        struct text text;
        *ret = NULL;
        if (!path)
                return 0;
        int r = text_file_read(path, JSON_BYTES_MAX, &text);
        if (r < 0)
                return complain(path, strerror(-r));
        cJSON *json = json_read(text.bytes, text.used, NULL);
        text_done(&text);
        if (list ? cJSON_IsArray(json) : cJSON_IsObject(json)) {
                *ret = json;
                return 0;
        }
        cJSON_Delete(json);
        return complain(path, list ? "is no JSON list" : "is no JSON object");
}

/* ---- rendering ---- */

static void print_prompt(const struct chat_prompt *p, bool marks) {
        size_t at = 0;
        for (size_t i = 0; i < p->spans_count; at += p->spans[i++].length) {
                bool outside = marks && !p->spans[i].markup && p->spans[i].token == TOKEN_NONE;
                fputs(outside ? "\u2983" : "", stdout);
                (void) fwrite(p->text + at, 1, p->spans[i].length, stdout);
                fputs(outside ? "\u2984" : "", stdout);
        }
}

static int render(const struct arguments *a, const struct chat_template *c, const struct chat_conversation *conversation,
                  const char *bos, const char *eos) {
        const char *path = a->file ? a->file : a->model;
        struct chat_prompt prompt = { .bos = TOKEN_NONE, .eos = TOKEN_NONE };
        struct gguf_error error;
        if (c->warning[0] && !a->as_given)
                (void) complain(path, c->warning);
        int r = chat_template_render(c, conversation, bos, eos, &prompt, &error);
        if (r < 0)
                (void) complain(path, error.text);
        else
                print_prompt(&prompt, a->marks);
        chat_prompt_done(&prompt);
        return r;
}

static int render_file(const struct arguments *a, const struct chat_conversation *conversation) {
        struct chat_template c;
        struct text text;
        const char *bos = a->bos ? a->bos : "", *eos = a->eos ? a->eos : "";
        int r = text_file_read(a->file, 2 * (size_t) JINJA_TEXT_BYTES_MAX, &text);
        if (r < 0)
                return complain(a->file, strerror(-r));
        r = chat_template_init_text(&c, text.bytes, text.used, bos, eos);
        text_done(&text);
        r = r < 0 ? complain(a->file, strerror(-r)) : render(a, &c, conversation, bos, eos);
        chat_template_done(&c);
        return r;
}

/* How the vocabulary spells a token; the caller frees it. */
static char *spelling(const struct tokenizer *t, int32_t id) {
        size_t length = id == TOKEN_NONE ? 0 : tokenizer_piece(t, id, true, false, NULL, 0);
        char *text = calloc(1, length + 1);
        if (text && length)
                (void) tokenizer_piece(t, id, true, false, text, length);
        return text;
}

static int render_tokenized(const struct arguments *a, const struct gguf *g, const struct tokenizer *t,
                            const struct chat_conversation *conversation) {
        struct chat_template c = { .jinja = NULL };
        char *bos = spelling(t, tokenizer_bos(t)), *eos = spelling(t, tokenizer_eos(t));
        int r = bos && eos ? chat_template_init(&c, g, t) : -ENOMEM;
        r = r < 0 ? complain(a->model, strerror(-r)) : render(a, &c, conversation, bos, eos);
        chat_template_done(&c);
        free(bos);
        free(eos);
        return r;
}

static int render_model(const struct arguments *a, const struct chat_conversation *conversation) {
        struct gguf *g;
        struct tokenizer *t;
        struct gguf_error error;
        int r = gguf_open_path(a->model, &g, &error);
        if (r < 0) {
                fprintf(stderr, NAME "%s\n", error.text);
                return r;
        }
        r = tokenizer_new(g, &t, &error);
        if (r < 0) {
                (void) complain(a->model, error.text);
        } else {
                r = render_tokenized(a, g, t, conversation);
                tokenizer_free(t);
        }
        gguf_close(g);
        return r;
}

int command_template(int argc, char **argv) {
        struct arguments a = { .model = NULL };
        cJSON *messages = NULL, *tools = NULL, *variables = NULL;
        int code = options_read(&line, &a, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        tzset();
        int r = 0;
        if (read_json(a.messages, true, &messages) < 0 || read_json(a.tools, true, &tools) < 0 ||
            read_json(a.variables, false, &variables) < 0)
                r = -EINVAL;
        if (cJSON_GetArraySize(variables) > (int) REQUEST_VARIABLES_MAX)
                r = complain(a.variables, "has too many members");
        struct chat_conversation conversation = { .messages = messages,
                                                  .tools = tools,
                                                  .variables = variables,
                                                  .add_generation = !a.no_generation,
                                                  .as_given = a.as_given,
                                                  .now = a.now };
        if (r == 0)
                r = a.file ? render_file(&a, &conversation) : render_model(&a, &conversation);
        cJSON_Delete(messages);
        cJSON_Delete(tools);
        cJSON_Delete(variables);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
