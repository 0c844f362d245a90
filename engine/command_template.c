/*
 * command_template.c - headroom-engine template: a conversation as the chat template of a model (or of a text file) writes it. Reads
 * no tensor, so files that hold only a vocabulary will do.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/bounds.h"
#include "engine/chat_template.h"
#include "engine/commands.h"
#include "engine/gguf.h"
#include "engine/jinja/bounds.h"
#include "engine/model_files.h"
#include "engine/options.h"
#include "engine/printable.h"
#include "engine/text_file.h"

#define NAME           "headroom-engine template: "
#define JSON_BYTES_MAX (256u << 20)

struct options {
        const char *model, *file;                 /* one of them */
        const char *messages, *tools, *variables; /* files of JSON; all but the first may be NULL */
        const char *bos, *eos;                    /* with FILE */
        bool no_generation, as_given, marks;
        uint32_t now;
};

static const char help[] =
        "usage: headroom-engine template MODEL --messages FILE [...]\n"
        "       headroom-engine template --file TEMPLATE --messages FILE [--bos TEXT] [--eos TEXT] [...]\n\n"
        "Prints a conversation as the model's chat template writes it. MODEL is a GGUF file; its vocabulary is enough.\n\n"
        "  --messages FILE   the conversation: a JSON list as the API takes it (\"-\": standard input)\n"
        "  --tools FILE      tools that the model may call: a JSON list\n"
        "  --variables FILE  further variables of the template: a JSON object\n"
        "  --file TEMPLATE   the template is this text; --bos and --eos are what it finds as bos_token and eos_token\n"
        "  --no-generation   leave the opening of the assistant's turn out\n"
        "  --as-given        give the messages to the template as they are: no system message folded into a user's, no parts\n"
        "                    joined, no arguments of calls parsed\n"
        "  --marks           put what came with the conversation, and so can hold no special token, between U+2983 and U+2984\n"
        "  --now SECONDS     the time that the template is told, since 1970 (default: now)\n"
        "  --help            show this\n";

enum {
        OPTION_MESSAGES = 256,
        OPTION_TOOLS,
        OPTION_VARIABLES,
        OPTION_FILE,
        OPTION_BOS,
        OPTION_EOS,
        OPTION_NO_GENERATION,
        OPTION_AS_GIVEN,
        OPTION_MARKS,
        OPTION_NOW,
};

static const struct option names[] = {
        { "messages", required_argument, NULL, OPTION_MESSAGES },
        { "tools", required_argument, NULL, OPTION_TOOLS },
        { "variables", required_argument, NULL, OPTION_VARIABLES },
        { "file", required_argument, NULL, OPTION_FILE },
        { "bos", required_argument, NULL, OPTION_BOS },
        { "eos", required_argument, NULL, OPTION_EOS },
        { "no-generation", no_argument, NULL, OPTION_NO_GENERATION },
        { "as-given", no_argument, NULL, OPTION_AS_GIVEN },
        { "marks", no_argument, NULL, OPTION_MARKS },
        { "now", required_argument, NULL, OPTION_NOW },
        { "help", no_argument, NULL, 'h' },
        { 0 },
};

static int take_option(void *arguments, int option, const char *value) {
        struct options *o = arguments;
        switch (option) {
        case OPTION_MESSAGES: o->messages = value; return 0;
        case OPTION_TOOLS: o->tools = value; return 0;
        case OPTION_VARIABLES: o->variables = value; return 0;
        case OPTION_FILE: o->file = value; return 0;
        case OPTION_BOS: o->bos = value; return 0;
        case OPTION_EOS: o->eos = value; return 0;
        case OPTION_NO_GENERATION: o->no_generation = true; return 0;
        case OPTION_AS_GIVEN: o->as_given = true; return 0;
        case OPTION_MARKS: o->marks = true; return 0;
        case OPTION_NOW: return option_u32(value, 0, UINT32_MAX, &o->now);
        default: return -ENOENT;
        }
}

/* As options_read. */
static int parse(struct options *o, int argc, char **argv, bool *ret_helped) {
        static const struct command_options known = { "template", help, "h", names, take_option };
        int code = options_read(&known, o, argc, argv, ret_helped);
        if (code != EXIT_DONE || *ret_helped)
                return code;
        if (argc - optind + (o->file != NULL) != 1 || !o->messages) {
                fputs(NAME "one MODEL or --file, and --messages, are needed; see --help\n", stderr);
                return EXIT_USAGE;
        }
        o->model = optind < argc ? argv[optind] : NULL;
        return EXIT_DONE;
}

static int complain(const char *path, const char *what) {
        char shown[256];
        fprintf(stderr, NAME "%s: %s\n", printable_copy(shown, sizeof(shown), path, strlen(path)), what);
        return -EINVAL;
}

/* ---- what is read ---- */

/* PATH NULL: *ret is NULL. LIST: it must be one, else an object. */
static int read_json(const char *path, bool list, cJSON **ret) {
        struct text_file text;
        *ret = NULL;
        if (!path)
                return 0;
        int r = text_file_read(path, JSON_BYTES_MAX, &text);
        if (r < 0)
                return complain(path, strerror(-r));
        cJSON *json = cJSON_ParseWithLength(text.bytes, text.length);
        free(text.bytes);
        if (list ? cJSON_IsArray(json) : cJSON_IsObject(json)) {
                *ret = json;
                return 0;
        }
        cJSON_Delete(json);
        return complain(path, list ? "is no JSON list" : "is no JSON object");
}

static int open_model(const char *path, struct gguf **ret) {
        struct model_files files;
        uint32_t failed = 0;
        int fds[MODEL_FILES_MAX];
        int r = model_files_list(path, &files);
        if (r < 0)
                return complain(path, strerror(-r));
        r = model_files_open(&files, fds, &failed);
        if (r < 0) {
                r = complain(files.paths[failed], strerror(-r));
        } else {
                struct gguf_error error;
                r = gguf_open(fds, files.count, ret, &error);
                for (uint32_t i = 0; i < files.count; i++)
                        (void) close(fds[i]);
                if (r < 0)
                        r = complain(path, error.text);
        }
        model_files_done(&files);
        return r;
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

static int render(const struct options *o, const struct chat_template *c, const struct chat_conversation *conversation,
                  const char *bos, const char *eos) {
        const char *path = o->file ? o->file : o->model;
        struct chat_prompt prompt = { .bos = TOKEN_NONE, .eos = TOKEN_NONE };
        struct gguf_error error;
        if (c->warning[0] && !o->as_given)
                (void) complain(path, c->warning);
        int r = chat_template_render(c, conversation, bos, eos, &prompt, &error);
        if (r < 0)
                (void) complain(path, error.text);
        else
                print_prompt(&prompt, o->marks);
        chat_prompt_done(&prompt);
        return r;
}

static int render_file(const struct options *o, const struct chat_conversation *conversation) {
        struct chat_template c;
        struct text_file text;
        const char *bos = o->bos ? o->bos : "", *eos = o->eos ? o->eos : "";
        int r = text_file_read(o->file, 2 * (size_t) JINJA_TEXT_BYTES_MAX, &text);
        if (r < 0)
                return complain(o->file, strerror(-r));
        r = chat_template_init_text(&c, text.bytes, text.length, bos, eos);
        free(text.bytes);
        r = r < 0 ? complain(o->file, strerror(-r)) : render(o, &c, conversation, bos, eos);
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

static int render_tokenized(const struct options *o, const struct gguf *g, const struct tokenizer *t,
                            const struct chat_conversation *conversation) {
        struct chat_template c = { .jinja = NULL };
        char *bos = spelling(t, tokenizer_bos(t)), *eos = spelling(t, tokenizer_eos(t));
        int r = bos && eos ? chat_template_init(&c, g, t) : -ENOMEM;
        r = r < 0 ? complain(o->model, strerror(-r)) : render(o, &c, conversation, bos, eos);
        chat_template_done(&c);
        free(bos);
        free(eos);
        return r;
}

static int render_model(const struct options *o, const struct chat_conversation *conversation) {
        struct gguf *g;
        struct tokenizer *t;
        struct gguf_error error;
        int r = open_model(o->model, &g);
        if (r < 0)
                return r;
        r = tokenizer_new(g, &t, &error);
        if (r < 0) {
                (void) complain(o->model, error.text);
        } else {
                r = render_tokenized(o, g, t, conversation);
                tokenizer_free(t);
        }
        gguf_close(g);
        return r;
}

int command_template(int argc, char **argv) {
        struct options o = { .model = NULL };
        cJSON *messages = NULL, *tools = NULL, *variables = NULL;
        bool helped = false;
        int code = parse(&o, argc, argv, &helped);
        if (code != EXIT_DONE || helped)
                return code;
        tzset();
        int r = 0;
        if (read_json(o.messages, true, &messages) < 0 || read_json(o.tools, true, &tools) < 0 ||
            read_json(o.variables, false, &variables) < 0)
                r = -EINVAL;
        if (cJSON_GetArraySize(variables) > (int) REQUEST_VARIABLES_MAX)
                r = complain(o.variables, "has too many members");
        struct chat_conversation conversation = { .messages = messages,
                                                  .tools = tools,
                                                  .variables = variables,
                                                  .add_generation = !o.no_generation,
                                                  .as_given = o.as_given,
                                                  .now = o.now };
        if (r == 0)
                r = o.file ? render_file(&o, &conversation) : render_model(&o, &conversation);
        cJSON_Delete(messages);
        cJSON_Delete(tools);
        cJSON_Delete(variables);
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
