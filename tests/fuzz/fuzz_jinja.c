/*
 * fuzz_jinja.c - libFuzzer's door to chat templates: whatever a template says, it must be parsed and rendered without a crash, within its
 * bounds, and every byte of a message must come out marked as one.
 *
 * The messages are written in letters that no template here has: where one of them comes out as the template's own, a mark was lost.
 * `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LETTER "\xe2\x96\x93" /* U+2593: has no case, is no space, and no escape of JSON or repr makes it */

struct seen {
        bool template_has_it; /* then it may come out as the template's own */
        size_t length;
};

static void on_output(void *context, const char *bytes, size_t length, bool outside) {
        struct seen *seen = context;
        seen->length += length;
        if (seen->length > 2 * (size_t) JINJA_OUTPUT_MAX)
                abort();
        if (!outside && !seen->template_has_it && memmem(bytes, length, LETTER, strlen(LETTER)))
                abort();
}

static const char messages_json[] =
        "[{\"role\":\"system\",\"content\":\"" LETTER "s\"},{\"role\":\"user\",\"content\":\"a" LETTER "\\n\\\"'b\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"aaaaaaaaa\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":{\"" LETTER "\":[1,2.5,true,null,{}]}}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"aaaaaaaaa\",\"content\":\"" LETTER "\"},{\"role\":\"user\",\"content\":\"c\"}]";
static const char tools_json[] =
        "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"" LETTER "\",\"parameters\":{\"type\":\"object\","
        "\"properties\":{\"x\":{\"type\":[\"string\",\"null\"],\"enum\":[\"p\",\"q\"]}},\"required\":[\"x\"]}}}]";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static cJSON *messages, *tools, *yes;
        if (!messages) {
                messages = cJSON_Parse(messages_json);
                tools = cJSON_Parse(tools_json);
                yes = cJSON_CreateTrue();
        }
        char *copy = malloc(size ? size : 1); /* exactly its size: a sanitizer sees each byte too far */
        memcpy(copy, data, size);
        struct jinja_template *t;
        struct jinja_error error;
        struct seen seen = { .template_has_it = memmem(copy, size, "\xe2", 1) || memmem(copy, size, "\\", 1) };
        if (jinja_parse(copy, size, &t, &error) == 0) {
                const struct jinja_variable variables[] = {
                        { .name = "messages", .value = messages },
                        { .name = "tools", .value = tools },
                        { .name = "add_generation_prompt", .value = yes },
                        { .name = "bos_token", .own = "<s>" },
                        { .name = "eos_token", .own = "</s>" },
                };
                struct jinja_input input = { variables, sizeof(variables) / sizeof(variables[0]), 1700000000 };
                if (jinja_render(t, &input, on_output, &seen, &error) < 0 && (seen.length || !error.code || !error.text[0]))
                        abort();
                jinja_free(t);
        } else if (!error.text[0]) {
                abort();
        }
        free(copy);
        return 0;
}
