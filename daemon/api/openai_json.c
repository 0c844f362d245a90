/* openai_json.c - see openai_json.h. Written as text, since a stream writes hundreds of them a second. */
#include "daemon/api/openai_json.h"

#include <string.h>

#include "daemon/api/error.h"

static void begin(struct text *out, const struct openai_json *s, const char *object) {
        text_puts(out, "{\"id\":");
        text_json(out, s->id);
        text_printf(out, ",\"object\":\"%s\",\"created\":%lld,\"model\":", object, (long long) s->created);
        text_json(out, s->model);
        text_puts(out, ",\"choices\":[");
}

static void begin_chunk(struct text *out, const struct openai_json *s) {
        text_puts(out, "data: ");
        begin(out, s, s->is_chat ? "chat.completion.chunk" : "text_completion");
}

static void write_usage(struct text *out, const struct request_usage *u) {
        text_printf(out,
                    ",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u,"
                    "\"prompt_tokens_details\":{\"cached_tokens\":%u}}",
                    u->prompt_tokens, u->completion_tokens, u->prompt_tokens + u->completion_tokens, u->cached_tokens);
        text_printf(out, ",\"timings\":{\"prompt_ms\":%.3f,\"predicted_ms\":%.3f}", u->prefill_ms, u->decode_ms);
}

void openai_json_role_chunk(struct text *out, const struct openai_json *s) {
        if (!s->is_chat)
                return; /* completions have no roles */
        begin_chunk(out, s);
        text_puts(out, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}]}\n\n");
}

void openai_json_text_chunk(struct text *out, const struct openai_json *s, const char *text, const struct text *logprobs) {
        begin_chunk(out, s);
        text_puts(out, s->is_chat ? "{\"index\":0,\"delta\":{\"content\":" : "{\"index\":0,\"text\":");
        text_json(out, text);
        if (s->is_chat)
                text_puts(out, "}");
        if (logprobs || !s->is_chat)
                text_printf(out, ",\"logprobs\":%s", logprobs ? text_string(logprobs) : "null");
        text_puts(out, ",\"finish_reason\":null}]}\n\n");
}

void openai_json_reasoning_chunk(struct text *out, const struct openai_json *s, const char *text) {
        begin_chunk(out, s);
        text_puts(out, "{\"index\":0,\"delta\":{\"reasoning_content\":");
        text_json(out, text);
        text_puts(out, "},\"finish_reason\":null}]}\n\n");
}

/* {"id","type","function":{"name" - and the caller goes on with the arguments. */
static void begin_call(struct text *out, const struct request_call *call) {
        text_puts(out, "\"id\":");
        text_json(out, call->id);
        text_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
        text_json(out, call->name);
        text_puts(out, ",\"arguments\":");
}

void openai_json_call_chunk(struct text *out, const struct openai_json *s, const struct request_call *call) {
        begin_chunk(out, s);
        text_printf(out, "{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":%u,", call->index);
        if (call->id)
                begin_call(out, call);
        else
                text_puts(out, "\"function\":{\"arguments\":");
        text_json(out, call->arguments);
        text_puts(out, "}}]},\"finish_reason\":null}]}\n\n");
}

void openai_json_finish_chunk(struct text *out, const struct openai_json *s, const char *finish) {
        begin_chunk(out, s);
        text_puts(out, s->is_chat ? "{\"index\":0,\"delta\":{}" : "{\"index\":0,\"text\":\"\",\"logprobs\":null");
        text_puts(out, ",\"finish_reason\":");
        text_json(out, finish);
        text_puts(out, "}]}\n\n");
}

void openai_json_usage_chunk(struct text *out, const struct openai_json *s, const struct request_usage *usage) {
        begin_chunk(out, s);
        text_puts(out, "]");
        write_usage(out, usage);
        text_puts(out, "}\n\n");
}

void openai_json_done(struct text *out) {
        text_puts(out, "data: [DONE]\n\n");
}

void openai_json_error(struct text *out, const struct failure *failure) {
        text_puts(out, "data: ");
        error_describe(out, failure);
        text_puts(out, "\n\n");
}

void openai_json_ping(struct text *out, const char *why) {
        text_puts(out, ": ping ");
        for (const char *c = why; *c; c++)
                if ((unsigned char) *c >= 0x20) /* a line end would end the comment */
                        text_add(out, c, 1);
        text_puts(out, "\n\n");
}

/* --- the whole answer --- */

void openai_json_calls_done(struct openai_json_calls *c) {
        text_done(&c->list);
        text_done(&c->arguments);
}

void openai_json_calls_clear(struct openai_json_calls *c) {
        text_clear(&c->list);
        text_clear(&c->arguments);
        c->count = 0;
}

void openai_json_calls_end(struct openai_json_calls *c) {
        if (c->count == 0)
                return;
        text_json(&c->list, text_string(&c->arguments));
        text_puts(&c->list, "}}");
        c->list.failed |= c->arguments.failed;
        text_clear(&c->arguments);
}

void openai_json_calls_add(struct openai_json_calls *c, const struct request_call *call) {
        if (call->id) {
                openai_json_calls_end(c);
                text_puts(&c->list, c->count++ ? ",{" : "{");
                begin_call(&c->list, call);
        }
        text_puts(&c->arguments, call->arguments);
}

/* Content is null where there is none but calls. */
static void write_message(struct text *out, const struct openai_json_answer *a) {
        text_puts(out, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
        text_json(out, a->calls->count && !*a->text ? NULL : a->text);
        if (*a->reasoning) {
                text_puts(out, ",\"reasoning_content\":");
                text_json(out, a->reasoning);
        }
        if (a->calls->count) {
                text_puts(out, ",\"tool_calls\":[");
                text_puts(out, text_string(&a->calls->list));
                text_puts(out, "]");
        }
        text_puts(out, "}");
}

void openai_json_whole(struct text *out, const struct openai_json *s, const struct openai_json_answer *a) {
        begin(out, s, s->is_chat ? "chat.completion" : "text_completion");
        if (s->is_chat) {
                write_message(out, a);
        } else {
                text_puts(out, "{\"index\":0,\"text\":");
                text_json(out, a->text);
        }
        text_printf(out, ",\"logprobs\":%s,\"finish_reason\":", a->logprobs ? text_string(a->logprobs) : "null");
        text_json(out, a->finish);
        text_puts(out, "}]");
        write_usage(out, a->usage);
        text_puts(out, "}\n");
}

/* --- log probabilities --- */

void openai_json_logprobs_done(struct openai_json_logprobs *l) {
        text_done(&l->tokens);
        text_done(&l->values);
        text_done(&l->tops);
        text_done(&l->offsets);
}

void openai_json_logprobs_clear(struct openai_json_logprobs *l) {
        text_clear(&l->tokens);
        text_clear(&l->values);
        text_clear(&l->tops);
        text_clear(&l->offsets);
        l->count = 0;
}

static const char *token_of(const cJSON *entry) {
        const cJSON *token = cJSON_GetObjectItemCaseSensitive(entry, "token");

        return cJSON_IsString(token) ? token->valuestring : "";
}

/* JSON has no minus infinity; clients know this number for "as good as never". */
static void write_logprob(struct text *out, const cJSON *entry) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, "logprob");

        text_printf(out, "%.9g", cJSON_IsNumber(value) && value->valuedouble > -9999 ? value->valuedouble : -9999.0);
}

static void write_bytes(struct text *out, const cJSON *entry) {
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(entry, "bytes"), *byte;
        const char *separator = "";

        if (!cJSON_IsArray(bytes)) {
                text_puts(out, "null");
                return;
        }
        text_puts(out, "[");
        cJSON_ArrayForEach(byte, bytes) {
                text_printf(out, "%s%d", separator, byte->valueint & 255);
                separator = ",";
        }
        text_puts(out, "]");
}

/* {"token","logprob","bytes" - and the caller closes it, or adds to it. */
static void write_entry(struct text *out, const cJSON *entry) {
        text_puts(out, "{\"token\":");
        text_json(out, token_of(entry));
        text_puts(out, ",\"logprob\":");
        write_logprob(out, entry);
        text_puts(out, ",\"bytes\":");
        write_bytes(out, entry);
}

static void add_for_chat(struct openai_json_logprobs *l, const cJSON *entry) {
        const cJSON *top;
        const char *separator = "";

        write_entry(&l->tokens, entry);
        text_puts(&l->tokens, ",\"top_logprobs\":[");
        cJSON_ArrayForEach(top, cJSON_GetObjectItemCaseSensitive(entry, "top")) {
                text_puts(&l->tokens, separator);
                write_entry(&l->tokens, top);
                text_puts(&l->tokens, "}");
                separator = ",";
        }
        text_puts(&l->tokens, "]}");
}

static uint64_t count_characters(const char *text) {
        uint64_t count = 0;

        for (; *text; text++)
                count += ((unsigned char) *text & 0xc0) != 0x80;
        return count;
}

static void add_for_completion(struct openai_json_logprobs *l, const cJSON *entry) {
        const cJSON *top;
        const char *separator = "";

        text_json(&l->tokens, token_of(entry));
        write_logprob(&l->values, entry);
        text_printf(&l->offsets, "%llu", (unsigned long long) l->offset);
        l->offset += count_characters(token_of(entry));
        text_puts(&l->tops, "{");
        cJSON_ArrayForEach(top, cJSON_GetObjectItemCaseSensitive(entry, "top")) {
                text_puts(&l->tops, separator);
                text_json(&l->tops, token_of(top));
                text_puts(&l->tops, ":");
                write_logprob(&l->tops, top);
                separator = ",";
        }
        text_puts(&l->tops, "}");
}

void openai_json_logprobs_add(struct openai_json_logprobs *l, bool is_chat, const cJSON *frame) {
        struct text *lists[] = { &l->tokens, &l->values, &l->tops, &l->offsets };
        const cJSON *entry;

        cJSON_ArrayForEach(entry, frame) {
                for (unsigned i = 0; i < 4 && l->count; i++)
                        text_puts(lists[i], ",");
                if (is_chat)
                        add_for_chat(l, entry);
                else
                        add_for_completion(l, entry);
                l->count++;
        }
}

void openai_json_logprobs_write(struct text *out, const struct openai_json_logprobs *l, bool is_chat) {
        if (is_chat) {
                text_printf(out, "{\"content\":[%s]}", text_string(&l->tokens));
                return;
        }
        text_printf(out, "{\"tokens\":[%s],\"token_logprobs\":[%s],", text_string(&l->tokens), text_string(&l->values));
        text_printf(out, "\"top_logprobs\":[%s],\"text_offset\":[%s]}", text_string(&l->tops), text_string(&l->offsets));
}
