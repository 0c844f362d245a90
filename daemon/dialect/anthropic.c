/*
 * anthropic.c - answers in the shapes of Anthropic's API: messages and counts of tokens.
 *
 * A message is a list of blocks, which are our parts. In a stream each block begins, goes on in deltas and ends, by its number; before
 * the first and behind the last stand events about the whole message.
 */
#include "daemon/dialect/dialect.h"
#include "daemon/dialect/sse.h"

/* Clients send a block of thinking back only with its signature, which nobody here looks at. It has to be base64: "headroom". */
#define SIGNATURE "aGVhZHJvb20="

/* Tokens that were not computed again are counted apart. */
static void write_usage(struct text *out, const struct request_usage *u) {
        text_printf(out,
                    "\"usage\":{\"input_tokens\":%u,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%u,"
                    "\"output_tokens\":%u}",
                    u->prompt_tokens - u->cached_tokens, u->cached_tokens, u->completion_tokens);
}

/* {"id" ... "model" - and the caller goes on with the content. */
static void begin_message(struct text *out, const struct answer *a) {
        text_puts(out, "{\"id\":");
        text_json(out, a->id);
        text_puts(out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
        text_json(out, a->model);
}

/* FINISH as the API calls it, and the stop sequence that brought it. NULL: the answer goes on. */
static void write_stop(struct text *out, const char *finish, const char *sequence) {
        const char *reason = !finish          ? NULL
                             : *finish == 'l' ? "max_tokens"
                             : *finish == 't' ? "tool_use"
                             : sequence       ? "stop_sequence"
                                              : "end_turn";

        text_puts(out, "\"stop_reason\":");
        text_json(out, reason);
        text_puts(out, ",\"stop_sequence\":");
        text_json(out, finish && *finish == 's' ? sequence : NULL);
}

/* TEXT is what is known of it; of a call INPUT is. */
static void write_block(struct text *out, const struct answer_part *p, const char *text, const char *input) {
        switch (p->kind) {
        case PART_TEXT: text_puts(out, "{\"type\":\"text\",\"text\":"); break;
        case PART_REASONING: text_puts(out, "{\"type\":\"thinking\",\"thinking\":"); break;
        case PART_CALL:
                text_puts(out, "{\"type\":\"tool_use\",\"id\":");
                text_json(out, text_string(&p->id));
                text_puts(out, ",\"name\":");
                text_json(out, text_string(&p->name));
                text_printf(out, ",\"input\":");
                text_puts(out, input);
                text_puts(out, "}");
                return;
        }
        text_json(out, text);
        if (p->kind == PART_REASONING)
                text_printf(out, ",\"signature\":\"%s\"", *text ? SIGNATURE : "");
        text_puts(out, "}");
}

/* --- a stream --- */

static void on_begin(struct text *out, struct answer *a) {
        sse_begin(out, "message_start");
        text_puts(out, ",\"message\":");
        begin_message(out, a);
        text_puts(out, ",\"content\":[],");
        write_stop(out, NULL, NULL);
        text_puts(out, ",");
        write_usage(out, &(struct request_usage){ .prompt_tokens = a->prompt_tokens, .cached_tokens = a->cached_tokens });
        text_puts(out, "}");
        sse_end(out);
}

/* An event about the block that came last. */
static void begin_block_event(struct text *out, const struct answer *a, const char *name) {
        sse_begin(out, name);
        text_printf(out, ",\"index\":%u", a->parts_count - 1);
}

static void on_open(struct text *out, struct answer *a, const struct answer_part *p) {
        begin_block_event(out, a, "content_block_start");
        text_puts(out, ",\"content_block\":");
        write_block(out, p, "", "{}");
        sse_end(out);
}

static void write_delta(struct text *out, const struct answer *a, const char *type, const char *name, const char *text) {
        begin_block_event(out, a, "content_block_delta");
        text_printf(out, ",\"delta\":{\"type\":\"%s\",\"%s\":", type, name);
        text_json(out, text);
        text_puts(out, "}");
        sse_end(out);
}

static void on_piece(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs) {
        (void) logprobs;
        if (!*text)
                return;
        switch (p->kind) {
        case PART_TEXT: write_delta(out, a, "text_delta", "text", text); break;
        case PART_REASONING: write_delta(out, a, "thinking_delta", "thinking", text); break;
        case PART_CALL: write_delta(out, a, "input_json_delta", "partial_json", text); break;
        }
}

static void on_close(struct text *out, struct answer *a, const struct answer_part *p) {
        if (p->kind == PART_REASONING)
                write_delta(out, a, "signature_delta", "signature", SIGNATURE);
        begin_block_event(out, a, "content_block_stop");
        sse_end(out);
}

static void on_end(struct text *out, struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) a;
        sse_begin(out, "message_delta");
        text_puts(out, ",\"delta\":{");
        write_stop(out, finish, usage->stop);
        text_puts(out, "},");
        write_usage(out, usage);
        sse_end(out);
        sse_begin(out, "message_stop");
        sse_end(out);
}

static void on_ping(struct text *out, const char *why) {
        sse_comment(out, why);
        sse_begin(out, "ping");
        sse_end(out);
}

/* --- failures --- */

static const char *type_of(int status) {
        static const struct {
                int status;
                const char *type;
        } known[] = {
                { 401, "authentication_error" }, { 403, "permission_error" }, { 404, "not_found_error" },
                { 413, "request_too_large" },    { 429, "rate_limit_error" }, { 503, "overloaded_error" },
        };

        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (known[i].status == status)
                        return known[i].type;
        return status < 500 ? "invalid_request_error" : "api_error";
}

/* Agents look for these words, and make the conversation shorter. */
static void write_too_long(struct text *out, const struct failure *f) {
        text_printf(out, "\"prompt is too long: %lld tokens > %lld maximum\"", (long long) f->n_prompt_tokens,
                    (long long) f->n_ctx);
}

static void refuse(struct text *out, const struct failure *f, const char *request_id) {
        text_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type_of(f->status));
        if (f->n_prompt_tokens >= 0)
                write_too_long(out, f);
        else
                text_json(out, f->message);
        if (*f->advice) {
                text_puts(out, ",\"advice\":");
                text_json(out, f->advice);
        }
        text_puts(out, "},\"request_id\":");
        text_json(out, request_id);
        text_puts(out, "}");
}

static void on_failed(struct text *out, struct answer *a, const struct failure *failure) {
        text_puts(out, "event: error\ndata: ");
        refuse(out, failure, a->request_id);
        text_puts(out, "\n\n");
}

/* --- the whole answer --- */

/* A call that was cut off is none, as its input is no object: where the answer stopped is said. */
static void write_content(struct text *out, const struct answer *a) {
        struct text input = { .max = TEXT_MAX_NONE };
        const char *separator = "";

        for (uint32_t i = 0; i < a->parts_count; i++) {
                const struct answer_part *p = &a->parts[i];
                text_clear(&input);
                if (p->kind == PART_CALL && !answer_arguments(&input, p))
                        continue;
                text_puts(out, separator);
                write_block(out, p, text_string(&p->text), text_string(&input));
                out->failed |= input.failed;
                separator = ",";
        }
        text_done(&input);
}

static void whole(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        begin_message(out, a);
        text_puts(out, ",\"content\":[");
        write_content(out, a);
        text_puts(out, "],");
        write_stop(out, finish, usage->stop);
        text_puts(out, ",");
        write_usage(out, usage);
        text_puts(out, "}\n");
}

static void count(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) a, (void) finish;
        text_printf(out, "{\"input_tokens\":%u}\n", usage->prompt_tokens);
}

const struct dialect dialect_anthropic = { .id_prefix = "msg_",
                                           .stream_type = "text/event-stream",
                                           .pings_tell = true,
                                           .is_chat = true,
                                           .begin = on_begin,
                                           .open = on_open,
                                           .piece = on_piece,
                                           .close = on_close,
                                           .end = on_end,
                                           .failed = on_failed,
                                           .ping = on_ping,
                                           .whole = whole,
                                           .refuse = refuse };
const struct dialect dialect_anthropic_count = {
        .id_prefix = "", .is_chat = true, .looks = REQUEST_COUNT, .whole = count, .refuse = refuse
};
