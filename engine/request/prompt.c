/* prompt.c - see prompt.h. */
#include "engine/request/prompt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/json_read.h"
#include "engine/chat/template.h"
#include "engine/request/error.h"
#include "engine/request/prefill.h"

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

/* ---- the conversation ---- */

/* The beginning of a call that the prompt already holds counts as said. */
static int note_begun(const struct chat_conversation *conversation, struct chat_parser_setup *parser_setup,
                      struct request_error *reterr) {
        size_t bytes = 1;
        for (size_t i = 0; i < 3 && conversation->begun[i]; i++)
                bytes += strlen(conversation->begun[i]);
        char *end = parser_setup->begun = calloc(1, bytes);
        if (!end)
                return request_no_memory(reterr);
        for (size_t i = 0; i < 3 && conversation->begun[i]; i++)
                end = stpcpy(end, conversation->begun[i]);
        return 0;
}

/* R is what the template has answered, with WHY. */
static int refuse_messages(const struct request_rules *rules, int r, const struct gguf_error *why, uint32_t tokens_max,
                           struct request_error *reterr) {
        if (r == -ENOMEM)
                return request_no_memory(reterr);
        if (r == -EFBIG)
                return request_refuse_length(reterr, "messages", (size_t) tokens_max + 1, true, rules->n_ctx);
        return request_refuse(reterr, "messages", "%s", why->text);
}

static int encode(const struct request_rules *rules, const struct chat_conversation *conversation, uint32_t tokens_max,
                  struct token_list *list, struct chat_parser_setup *parser_setup, struct request_error *reterr) {
        struct gguf_error why;
        int r = chat_template_encode(rules->chat, rules->tokenizer, conversation, list, &parser_setup->reasoning, &why);
        if (r < 0)
                return refuse_messages(rules, r, &why, tokens_max, reterr);
        parser_setup->format = &rules->chat->output_format;
        parser_setup->continues = conversation->continues;
        if (conversation->begun[0] && parser_setup->reasoning == REASONING_OVER &&
            (r = note_begun(conversation, parser_setup, reterr)) < 0)
                return r;
        return check_count(rules, "messages", list, tokens_max, reterr);
}

static int read_conversation(const struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                             const struct chat_thinking *thinking, uint32_t tokens_max, struct chat_conversation *ret,
                             struct request_error *reterr) {
        const cJSON *messages = json_get(body, "messages"), *variables = json_get(body, "chat_template_kwargs");
        *ret = (struct chat_conversation){ .messages = messages,
                                           .tools = tools->offered,
                                           .variables = variables,
                                           .thinking = *thinking,
                                           .add_generation = true };
        if (!cJSON_IsArray(messages) || !messages->child)
                return request_refuse(reterr, "messages", "messages must be a list of at least one message.");
        if (variables && !cJSON_IsObject(variables))
                return request_refuse(reterr, "chat_template_kwargs", "chat_template_kwargs must be an object.");
        if (cJSON_GetArraySize(variables) > (int) REQUEST_VARIABLES_MAX)
                return request_refuse(reterr, "chat_template_kwargs", "chat_template_kwargs must not hold more than %u members.",
                                      REQUEST_VARIABLES_MAX);
        int r = request_read_prefill(body, messages, ret, reterr);
        if (r == 0)
                r = check_bytes(rules, "messages", messages_bytes(messages), tokens_max, reterr);
        if (r < 0)
                return r;
        if (tools->must) { /* up to the arguments where it is known which tool, else up to the name */
                const struct call_format *calls = rules->chat->output_format.calls;
                ret->begun[0] = calls->writes[0];
                ret->begun[1] = tools->only;
                ret->begun[2] = tools->only ? calls->writes[1] : NULL;
        }
        ret->bytes_max = (size_t) (tokens_max + 1) * tokenizer_longest(rules->tokenizer);
        return 0;
}

int prompt_read_chat(const struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                     const struct chat_thinking *thinking, uint32_t tokens_max, struct token_list *list,
                     struct chat_parser_setup *parser_setup, struct request_error *reterr) {
        struct chat_conversation conversation;
        int r = read_conversation(rules, body, tools, thinking, tokens_max, &conversation, reterr);
        return r < 0 ? r : encode(rules, &conversation, tokens_max, list, parser_setup, reterr);
}

int prompt_write_chat(const struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                      const struct chat_thinking *thinking, struct text *out, struct request_error *reterr) {
        struct chat_conversation conversation;
        struct gguf_error why;
        int r = read_conversation(rules, body, tools, thinking, rules->n_ctx, &conversation, reterr);
        if (r < 0)
                return r;
        r = chat_template_write(rules->chat, rules->tokenizer, &conversation, out, &why);
        return r < 0 ? refuse_messages(rules, r, &why, rules->n_ctx, reterr) : 0;
}

/* A text that writes out the begin token, which the tokenizer has added too, means one. */
static void drop_second_begin(const struct tokenizer *t, struct token_list *list) {
        int32_t begin = tokenizer_bos(t);
        if (begin != TOKEN_NONE && list->count > 1 && list->ids[0] == begin && list->ids[1] == begin)
                memmove(list->ids, list->ids + 1, --list->count * sizeof(*list->ids));
}

int prompt_read_ids(const struct request_rules *rules, const char *param, const cJSON *array, struct token_list *list,
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

int prompt_encode_text(const struct tokenizer *t, const char *text, size_t length, bool add_special, bool parse_special,
                       struct token_list *list) {
        if (!json_has_nul(text))
                return tokenizer_encode(t, text, length, add_special, parse_special, list);
        char *copy = strndup(text, length);
        int r = copy ? tokenizer_encode(t, copy, json_restore_nuls(copy, length), add_special, parse_special, list) : -ENOMEM;
        free(copy);
        return r;
}

/* ONE is a string or an array of token ids. */
static int read_one(const struct request_rules *rules, const char *param, const cJSON *one, bool parse_special,
                    uint32_t tokens_max, struct token_list *list, struct request_error *reterr) {
        int r;
        if (cJSON_IsArray(one)) {
                r = prompt_read_ids(rules, param, one, list, reterr);
                return r < 0 ? r : check_count(rules, param, list, tokens_max, reterr);
        }
        size_t length = strlen(one->valuestring);
        r = check_bytes(rules, param, length, tokens_max, reterr);
        if (r < 0)
                return r;
        if (prompt_encode_text(rules->tokenizer, one->valuestring, length, true, parse_special, list) < 0)
                return request_no_memory(reterr);
        drop_second_begin(rules->tokenizer, list);
        return check_count(rules, param, list, tokens_max, reterr);
}

int prompt_read(const struct request_rules *rules, const cJSON *prompt, uint32_t item, uint32_t tokens_max,
                struct token_list *list, struct request_error *reterr) {
        if (cJSON_IsArray(prompt) && (cJSON_IsString(prompt->child) || cJSON_IsArray(prompt->child))) {
                const cJSON *at = prompt->child;
                while (at && item-- > 0)
                        at = at->next;
                prompt = at;
        }
        if (!cJSON_IsString(prompt) && !cJSON_IsArray(prompt))
                return request_refuse(reterr, "prompt", "prompt must be a text or a list of token ids.");
        /* The whole prompt is the client's own, so it may write out special tokens: there is no turn of another to forge. */
        return read_one(rules, "prompt", prompt, true, tokens_max, list, reterr);
}

/* Bytes of TEXT that are enough to fill the context, up to the beginning of a character. */
static size_t bytes_that_fill(const struct request_rules *rules, const char *text) {
        size_t length = strlen(text), most = ((size_t) rules->n_ctx_now + 1) * tokenizer_longest(rules->tokenizer);
        while (most < length && ((unsigned char) text[most] & 0xc0) == 0x80)
                most++;
        return most < length ? most : length;
}

/* The beginning of INPUT that fits. */
static int read_beginning(const struct request_rules *rules, const cJSON *input, struct token_list *list,
                          struct request_error *reterr) {
        uint32_t most = rules->n_ctx_now;
        if (cJSON_IsArray(input)) {
                int r = prompt_read_ids(rules, "input", input, list, reterr);
                if (r < 0)
                        return r;
        } else if (prompt_encode_text(rules->tokenizer, input->valuestring, bytes_that_fill(rules, input->valuestring), true,
                                      false, list) < 0) {
                return request_no_memory(reterr);
        }
        drop_second_begin(rules->tokenizer, list);
        if (list->count > most) {
                int32_t last = list->ids[list->count - 1];
                list->count = most;
                if (cJSON_IsString(input) && tokenizer_is_end(rules->tokenizer, last))
                        list->ids[most - 1] = last;
        }
        return check_count(rules, "input", list, most, reterr);
}

int prompt_read_input(const struct request_rules *rules, const cJSON *input, bool truncate, struct token_list *list,
                      struct request_error *reterr) {
        if (!cJSON_IsString(input) && !cJSON_IsArray(input))
                return request_refuse(reterr, "input", "input must be a list of texts or of lists of token ids.");
        if (truncate)
                return read_beginning(rules, input, list, reterr);
        int r = read_one(rules, "input", input, false, rules->n_ctx, list, reterr);
        if (r == 0 && list->count > rules->n_ctx_now)
                return request_refuse_lowered(reterr, "input", list->count, rules->n_ctx_now, rules->n_ctx);
        return r;
}
