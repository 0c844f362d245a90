/* generic_tools.c - see generic_tools.h. */
#include "engine/chat/generic_tools.h"

#include <string.h>

#include "engine/base/json_read.h"
#include "engine/base/strbuf.h"
#include "engine/chat/messages.h"

#define HEAD                                                                                                              \
        "# Tools\n\nYou may call one or more of these functions to help with what the user asks. Each is described by a " \
        "JSON object:\n\n<tools>\n"
#define TAIL                                                                                                            \
        "</tools>\n\nFor each call, answer with a JSON object with the function's name and its arguments, within "      \
        "<tool_call></tool_call>:\n<tool_call>\n{\"name\": \"NAME\", \"arguments\": {...}}\n</tool_call>\nThe results " \
        "will be given within <tool_response></tool_response>."

static const cJSON *member(const cJSON *of, const char *name) {
        return cJSON_GetObjectItemCaseSensitive(of, name);
}

static void add_json(struct text *out, const cJSON *value) {
        char *written = json_write(value);
        if (!written || !text_puts(out, written))
                out->failed = true;
        cJSON_free(written);
}

static void add_content(struct text *out, const cJSON *content) {
        const cJSON *part;
        if (cJSON_IsString(content))
                (void) text_puts(out, content->valuestring);
        if (cJSON_IsArray(content))
                cJSON_ArrayForEach(part, content)
                        (void) text_printf(out, "%s%s", part == content->child ? "" : "\n", member(part, "text")->valuestring);
}

static void add_calls(struct text *out, const cJSON *calls) {
        const cJSON *call;
        cJSON_ArrayForEach(call, calls) {
                const cJSON *function = member(call, "function"), *arguments = member(function, "arguments");
                (void) text_puts(out, out->used ? "\n<tool_call>\n{\"name\": " : "<tool_call>\n{\"name\": ");
                (void) text_json(out, member(function, "name")->valuestring);
                (void) text_puts(out, ", \"arguments\": ");
                if (cJSON_IsString(arguments))
                        (void) text_puts(out, arguments->valuestring);
                else if (cJSON_IsObject(arguments))
                        add_json(out, arguments);
                else
                        (void) text_puts(out, "{}");
                (void) text_puts(out, "}\n</tool_call>");
        }
}

/* Appends a message of ROLE with OUT as its text, which is emptied. */
static bool append(cJSON *to, const char *role, struct text *out) {
        cJSON *message = cJSON_CreateObject();
        bool whole = !out->failed && cJSON_AddStringToObject(message, "role", role) &&
                     cJSON_AddStringToObject(message, "content", text_string(out)) && cJSON_AddItemToArray(to, message);
        if (!whole)
                cJSON_Delete(message);
        text_clear(out);
        return whole;
}

/* The results that stand together are one message of the user. Returns the last of them. */
static const cJSON *add_results(struct text *out, const cJSON *message) {
        const cJSON *last = message;
        for (; message && chat_message_role(message) == ROLE_TOOL; last = message, message = message->next) {
                (void) text_puts(out, out->used ? "\n<tool_response>\n" : "<tool_response>\n");
                add_content(out, member(message, "content"));
                (void) text_puts(out, "\n</tool_response>");
        }
        return last;
}

static bool append_one(cJSON *to, const cJSON *message, struct text *out, const cJSON **ret_last) {
        const cJSON *calls = member(message, "tool_calls");
        *ret_last = message;
        if (chat_message_role(message) == ROLE_TOOL) {
                *ret_last = add_results(out, message);
                return append(to, "user", out);
        }
        if (!calls || !calls->child) {
                cJSON *copy = cJSON_Duplicate(message, true);
                bool added = copy && cJSON_AddItemToArray(to, copy);
                if (!added)
                        cJSON_Delete(copy);
                return added;
        }
        add_content(out, member(message, "content"));
        add_calls(out, calls);
        return append(to, "assistant", out);
}

cJSON *chat_tools_in_words(const cJSON *messages, const cJSON *tools) {
        struct text out = { .max = TEXT_MAX_NONE }; /* the request is bounded */
        const cJSON *tool, *m = messages->child;
        cJSON *made = cJSON_CreateArray();
        bool all = made != NULL;
        if (chat_message_role(m) == ROLE_SYSTEM) {
                add_content(&out, member(m, "content"));
                (void) text_puts(&out, out.used ? "\n\n" : "");
                m = m->next;
        }
        (void) text_puts(&out, HEAD);
        cJSON_ArrayForEach(tool, tools) {
                add_json(&out, member(tool, "function"));
                (void) text_puts(&out, "\n");
        }
        (void) text_puts(&out, TAIL);
        all = all && append(made, "system", &out);
        for (const cJSON *last; m && all; m = last->next)
                all = append_one(made, m, &out, &last);
        text_done(&out);
        if (all)
                return made;
        cJSON_Delete(made);
        return NULL;
}
