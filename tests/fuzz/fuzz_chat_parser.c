/*
 * fuzz_chat_parser.c - libFuzzer's door to answers of models: a byte that chooses the notation, one that chooses how the text is cut, and the
 * text. It must be taken apart without a crash, into the same parts as when it comes whole; a call's arguments must be the beginning of a JSON
 * object, and all of one when another part follows. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/output/chat_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A template for each row of engine/chat/format.c. */
static const char *const templates[] = {
        "<|channel|>analysis<|message|> <|channel|>commentary",
        "[THINK][/THINK][TOOL_CALLS][ARGS]",
        "[TOOL_CALLS]",
        "<|tool_call_argument_begin|></think>",
        "<\xef\xbd\x9ctool▁calls▁begin\xef\xbd\x9c>```json",
        "<\xef\xbd\x9ctool▁calls▁begin\xef\xbd\x9c></think>",
        "DSML function_calls </think>",
        "<minimax:tool_call></think>",
        "<function= <parameter=",
        "'<arg_key{}>'.format(HYTK) '<think{}>'.format(HYTK)",
        "<arg_key> <arg_value></think>",
        "functools",
        "<TOOLCALL>",
        "<|START_ACTION|><|END_THINKING|>",
        "<tool_call> arguments </think>",
        "<function=",
        "<|start_header_id|> \"parameters\"",
        "<|header_start|>",
        "List of tools: ",
};
#define TEMPLATES_COUNT (sizeof(templates) / sizeof(templates[0]))

/* Parts of one kind that follow each other are one: their texts, each behind a byte that says what it is. */
struct parts {
        struct text text, arguments;
        int kind;
};

static void check_whole(struct parts *p) {
        cJSON *json = p->arguments.used ? json_read(p->arguments.bytes, p->arguments.used, NULL) : NULL;
        if (p->arguments.used && !cJSON_IsObject(json))
                abort();
        cJSON_Delete(json);
        text_clear(&p->arguments);
}

static void note(struct parts *p, const struct chat_chunk *chunk) {
        if (chunk->name || chunk->kind != CHUNK_CALL)
                check_whole(p);
        if (chunk->name || (int) chunk->kind != p->kind)
                (void) text_printf(&p->text, "\1%d%s", chunk->kind, chunk->name ? chunk->name : "");
        p->kind = (int) chunk->kind;
        (void) text_add(&p->text, chunk->text, chunk->length);
        if (chunk->kind == CHUNK_CALL)
                (void) text_add(&p->arguments, chunk->text, chunk->length);
        if (p->arguments.used && p->arguments.bytes[0] != '{')
                abort();
}

static struct text parts_of(const struct chat_parser_setup *setup, const char *text, size_t length, size_t step) {
        struct chat_parser parser;
        struct chat_chunk chunk;
        struct parts p = { .kind = -1 };
        if (chat_parser_init(&parser, setup) < 0)
                abort();
        for (size_t at = 0; at < length; at += step) {
                size_t count = step < length - at ? step : length - at;
                char *piece = malloc(count); /* exactly its size: a sanitizer sees each byte too far */
                memcpy(piece, text + at, count);
                if (chat_parser_push(&parser, piece, count) < 0)
                        abort();
                free(piece);
                while (chat_parser_next(&parser, &chunk))
                        note(&p, &chunk);
        }
        chat_parser_end(&parser);
        while (chat_parser_next(&parser, &chunk))
                note(&p, &chunk);
        chat_parser_done(&parser);
        text_done(&p.arguments);
        return p.text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char tools[] = "get\0tcity\0an\0\0set\0\0";
        if (size < 2 || memchr(data + 2, 0, size - 2))
                return 0; /* answers hold no NUL */
        const char *template = templates[data[0] % TEMPLATES_COUNT];
        struct chat_format format = chat_format_recognise(template, strlen(template), NULL);
        struct chat_parser_setup setup = { .format = &format, .calls = data[1] < 250, .tools = tools };
        struct text whole = parts_of(&setup, (const char *) data + 2, size - 2, size);
        struct text cut = parts_of(&setup, (const char *) data + 2, size - 2, data[1] % 7 + 1u);
        if (whole.used != cut.used || (whole.used && memcmp(whole.bytes, cut.bytes, whole.used)))
                abort();
        text_done(&whole);
        text_done(&cut);
        return 0;
}
