/* prompt.c - see prompt.h. */
#include "engine/prompt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat_template.h"
#include "engine/request_error.h"

/* Bytes of the texts in MESSAGES that can become tokens; what is not a text is judged by the chat format. */
static size_t messages_bytes(const cJSON *messages) {
        size_t bytes = 0;
        const cJSON *message, *part;
        cJSON_ArrayForEach(message, messages) {
                const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
                if (cJSON_IsString(content))
                        bytes += strlen(content->valuestring);
                if (!cJSON_IsArray(content))
                        continue;
                cJSON_ArrayForEach(part, content) {
                        const cJSON *text = cJSON_GetObjectItemCaseSensitive(part, "text");
                        if (cJSON_IsString(text))
                                bytes += strlen(text->valuestring);
                }
        }
        return bytes;
}

/* Refuses a text that is too long whatever its tokens are. */
static int check_bytes(const struct request_rules *rules, const char *param, size_t bytes, uint32_t tokens_max,
                       struct request_error *reterr) {
        size_t least = bytes / tokenizer_longest(rules->tokenizer);
        return least > tokens_max ? request_refuse_length(reterr, param, least, true, rules->n_ctx) : 0;
}

static int check_count(const struct request_rules *rules, const char *param, const struct token_list *list, uint32_t tokens_max,
                       struct request_error *reterr) {
        if (list->count == 0)
                return request_refuse(reterr, param, "%s must not be empty.", param);
        if (list->count > tokens_max)
                return request_refuse_length(reterr, param, list->count, false, rules->n_ctx);
        return 0;
}

/* The field, or NULL when it is absent or null. */
static const cJSON *field(const cJSON *body, const char *name) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(body, name);
        return cJSON_IsNull(value) ? NULL : value;
}

/* ---- tools ---- */

static const char *tool_name(const cJSON *tool) {
        return cJSON_GetStringValue(field(field(tool, "function"), "name"));
}

/* The names of TOOLS, each terminated, an empty one last. */
static int read_tool_names(const cJSON *tools, char **ret, struct request_error *reterr) {
        size_t count = 0, bytes = 1;
        const cJSON *tool;
        cJSON_ArrayForEach(tool, tools) {
                const char *name = tool_name(tool);
                if (!name || !*name || strlen(name) > REQUEST_TOOL_NAME_BYTES_MAX)
                        return request_refuse(reterr, "tools", "tools[%zu] must have a function with a name of 1 to %u bytes.",
                                              count, REQUEST_TOOL_NAME_BYTES_MAX);
                if (++count > REQUEST_TOOLS_MAX)
                        return request_refuse(reterr, "tools", "tools must not hold more than %u of them.", REQUEST_TOOLS_MAX);
                bytes += strlen(name) + 1;
        }
        char *names = calloc(1, bytes), *end = names;
        if (!names)
                return request_no_memory(reterr);
        cJSON_ArrayForEach(tool, tools)
                end = stpcpy(end, tool_name(tool)) + 1;
        *ret = names;
        return 0;
}

/* What a client says of calls. */
struct choice {
        bool none, must;  /* the model may not call, or has to */
        const char *tool; /* this one; NULL: any */
};

static int read_choice(const cJSON *body, struct choice *ret, struct request_error *reterr) {
        const cJSON *choice = field(body, "tool_choice");
        const char *word = cJSON_GetStringValue(choice);
        ret->tool = tool_name(choice);
        ret->none = word && !strcmp(word, "none");
        ret->must = ret->tool || (word && !strcmp(word, "required"));
        if (choice && !ret->none && !ret->must && !(word && !strcmp(word, "auto")))
                return request_refuse(reterr, "tool_choice",
                                      "tool_choice must be \"auto\", \"none\", \"required\", or name a function.");
        return 0;
}

static bool is_plain(const char *name) {
        for (; *name; name++)
                if ((unsigned char) *name < ' ' || *name == '"' || *name == '\\' || *name == '[')
                        return false;
        return true;
}

/* The answer is begun for a model that must call: up to the arguments where it is known which tool, else up to the name. */
static int begin_call(const struct request_rules *rules, const struct choice *choice, struct reply_setup *reply,
                      struct chat_conversation *conversation, struct request_error *reterr) {
        const struct call_format *calls = rules->chat->replies.calls;
        const char *only = *(reply->tools + strlen(reply->tools) + 1) ? NULL : reply->tools;
        const char *tool = choice->tool ? choice->tool : only;
        bool offered = !tool;
        for (const char *name = reply->tools; *name && !offered; name += strlen(name) + 1)
                offered = !strcmp(name, tool);
        if (!offered)
                return request_refuse(reterr, "tool_choice", "tool_choice names a function that is not among the tools.");
        if (!calls || (tool && !is_plain(tool)))
                return request_refuse(reterr, "tool_choice",
                                      "This model cannot be made to call %s: tool_choice must be \"auto\" or \"none\".",
                                      calls ? "a tool of that name" : "a tool");
        size_t length = strlen(calls->begins[0]) + (tool ? strlen(tool) + strlen(calls->begins[1]) : 0);
        reply->begun = malloc(length + 1);
        if (!reply->begun)
                return request_no_memory(reterr);
        (void) stpcpy(stpcpy(stpcpy(reply->begun, calls->begins[0]), tool ? tool : ""), tool ? calls->begins[1] : "");
        conversation->begun[0] = calls->begins[0];
        conversation->begun[1] = tool;
        conversation->begun[2] = tool ? calls->begins[1] : NULL;
        return 0;
}

static int read_tools(const struct request_rules *rules, const cJSON *body, struct reply_setup *reply,
                      struct chat_conversation *conversation, struct request_error *reterr) {
        const cJSON *tools = field(body, "tools");
        struct choice choice;
        if (tools && !cJSON_IsArray(tools))
                return request_refuse(reterr, "tools", "tools must be a list.");
        int r = read_choice(body, &choice, reterr);
        if (r == 0 && choice.must && !(tools && tools->child))
                return request_refuse(reterr, "tool_choice", "tool_choice wants a call, and there are no tools.");
        if (r < 0 || !tools || !tools->child || choice.none)
                return r;
        r = read_tool_names(tools, &reply->tools, reterr);
        if (r < 0)
                return r;
        if (!rules->chat->takes_tools)
                return request_refuse(
                        reterr, "tools",
                        "The chat template of this model has no place for tools: leave them out or choose another model.");
        reply->calls = true;
        conversation->tools = tools;
        return choice.must ? begin_call(rules, &choice, reply, conversation, reterr) : 0;
}

/* ---- the conversation ---- */

static int encode(const struct request_rules *rules, const struct chat_conversation *conversation, uint32_t tokens_max,
                  struct token_list *list, struct reply_setup *reply, struct request_error *reterr) {
        struct gguf_error why;
        int r = chat_template_encode(rules->chat, rules->tokenizer, conversation, list, &reply->reasons, &why);
        if (r == -ENOMEM)
                return request_no_memory(reterr);
        if (r == -EFBIG)
                return request_refuse_length(reterr, "messages", (size_t) tokens_max + 1, true, rules->n_ctx);
        if (r < 0)
                return request_refuse(reterr, "messages", "%s", why.text);
        reply->format = &rules->chat->replies;
        return check_count(rules, "messages", list, tokens_max, reterr);
}

int prompt_read_chat(const struct request_rules *rules, const cJSON *body, uint32_t tokens_max, struct token_list *list,
                     struct reply_setup *ret_reply, struct request_error *reterr) {
        const cJSON *messages = field(body, "messages"), *variables = field(body, "chat_template_kwargs");
        struct chat_conversation conversation = { .messages = messages, .variables = variables, .add_generation = true };
        if (!cJSON_IsArray(messages) || !messages->child)
                return request_refuse(reterr, "messages", "messages must be a list of at least one message.");
        if (variables && !cJSON_IsObject(variables))
                return request_refuse(reterr, "chat_template_kwargs", "chat_template_kwargs must be an object.");
        if (cJSON_GetArraySize(variables) > (int) REQUEST_VARIABLES_MAX)
                return request_refuse(reterr, "chat_template_kwargs", "chat_template_kwargs must not hold more than %u members.",
                                      REQUEST_VARIABLES_MAX);
        int r = read_tools(rules, body, ret_reply, &conversation, reterr);
        if (r == 0)
                r = check_bytes(rules, "messages", messages_bytes(messages), tokens_max, reterr);
        if (r < 0)
                return r;
        conversation.bytes_max = (size_t) (tokens_max + 1) * tokenizer_longest(rules->tokenizer);
        return encode(rules, &conversation, tokens_max, list, ret_reply, reterr);
}

/* A text that writes out the begin token, which the tokenizer has added too, means one. */
static void drop_second_begin(const struct tokenizer *t, struct token_list *list) {
        int32_t begin = tokenizer_bos(t);
        if (begin != TOKEN_NONE && list->count > 1 && list->ids[0] == begin && list->ids[1] == begin)
                memmove(list->ids, list->ids + 1, --list->count * sizeof(*list->ids));
}

static int read_ids(const struct request_rules *rules, const char *param, const cJSON *array, struct token_list *list,
                    struct request_error *reterr) {
        const cJSON *item;
        cJSON_ArrayForEach(item, array) {
                double id = cJSON_IsNumber(item) ? item->valuedouble : -1;
                if (!(id >= 0 && id < rules->n_vocab) || floor(id) != id)
                        return request_refuse(reterr, param,
                                              "%s holds something that is no token id: this model has ids from 0 to %u.", param,
                                              rules->n_vocab - 1);
                if (token_list_push(list, (int32_t) id) < 0)
                        return request_no_memory(reterr);
        }
        return 0;
}

/* ONE is a string or an array of token ids. */
static int read_one(const struct request_rules *rules, const char *param, const cJSON *one, bool parse_special,
                    uint32_t tokens_max, struct token_list *list, struct request_error *reterr) {
        int r;
        if (cJSON_IsArray(one)) {
                r = read_ids(rules, param, one, list, reterr);
                return r < 0 ? r : check_count(rules, param, list, tokens_max, reterr);
        }
        size_t length = strlen(one->valuestring);
        r = check_bytes(rules, param, length, tokens_max, reterr);
        if (r < 0)
                return r;
        if (tokenizer_encode(rules->tokenizer, one->valuestring, length, true, parse_special, list) < 0)
                return request_no_memory(reterr);
        drop_second_begin(rules->tokenizer, list);
        return check_count(rules, param, list, tokens_max, reterr);
}

int prompt_read(const struct request_rules *rules, const cJSON *prompt, uint32_t tokens_max, struct token_list *list,
                struct request_error *reterr) {
        if (cJSON_IsArray(prompt) && (cJSON_IsString(prompt->child) || cJSON_IsArray(prompt->child))) {
                if (prompt->child->next)
                        return request_refuse(reterr, "prompt",
                                              "prompt must be one text: several prompts in one request are not supported.");
                prompt = prompt->child;
        }
        if (!cJSON_IsString(prompt) && !cJSON_IsArray(prompt))
                return request_refuse(reterr, "prompt", "prompt must be a text or a list of token ids.");
        /* The whole prompt is the client's own, so it may write out special tokens: there is no turn of another to forge. */
        return read_one(rules, "prompt", prompt, true, tokens_max, list, reterr);
}

int prompt_read_input(const struct request_rules *rules, const cJSON *input, struct token_list *list,
                      struct request_error *reterr) {
        if (!cJSON_IsString(input) && !cJSON_IsArray(input))
                return request_refuse(reterr, "input", "input must be a list of texts or of lists of token ids.");
        int r = read_one(rules, "input", input, false, rules->n_ctx, list, reterr);
        if (r == 0 && list->count > rules->n_ctx_now)
                return request_refuse_lowered(reterr, "input", list->count, rules->n_ctx_now, rules->n_ctx);
        return r;
}
