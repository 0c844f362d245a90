/*
 * parse-answers.c - what a model's answers are taken apart into, by its chat template: each text from standard input, ended by a 0, comes
 * out as a line of JSON, {"content", "reasoning", "calls": [{"name", "arguments"}]}, the arguments as the text that a client gets.
 *
 * usage: parse-answers TEMPLATE [TOOL ...] <TEXTS; a tool is "name", or "name:argument,argument", whose values are texts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/text_file.h"
#include "engine/chat/template.h"
#include "engine/jinja_value/bounds.h"
#include "engine/output/chat_parser.h"

#define TEXTS_BYTES_MAX ((size_t) 64 << 20)
#define CALLS_MAX       64u

struct answer {
        struct text parts[2]; /* by enum chunk_kind */
        struct text names[CALLS_MAX], arguments[CALLS_MAX];
        uint32_t calls;
};

/* The list of tool_list.h. */
static void list_tools(struct text *list, char **tools) {
        for (; *tools; tools++) {
                char *words = strdup(*tools), *rest = words, *name = strsep(&rest, ":"), *argument;
                (void) text_add(list, name, strlen(name) + 1);
                while ((argument = strsep(&rest, ",")))
                        (void) (text_puts(list, "t") && text_add(list, argument, strlen(argument) + 1));
                (void) text_add(list, "", 1);
                free(words);
        }
        (void) text_add(list, "", 1);
}

static void take(struct chat_parser *parser, struct answer *a) {
        struct chat_chunk chunk;
        while (chat_parser_next(parser, &chunk)) {
                if (chunk.name && a->calls < CALLS_MAX)
                        (void) text_puts(&a->names[a->calls++], chunk.name);
                struct text *to = chunk.kind == CHUNK_CALL ? &a->arguments[a->calls - 1] : &a->parts[chunk.kind];
                (void) text_add(to, chunk.text, chunk.length);
        }
}

static void print(struct answer *a) {
        struct text line = { 0 };
        (void) text_puts(&line, "{\"content\":");
        (void) text_json(&line, text_string(&a->parts[CHUNK_CONTENT]));
        (void) text_puts(&line, ",\"reasoning\":");
        (void) text_json(&line, text_string(&a->parts[CHUNK_REASONING]));
        (void) text_puts(&line, ",\"calls\":[");
        for (uint32_t i = 0; i < a->calls; i++) {
                (void) text_puts(&line, i ? ",{\"name\":" : "{\"name\":");
                (void) text_json(&line, text_string(&a->names[i]));
                (void) text_puts(&line, ",\"arguments\":");
                (void) text_json(&line, text_string(&a->arguments[i]));
                (void) text_puts(&line, "}");
                text_done(&a->names[i]);
                text_done(&a->arguments[i]);
        }
        printf("%s]}\n", text_string(&line));
        text_done(&a->parts[CHUNK_CONTENT]);
        text_done(&a->parts[CHUNK_REASONING]);
        text_done(&line);
}

int main(int argc, char **argv) {
        struct text template, texts, tools = { 0 };
        if (argc < 2 || text_file_read(argv[1], 2 * (size_t) JINJA_TEXT_BYTES_MAX, &template) < 0 ||
            text_file_read(NULL, TEXTS_BYTES_MAX, &texts) < 0) {
                fprintf(stderr, "usage: parse-answers TEMPLATE [TOOL ...] <TEXTS\n");
                return 2;
        }
        list_tools(&tools, argv + 2);
        struct chat_template read = { 0 };
        (void) chat_template_init_text(&read, template.bytes, template.used, "<s>", "</s>"); /* as far as it can be read */
        struct chat_format format = chat_format_recognise(template.bytes, template.used, NULL);
        if (!read.takes_tools)
                chat_format_use_generic(&format, NULL);
        chat_template_done(&read);
        const struct chat_parser_setup setup = { .format = &format, .calls = true, .tools = tools.bytes };
        for (size_t at = 0, length; at < texts.used; at += length + 1) {
                struct chat_parser parser;
                struct answer a = { .calls = 0 };
                length = strnlen(texts.bytes + at, texts.used - at);
                if (chat_parser_init(&parser, &setup) < 0 || chat_parser_push(&parser, texts.bytes + at, length) < 0)
                        return 1;
                chat_parser_end(&parser);
                take(&parser, &a);
                chat_parser_done(&parser);
                print(&a);
        }
        text_done(&tools);
        text_done(&texts);
        text_done(&template);
        return 0;
}
