/* format.c - see format.h. A row per format; the narrower ones come first. */
#include "engine/chat/format.h"

#include <string.h>

static const struct reasoning_format reasonings[] = {
        { "<think>", "</think>" },
        { "[THINK]", "[/THINK]" },
        { "<seed:think>", "</seed:think>" },
        { "<|START_THINKING|>", "<|END_THINKING|>" },
        { "<|channel>thought\n", "<channel|>" },
};

static const struct call_format call_formats[] = {
        { .marks = { "[TOOL_CALLS]", "[ARGS]" }, .open = "[TOOL_CALLS]", .writes = { "[TOOL_CALLS]", "[ARGS]", "" } },
        { .marks = { "[TOOL_CALLS]" },
          .open = "[TOOL_CALLS]",
          .writes = { "[TOOL_CALLS] [{\"name\": \"", "\", \"arguments\":", "}]" } },
        { .marks = { "functools" }, .open = "functools", .writes = { "functools[{\"name\": \"", "\", \"arguments\":", "}]" } },
        { .marks = { "<|tool_call|>" },
          .open = "<|tool_call|>",
          .close = "<|/tool_call|>",
          .writes = { "<|tool_call|>[{\"name\": \"", "\", \"arguments\":", "}]" } },
        /* Others write their arguments as XML between the same two marks. */
        { .marks = { "<tool_call>", "\"arguments\"" },
          .absent = "<function=",
          .open = "<tool_call>",
          .close = "</tool_call>",
          .writes = { "<tool_call>\n{\"name\": \"", "\", \"arguments\":", "}" } },
        { .marks = { "<tool_call>", "arguments" },
          .absent = "<arg_key>",
          .open = "<tool_call>",
          .close = "</tool_call>",
          .writes = { "<tool_call>\n{\"name\": \"", "\", \"arguments\":", "}" } },
        { .marks = { "<|start_header_id|>", "\"parameters\"" },
          .absent = "<function=",
          .open = "<|python_tag|>",
          .bare = true,
          .writes = { "{\"name\": \"", "\", \"parameters\":", "}" } },
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
        return !c->absent || !contains(text, length, c->absent);
}

struct chat_format chat_format_recognise(const char *template, size_t length, const struct tokenizer *t) {
        struct chat_format f = { .reasoning = NULL };
        for (size_t i = 0; i < sizeof(reasonings) / sizeof(reasonings[0]) && !f.reasoning; i++)
                if (contains(template, length, reasonings[i].close))
                        f.reasoning = &reasonings[i];
        for (size_t i = 0; i < sizeof(call_formats) / sizeof(call_formats[0]) && !f.calls; i++)
                if (has_marks(&call_formats[i], template, length))
                        f.calls = &call_formats[i];
        if (t && f.reasoning) {
                show(&f, t, f.reasoning->open);
                show(&f, t, f.reasoning->close);
        }
        f.shown_reasoning = f.shown_count;
        if (t && f.calls) {
                show(&f, t, f.calls->open);
                show(&f, t, f.calls->close);
                show(&f, t, "[ARGS]");
                show(&f, t, "[CALL_ID]");
        }
        return f;
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
