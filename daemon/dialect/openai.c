/*
 * openai.c - answers in the shapes of OpenAI's API: chats and completions. Written as text, since a stream writes hundreds of them a second.
 *
 * In a stream the role stands in the first chunk only, all chunks bear the same id and time, and the usage chunk has an empty list
 * of choices. Those of several answers come as they are made.
 */
#include <string.h>

#include "daemon/dialect/dialect.h"
#include "daemon/dialect/sse.h"

static void begin_object(struct text *out, const struct answer *a, const char *object) {
        text_puts(out, "{\"id\":");
        text_json(out, a->id);
        text_printf(out, ",\"object\":\"%s\",\"created\":%lld,\"model\":", object, (long long) a->created_s);
        text_json(out, a->model);
        text_printf(out, ",\"system_fingerprint\":\"%s\",\"choices\":[", a->fingerprint);
}

static void begin_chunk(struct text *out, const struct answer *a) {
        text_puts(out, "data: ");
        begin_object(out, a, a->dialect->is_chat ? "chat.completion.chunk" : "text_completion");
}

static void write_usage(struct text *out, const struct request_usage *u) {
        text_printf(out,
                    ",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u,"
                    "\"prompt_tokens_details\":{\"cached_tokens\":%u},\"completion_tokens_details\":{\"reasoning_tokens\":%u}}",
                    u->prompt_tokens, u->completion_tokens, u->prompt_tokens + u->completion_tokens, u->cached_tokens,
                    u->reasoning_tokens);
        text_printf(out, ",\"timings\":{\"prompt_ms\":%.3f,\"predicted_ms\":%.3f}", u->prefill_ms, u->decode_ms);
}

/* --- a stream --- */

static void chat_begin(struct text *out, struct answer *a) {
        begin_chunk(out, a);
        text_printf(out, "{\"index\":%u,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}]}\n\n",
                    a->index);
}

/* A completion has no roles. */
static void completion_begin(struct text *out, struct answer *a) {
        (void) out, (void) a;
}

static void write_logprobs(struct text *out, struct answer *a, const cJSON *logprobs) {
        text_puts(out, ",\"logprobs\":");
        if (!logprobs) {
                text_puts(out, "null");
                return;
        }
        logprobs_clear(&a->logprobs);
        logprobs_add(&a->logprobs, a->dialect->is_chat, logprobs);
        logprobs_write(out, &a->logprobs, a->dialect->is_chat);
}

static void text_piece(struct text *out, struct answer *a, const char *text, const cJSON *logprobs) {
        bool is_chat = a->dialect->is_chat;

        begin_chunk(out, a);
        text_printf(out, is_chat ? "{\"index\":%u,\"delta\":{\"content\":" : "{\"index\":%u,\"text\":", a->index);
        text_json(out, text);
        if (is_chat)
                text_puts(out, "}");
        if (logprobs || !is_chat)
                write_logprobs(out, a, logprobs);
        text_puts(out, ",\"finish_reason\":null}]}\n\n");
}

static void reasoning_piece(struct text *out, struct answer *a, const char *text) {
        begin_chunk(out, a);
        text_printf(out, "{\"index\":%u,\"delta\":{\"reasoning_content\":", a->index);
        text_json(out, text);
        text_puts(out, "},\"finish_reason\":null}]}\n\n");
}

/* {"id","type","function":{"name" - and the caller goes on with the arguments. */
static void begin_call(struct text *out, const struct answer_part *p) {
        text_puts(out, "\"id\":");
        text_json(out, text_string(&p->id));
        text_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
        text_json(out, text_string(&p->name));
        text_puts(out, ",\"arguments\":");
}

static void call_piece(struct text *out, struct answer *a, const struct answer_part *p, const char *text) {
        begin_chunk(out, a);
        text_printf(out, "{\"index\":%u,\"delta\":{\"tool_calls\":[{\"index\":%u,", a->index, p->call);
        if (p->pieces == 0)
                begin_call(out, p);
        else
                text_puts(out, "\"function\":{\"arguments\":");
        text_json(out, text);
        text_puts(out, "}}]},\"finish_reason\":null}]}\n\n");
}

/* A call's id and name come with its first piece. */
static void no_event(struct text *out, struct answer *a, const struct answer_part *p) {
        (void) out, (void) a, (void) p;
}

static void on_piece(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs) {
        switch (p->kind) {
        case PART_TEXT: text_piece(out, a, text, logprobs); break;
        case PART_REASONING: reasoning_piece(out, a, text); break;
        case PART_CALL: call_piece(out, a, p, text); break;
        }
}

static void on_end(struct text *out, struct answer *a, const char *finish, const struct request_usage *usage) {
        begin_chunk(out, a);
        text_printf(out, a->dialect->is_chat ? "{\"index\":%u,\"delta\":{}" : "{\"index\":%u,\"text\":\"\",\"logprobs\":null",
                    a->index);
        text_puts(out, ",\"finish_reason\":");
        text_json(out, finish);
        text_puts(out, "}]}\n\n");
        if (a->goes_on)
                return;
        if (a->includes_usage) {
                begin_chunk(out, a);
                text_puts(out, "]");
                write_usage(out, usage);
                text_puts(out, "}\n\n");
        }
        text_puts(out, "data: [DONE]\n\n");
}

/* --- failures --- */

static const char *or_null(const char *text) {
        return *text ? text : NULL;
}

/* A code is always a string or null, which is what client libraries expect. */
void openai_refuse(struct text *out, const struct failure *f, const char *request_id) {
        (void) request_id;
        text_puts(out, "{\"error\":{\"message\":");
        text_json(out, f->message);
        text_puts(out, ",\"type\":");
        text_json(out, f->kind);
        text_puts(out, ",\"param\":");
        text_json(out, or_null(f->param));
        text_puts(out, ",\"code\":");
        text_json(out, or_null(f->code));
        if (*f->advice) {
                text_puts(out, ",\"advice\":");
                text_json(out, f->advice);
        }
        if (f->n_prompt_tokens >= 0)
                text_printf(out, ",\"n_prompt_tokens\":%lld,\"n_ctx\":%lld", (long long) f->n_prompt_tokens,
                            (long long) f->n_ctx);
        text_puts(out, "}}");
}

void openai_failed(struct text *out, struct answer *a, const struct failure *failure) {
        text_puts(out, "data: ");
        openai_refuse(out, failure, a->request_id);
        text_puts(out, "\n\n");
}

void openai_ping(struct text *out, const char *why) {
        sse_comment(out, why);
        text_puts(out, "\n");
}

/* --- the whole answer --- */

static void write_calls(struct text *out, const struct answer *a) {
        text_puts(out, ",\"tool_calls\":[");
        for (uint32_t i = 0; i < a->parts_count; i++) {
                const struct answer_part *p = &a->parts[i];
                if (p->kind != PART_CALL)
                        continue;
                text_puts(out, p->call ? ",{" : "{");
                begin_call(out, p);
                text_json(out, text_string(&p->text));
                text_puts(out, "}}");
        }
        text_puts(out, "]");
}

/* Content is null where there is none but calls. */
static void write_content(struct text *out, const struct answer *a) {
        if (!answer_join(out, a, PART_TEXT))
                text_puts(out, a->calls_count ? "null" : "\"\"");
}

static void write_message(struct text *out, const struct answer *a) {
        struct text reasoning = { .max = TEXT_MAX_NONE };

        text_puts(out, "\"message\":{\"role\":\"assistant\",\"content\":");
        write_content(out, a);
        if (answer_join(&reasoning, a, PART_REASONING)) {
                text_puts(out, ",\"reasoning_content\":");
                text_puts(out, text_string(&reasoning));
        }
        out->failed |= reasoning.failed;
        text_done(&reasoning);
        if (a->calls_count)
                write_calls(out, a);
        text_puts(out, "}");
}

static void write_choice(struct text *out, const struct answer *a, const char *finish) {
        bool is_chat = a->dialect->is_chat;

        text_printf(out, "{\"index\":%u,", a->index);
        if (is_chat) {
                write_message(out, a);
        } else {
                text_puts(out, "\"text\":");
                write_content(out, a);
        }
        text_puts(out, ",\"logprobs\":");
        if (a->logprobs.count)
                logprobs_write(out, &a->logprobs, is_chat);
        else
                text_puts(out, "null");
        text_puts(out, ",\"finish_reason\":");
        text_json(out, finish);
        text_puts(out, "}");
}

static void whole(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        begin_object(out, a, a->dialect->is_chat ? "chat.completion" : "text_completion");
        write_choice(out, a, finish);
        for (a = a->next; a; a = a->next) {
                text_puts(out, ",");
                write_choice(out, a, a->finish);
        }
        text_puts(out, "]");
        write_usage(out, usage);
        text_puts(out, "}\n");
}

#define OF_BOTH                                                                                                           \
        .stream_type = "text/event-stream", .pings_tell = true, .has_choices = true, .open = no_event, .piece = on_piece, \
        .close = no_event, .end = on_end, .failed = openai_failed, .ping = openai_ping, .whole = whole, .refuse = openai_refuse

const struct dialect dialect_openai_chat = { .id_prefix = "chatcmpl-", .is_chat = true, .begin = chat_begin, OF_BOTH };
const struct dialect dialect_openai_completion = {
        .id_prefix = "cmpl-", .lists_logprobs = true, .begin = completion_begin, OF_BOTH
};
