/* format.c - see format.h. A row per format; the narrower ones come first. */
#include "engine/chat/format.h"

#include <string.h>

static const struct reasoning_format reasonings[] = {
        { .mark = "<|channel|>analysis<|message|>",
          .open = "<|channel|>analysis<|message|>",
          .close = "<|end|>",
          .next = "<|start|>assistant",
          .content = "<|channel|>final<|message|>",
          .specials = { "<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|constrain|>", "<|call|>", "<|return|>" },
          .channels = true },
        { .mark = "'<think{}>'.format(HYTK)", .open = "<think:opensource>", .close = "</think:opensource>" },
        { .open = "<think>", .close = "</think>" },
        { .open = "[THINK]", .close = "[/THINK]" },
        { .open = "<seed:think>", .close = "</seed:think>" },
        { .open = "<|START_THINKING|>", .close = "<|END_THINKING|>" },
        { .open = "<|channel>thought\n", .close = "<channel|>" },
};

#define JSON_CALL(before, arguments, behind) \
        { before "{\"name\": \"", "\", \"" arguments "\":", "}" behind }
#define DSML           \
        "\xef\xbd\x9c" \
        "DSML"         \
        "\xef\xbd\x9c"
#define DEEPSEEK(words) "<\xef\xbd\x9c" words "\xef\xbd\x9c>"
#define DEEPSEEK_CALLS                                                                                                \
        .section = { DEEPSEEK("tool▁calls▁begin"), DEEPSEEK("tool▁calls▁end") }, .open = DEEPSEEK("tool▁call▁begin"), \
        .close = DEEPSEEK("tool▁call▁end"), .specials = { DEEPSEEK("tool▁sep") }
#define DSML_CALLS(word)                                                                                                  \
        .notation = CALL_MARKED, .section = { "<" DSML word ">", "</" DSML word ">" }, .open = "<" DSML "invoke name=\"", \
        .close = "</" DSML "invoke>", .behind_name = "\">",                                                               \
        .argument = { "<" DSML "parameter name=\"", "\"", ">", "</" DSML "parameter>", "\" string=\"false\">",            \
                      "\" string=\"true\">",        NULL },                                                               \
        .specials = { DSML }, .writes = { "<" DSML word ">\n<" DSML "invoke name=\"", "\">\n", "</" DSML "invoke>" }

static const struct call_format call_formats[] = {
        { .marks = { "<|channel|>", "commentary" },
          .open = "<|channel|>commentary to=functions.",
          .close = "<|call|>",
          .behind_name = " <",
          .writes = { "<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "" } },
        { .marks = { "[TOOL_CALLS]", "[ARGS]" },
          .open = "[TOOL_CALLS]",
          .behind_name = "[ \n{",
          .specials = { "[ARGS]", "[CALL_ID]" },
          .writes = { "[TOOL_CALLS]", "[ARGS]", "" } },
        { .marks = { "[TOOL_CALLS]" },
          .open = "[TOOL_CALLS]",
          .behind_name = "[ \n{",
          .specials = { "[ARGS]", "[CALL_ID]" },
          .writes = JSON_CALL("[TOOL_CALLS] [", "arguments", "]") },
        { .marks = { "<|tool_call_argument_begin|>" },
          .section = { "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>" },
          .open = "<|tool_call_begin|>",
          .close = "<|tool_call_end|>",
          .prefix = "functions.",
          .behind_name = ":<",
          .specials = { "<|tool_call_argument_begin|>" },
          .writes = { "<|tool_calls_section_begin|><|tool_call_begin|>functions.", ":0<|tool_call_argument_begin|>", "" } },
        { .marks = { DEEPSEEK("tool▁calls▁begin"), "```json" },
          DEEPSEEK_CALLS,
          .prefix = "function" DEEPSEEK("tool▁sep"),
          .behind_name = "\n<",
          .writes = { DEEPSEEK("tool▁calls▁begin") DEEPSEEK("tool▁call▁begin") "function" DEEPSEEK("tool▁sep"), "\n```json\n",
                      "\n```" } },
        { .marks = { DEEPSEEK("tool▁calls▁begin") },
          DEEPSEEK_CALLS,
          .behind_name = "<\n",
          .writes = { DEEPSEEK("tool▁calls▁begin") DEEPSEEK("tool▁call▁begin"), DEEPSEEK("tool▁sep"), "" } },
        { .marks = { "DSML", "function_calls" }, DSML_CALLS("function_calls") },
        { .marks = { "DSML" }, DSML_CALLS("tool_calls") },
        { .marks = { "<minimax:tool_call>" },
          .notation = CALL_MARKED,
          .section = { "<minimax:tool_call>", "</minimax:tool_call>" },
          .open = "<invoke name=\"",
          .close = "</invoke>",
          .behind_name = "\">",
          .argument = { "<parameter name=\"", "\">", NULL, "</parameter>", "\">", NULL, NULL },
          .writes = { "<minimax:tool_call>\n<invoke name=\"", "\">\n", "</invoke>" } },
        { .marks = { "<function=", "<parameter=" },
          .notation = CALL_MARKED,
          .section = { "<tool_call>", "</tool_call>" },
          .open = "<function=",
          .close = "</function>",
          .behind_name = ">",
          .argument = { "<parameter=", ">", NULL, "</parameter>", ">\n", NULL, "\n" },
          .writes = { "<tool_call>\n<function=", ">\n", "</function>" } },
        { .marks = { "'<arg_key{}>'.format(HYTK)" },
          .notation = CALL_MARKED,
          .section = { "<tool_calls:opensource>", "</tool_calls:opensource>" },
          .open = "<tool_call:opensource>",
          .close = "</tool_call:opensource>",
          .behind_name = "<tool_sep:opensource>",
          .argument = { "<arg_key:opensource>", "</arg_key:opensource>", "<arg_value:opensource>", "</arg_value:opensource>",
                        "</arg_key:opensource>\n<arg_value:opensource>", NULL, NULL },
          .writes = { "<tool_calls:opensource>\n<tool_call:opensource>", "<tool_sep:opensource>\n", "</tool_call:opensource>" } },
        { .marks = { "<arg_key>", "<arg_value>" },
          .notation = CALL_MARKED,
          .open = "<tool_call>",
          .close = "</tool_call>",
          .behind_name = "",
          .argument = { "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "</arg_key>\n<arg_value>", NULL, NULL },
          .writes = { "<tool_call>", "\n", "</tool_call>" } },
        { .marks = { "functools" }, .open = "functools", .writes = JSON_CALL("functools[", "arguments", "]") },
        { .marks = { "<|tool_call|>" },
          .open = "<|tool_call|>",
          .close = "<|/tool_call|>",
          .writes = JSON_CALL("<|tool_call|>[", "arguments", "]") },
        { .marks = { "<TOOLCALL>" },
          .open = "<TOOLCALL>",
          .close = "</TOOLCALL>",
          .writes = JSON_CALL("<TOOLCALL>[", "arguments", "]") },
        { .marks = { "<|START_ACTION|>" },
          .open = "<|START_ACTION|>",
          .close = "<|END_ACTION|>",
          .writes = { "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"", "\", \"parameters\":", "}\n]" } },
        { .marks = { "<|function_call|>" },
          .open = "<|function_call|>",
          .writes = JSON_CALL("<|function_call|>", "arguments", "") },
        { .marks = { "<tool_calls>", "\"arguments\"" },
          .open = "<tool_calls>",
          .close = "</tool_calls>",
          .writes = JSON_CALL("<tool_calls>[", "arguments", "]") },
        /* Others write their arguments otherwise between the same two marks: they are above. */
        { .marks = { "<tool_call>", "arguments" },
          .open = "<tool_call>",
          .close = "</tool_call>",
          .writes = JSON_CALL("<tool_call>\n", "arguments", "") },
        { .marks = { "<function=" },
          .open = "<function=",
          .close = "</function>",
          .behind_name = ">",
          .writes = { "<function=", ">", "" } },
        { .marks = { "<|start_header_id|>", "\"parameters\"" },
          .open = "<|python_tag|>",
          .bare = true,
          .writes = JSON_CALL("", "parameters", "") },
        { .marks = { "<|header_start|>" },
          .notation = CALL_PYTHON,
          .open = "<|python_start|>",
          .close = "<|python_end|>",
          .bare = true,
          .writes = JSON_CALL("", "parameters", "") },
        { .marks = { "List of tools: " },
          .notation = CALL_PYTHON,
          .open = "<|tool_call_start|>",
          .close = "<|tool_call_end|>",
          .writes = JSON_CALL("<|tool_call_start|>[", "arguments", "]") },
};

static bool contains(const char *text, size_t length, const char *mark) {
        return length && memmem(text, length, mark, strlen(mark)) != NULL;
}

/* MARK is one special token of the vocabulary: then answers show its text to who looks for marks. */
static void show(struct chat_format *f, const struct tokenizer *t, const char *mark) {
        struct token_list list = { 0 };
        if (mark && tokenizer_encode(t, mark, strlen(mark), false, true, &list) == 0 && list.count == 1 &&
            f->shown_count < CHAT_FORMAT_SHOWN_MAX && tokenizer_is_special(t, list.ids[0]))
                f->shown[f->shown_count++] = list.ids[0];
        token_list_done(&list);
}

static bool has_marks(const struct call_format *c, const char *text, size_t length) {
        for (size_t i = 0; i < 2 && c->marks[i]; i++)
                if (!contains(text, length, c->marks[i]))
                        return false;
        return true;
}

static void show_reasoning(struct chat_format *f, const struct tokenizer *t) {
        const struct reasoning_format *r = f->reasoning;
        show(f, t, r->open);
        show(f, t, r->close);
        for (size_t i = 0; i < sizeof(r->specials) / sizeof(r->specials[0]); i++)
                show(f, t, r->specials[i]);
}

static void show_calls(struct chat_format *f, const struct tokenizer *t) {
        const struct call_format *c = f->calls;
        const char *const marks[] = { c->section[0],   c->section[1],       c->open,           c->close,
                                      c->argument.key, c->argument.key_end, c->argument.value, c->argument.value_end,
                                      c->specials[0],  c->specials[1] };
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
                show(f, t, marks[i]);
}

struct chat_format chat_format_recognise(const char *template, size_t length, const struct tokenizer *t) {
        struct chat_format f = { .reasoning = NULL };
        for (size_t i = 0; i < sizeof(reasonings) / sizeof(reasonings[0]) && !f.reasoning; i++)
                if (contains(template, length, reasonings[i].mark ? reasonings[i].mark : reasonings[i].close))
                        f.reasoning = &reasonings[i];
        for (size_t i = 0; i < sizeof(call_formats) / sizeof(call_formats[0]) && !f.calls; i++)
                if (has_marks(&call_formats[i], template, length))
                        f.calls = &call_formats[i];
        if (t && f.reasoning)
                show_reasoning(&f, t);
        f.shown_reasoning = f.shown_count;
        if (t && f.calls)
                show_calls(&f, t);
        return f;
}

void chat_format_use_generic(struct chat_format *f, const struct tokenizer *t) {
        static const char marks[] = "<tool_call> arguments";
        f->calls = chat_format_recognise(marks, sizeof(marks) - 1, NULL).calls;
        f->shown_count = f->shown_reasoning;
        if (t)
                show_calls(f, t);
}

uint32_t chat_format_shown(const struct chat_format *f, bool calls) {
        return calls ? f->shown_count : f->shown_reasoning;
}

bool chat_format_shows(const struct chat_format *f, bool calls, int32_t id) {
        for (uint32_t i = 0; i < chat_format_shown(f, calls); i++)
                if (f->shown[i] == id)
                        return true;
        return false;
}
