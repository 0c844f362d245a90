/* tokens.c - see tokens.h. */
#include "engine/request/tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/request/error.h"
#include "engine/request/prompt.h"
#include "engine/request/thinking.h"
#include "engine/request/tools.h"

/* What OUT could not hold is more than an answer may be, or there was no memory for it. */
static int check_written(const struct text *out, struct request_error *reterr) {
        if (!out->failed)
                return 0;
        if (!out->is_full)
                return request_no_memory(reterr);
        return request_refuse(reterr, NULL, "The answer would be longer than %u MiB: ask in parts.", TOKENIZE_ANSWER_MAX >> 20);
}

/* --- a text, or a conversation, to tokens --- */

/* One of two names for the same; neither: *out stays. */
static int read_flag(const cJSON *body, const char *name, const char *other, bool *out, struct request_error *reterr) {
        const cJSON *value = json_get(body, name);
        if (!value && other)
                value = json_get(body, name = other);
        if (value && !cJSON_IsBool(value))
                return request_refuse(reterr, name, "%s must be true or false.", name);
        *out = value ? cJSON_IsTrue(value) : *out;
        return 0;
}

/* Who sends a `prompt` means what a completion reads; `content` is a text as it stands, unless more is asked for. */
static int encode(const struct request_rules *rules, const cJSON *body, struct token_list *list, struct request_error *reterr) {
        const cJSON *content = json_get(body, "content"), *text = content ? content : json_get(body, "prompt");
        const char *param = content ? "content" : "prompt";
        bool add_special = !content, parse_special = true;
        if (!cJSON_IsString(text))
                return request_refuse(reterr, param, "%s must be a text.", param);
        if (strlen(text->valuestring) > TOKENIZE_BYTES_MAX)
                return request_refuse(reterr, param, "%s is longer than the %u MiB that are taken at once: send it in parts.",
                                      param, TOKENIZE_BYTES_MAX >> 20);
        if (read_flag(body, "add_special", "add_special_tokens", &add_special, reterr) < 0 ||
            read_flag(body, "parse_special", NULL, &parse_special, reterr) < 0)
                return -EINVAL;
        int r = prompt_encode_text(rules->tokenizer, text->valuestring, strlen(text->valuestring), add_special, parse_special,
                                   list);
        return r < 0 ? request_no_memory(reterr) : 0;
}

static int encode_chat(struct request_rules *rules, const cJSON *body, struct token_list *list, struct request_error *reterr) {
        struct request r;
        int result = request_read(rules, &(struct request_asked){ .kind = REQUEST_CHAT }, body, &r, reterr);
        if (result < 0)
                return result;
        *list = r.inputs[0];
        r.inputs[0] = (struct token_list){ 0 };
        request_done(&r);
        return 0;
}

static void write_bytes(struct text *out, const char *bytes, size_t count) {
        for (size_t i = 0; i < count; i++)
                text_printf(out, "%s%u", i ? "," : "[", (unsigned char) bytes[i]);
        text_puts(out, count ? "]" : "[]");
}

static void write_piece(struct text *out, const struct tokenizer *t, int32_t id) {
        size_t count = tokenizer_piece(t, id, true, false, NULL, 0);
        char *piece = calloc(1, count + 1);
        out->failed |= !piece;
        if (!piece)
                return;
        (void) tokenizer_piece(t, id, true, false, piece, count);
        text_printf(out, "{\"id\":%d,\"piece\":", id);
        if (strlen(piece) == count && text_is_utf8(piece, count))
                text_json(out, piece);
        else
                write_bytes(out, piece, count);
        text_puts(out, "}");
        free(piece);
}

static void write_list(struct text *out, const struct tokenizer *t, const struct token_list *list, bool with_pieces) {
        text_puts(out, "[");
        for (size_t i = 0; i < list->count && !out->failed; i++) {
                text_puts(out, i ? "," : "");
                if (with_pieces)
                        write_piece(out, t, list->ids[i]);
                else
                        text_printf(out, "%d", list->ids[i]);
        }
        text_puts(out, "]");
}

int tokens_of_text(struct request_rules *rules, const cJSON *body, struct text *out, uint32_t *ret_count,
                   struct request_error *reterr) {
        struct token_list list = { 0 };
        bool with_pieces = false;
        int r = read_flag(body, "with_pieces", NULL, &with_pieces, reterr);
        if (r == 0)
                r = json_get(body, "messages") ? encode_chat(rules, body, &list, reterr) : encode(rules, body, &list, reterr);
        if (r == 0)
                write_list(out, rules->tokenizer, &list, with_pieces);
        *ret_count = (uint32_t) list.count;
        token_list_done(&list);
        return r < 0 ? r : check_written(out, reterr);
}

/* --- and back --- */

int tokens_to_text(struct request_rules *rules, const cJSON *body, struct text *out, uint32_t *ret_count,
                   struct request_error *reterr) {
        const cJSON *tokens = json_get(body, "tokens");
        struct token_list list = { 0 };
        char *text = NULL;
        size_t length = 0;
        if (!cJSON_IsArray(tokens))
                return request_refuse(reterr, "tokens", "tokens must be a list of token ids.");
        if (cJSON_GetArraySize(tokens) > (int) DETOKENIZE_TOKENS_MAX)
                return request_refuse(reterr, "tokens", "tokens must not hold more than %u ids: send them in parts.",
                                      DETOKENIZE_TOKENS_MAX);
        int r = prompt_read_ids(rules, "tokens", tokens, &list, reterr);
        if (r == 0 && tokenizer_decode(rules->tokenizer, list.ids, list.count, true, &text, &length) < 0)
                r = request_no_memory(reterr);
        if (r == 0)
                (void) text_add(out, text, length);
        *ret_count = (uint32_t) list.count;
        free(text);
        token_list_done(&list);
        return r < 0 ? r : check_written(out, reterr);
}

/* --- a conversation as its prompt --- */

int tokens_of_template(struct request_rules *rules, const cJSON *body, struct text *out, uint32_t *ret_count,
                       struct request_error *reterr) {
        struct chat_parser_setup setup = { 0 };
        struct request_tools tools = { .offered = NULL };
        struct chat_thinking thinking;
        int64_t budget;
        int r = request_refuse_without_text(rules, reterr);
        if (r == 0)
                r = request_read_tools(rules, body, &setup, &tools, reterr);
        if (r == 0)
                r = request_read_thinking(body, &thinking, &budget, reterr);
        if (r == 0)
                r = prompt_write_chat(rules, body, &tools, &thinking, out, reterr);
        *ret_count = 0;
        request_tools_done(&tools);
        chat_parser_setup_done(&setup);
        return r < 0 ? r : check_written(out, reterr);
}
