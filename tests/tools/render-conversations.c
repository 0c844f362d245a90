/*
 * render-conversations.c - what a chat template makes of many conversations: each line of standard input is an object with `messages`,
 * `tools`, `variables`, `add_generation_prompt` and `as_given`; it comes out as "=" and the prompt, or "!" and the sentence on why
 * there is none, and a 0.
 *
 * usage: render-conversations TEMPLATE BOS EOS NOW <LINES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/json_get.h"
#include "engine/base/json_read.h"
#include "engine/base/text_file.h"
#include "engine/chat/template.h"
#include "engine/jinja_value/bounds.h"

#define LINES_BYTES_MAX ((size_t) 256 << 20)

static void render(const struct chat_template *c, const cJSON *line, char **argv) {
        struct chat_conversation conversation = {
                .messages = json_get(line, "messages"),
                .tools = json_get(line, "tools"),
                .variables = json_get(line, "variables"),
                .add_generation = cJSON_IsTrue(json_get(line, "add_generation_prompt")),
                .as_given = cJSON_IsTrue(json_get(line, "as_given")),
                .now = strtol(argv[4], NULL, 10),
        };
        struct chat_prompt prompt = { .bos = TOKEN_NONE, .eos = TOKEN_NONE };
        struct gguf_error error = { "" };
        int r = chat_template_render(c, &conversation, argv[2], argv[3], &prompt, &error);
        putchar(r < 0 ? '!' : '=');
        (void) fwrite(r < 0 ? error.text : prompt.text, 1, r < 0 ? strlen(error.text) : prompt.length, stdout);
        putchar(0);
        chat_prompt_done(&prompt);
}

static int render_lines(const struct chat_template *c, const struct text *lines, char **argv) {
        for (size_t at = 0, length; at < lines->used; at += length + 1) {
                const char *end = memchr(lines->bytes + at, '\n', lines->used - at);
                length = end ? (size_t) (end - lines->bytes) - at : lines->used - at;
                cJSON *line = json_read(lines->bytes + at, length, NULL);
                if (!line)
                        return fprintf(stderr, "render-conversations: a line is no JSON\n"), 1;
                render(c, line, argv);
                cJSON_Delete(line);
        }
        return 0;
}

int main(int argc, char **argv) {
        struct text template, lines = { 0 };
        struct chat_template c;
        if (argc != 5 || text_file_read(argv[1], 2 * (size_t) JINJA_TEXT_BYTES_MAX, &template) < 0) {
                fprintf(stderr, "usage: render-conversations TEMPLATE BOS EOS NOW <LINES\n");
                return 2;
        }
        tzset();
        int r = chat_template_init_text(&c, template.bytes, template.used, argv[2], argv[3]);
        if (r == 0 && c.warning[0])
                fprintf(stderr, "%s\n", c.warning);
        if (r == 0)
                r = text_file_read(NULL, LINES_BYTES_MAX, &lines);
        if (r == 0)
                r = render_lines(&c, &lines, argv);
        text_done(&template);
        text_done(&lines);
        chat_template_done(&c);
        return r != 0;
}
