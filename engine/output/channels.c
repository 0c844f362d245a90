/*
 * channels.c - answers that are messages in channels, as gpt-oss writes them: each has a head, such as
 * "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json", the mark "<|message|>", and its text.
 */
#include "engine/output/scan.h"

#define HEAD_BYTES_MAX (REQUEST_TOOL_NAME_BYTES_MAX + 128u) /* the name of a tool and what is around it */

static const char *const message_marks[] = { "<|message|>", NULL };
static const char *const ends[] = { "<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>", NULL };

/* Heads begin with one of these: an answer that does not is no message. */
static bool is_head(const struct chat_parser *r, size_t at) {
        static const char *const words[] = { "<|channel|>", "<|start|>", "assistant", "to=" };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (begins(r, at, words[i]) || may_become(r, at, words[i]))
                        return true;
        return false;
}

/* The tool that HEAD names, behind "to=" and without its namespace; false: none. */
static bool recipient(const char *head, size_t length, const char **ret_name, size_t *ret_length) {
        static const char to[] = "to=", functions[] = "functions.";
        const char *name = memmem(head, length, to, strlen(to)), *end = head + length;
        if (!name)
                return false;
        name += strlen(to);
        if ((size_t) (end - name) > strlen(functions) && !memcmp(name, functions, strlen(functions)))
                name += strlen(functions);
        *ret_name = name;
        while (name < end && !is_space(*name) && *name != '<')
                name++;
        *ret_length = (size_t) (name - *ret_name);
        return *ret_length > 0 && *ret_length <= REQUEST_TOOL_NAME_BYTES_MAX;
}

static bool is_thought(const char *head, size_t length) {
        return memmem(head, length, "analysis", strlen("analysis")) != NULL;
}

enum outcome parse_channel(struct chat_parser *r, struct chat_chunk *ret) {
        const char *found, *name;
        size_t at = space_from(r, 0), end = find_mark(r, at, message_marks, &found), length;
        if (at == left(r))
                return WAITS;
        if (!is_head(r, at) || end - at > HEAD_BYTES_MAX)
                return go(r, STATE_PLAIN);
        if (!found)
                return r->ended ? go(r, STATE_PLAIN) : WAITS;
        const char *head = rest(r) + at;
        r->thinks = is_thought(head, end - at);
        if (r->setup->calls && recipient(head, end - at, &name, &length))
                return parse_begin_call(r, name, length, end + strlen(found), STATE_ARGUMENTS, ret);
        r->from += end + strlen(found);
        return go(r, STATE_MESSAGE);
}

enum outcome parse_message(struct chat_parser *r, struct chat_chunk *ret) {
        const char *found;
        size_t at = find_mark(r, 0, ends, &found), length = before_space(r, at);
        if (length)
                return give(r, r->thinks ? CHUNK_REASONING : CHUNK_CONTENT, length, ret);
        if (!found)
                return WAITS;
        r->from += at + (found[2] == 's' || !strcmp(found, "<|channel|>") ? 0 : strlen(found));
        return go(r, STATE_CHANNEL);
}
