/*
 * responses.c - answers in the shapes of OpenAI's responses.
 *
 * A response is a list of items, which are our parts: reasoning (told as its summary, which is what clients show), messages and calls of
 * functions. In a stream each item is added, grows and is done, at which it is told whole; the response is told whole at the beginning
 * and at the end. All events are numbered.
 */
#include <string.h>

#include "daemon/dialect/dialect.h"
#include "daemon/translate/responses.h"
#include "daemon/dialect/sse.h"

_Static_assert((size_t) REPEATED_COUNT <= ASKED_REPEATED, "a response repeats more of a request than is kept");

/* --- items --- */

static uint32_t number_of(const struct answer *a, const struct answer_part *p) {
        return (uint32_t) (p - a->parts);
}

/* An item is called after its response. */
static void write_item_id(struct text *out, const struct answer *a, const struct answer_part *p) {
        static const char *const prefixes[] = { [PART_REASONING] = "rs", [PART_TEXT] = "msg", [PART_CALL] = "fc" };

        text_printf(out, "\"%s_%s_%u\"", prefixes[p->kind], a->id + strlen(a->dialect->id_prefix), number_of(a, p));
}

/* Of the tokens of a text: what stands between the brackets. */
struct span {
        const char *at;
        size_t length;
};

static struct span logprobs_of(const struct answer *a, const struct answer_part *p) {
        return (struct span){ text_string(&a->logprobs.tokens) + p->logprobs_at, p->logprobs_length };
}

static void write_logprobs(struct text *out, struct span logprobs) {
        text_puts(out, ",\"logprobs\":[");
        text_add(out, logprobs.at, logprobs.length);
        text_puts(out, "]");
}

/* IS_DONE: all of it is there; else it only begins. */
static void write_text_part(struct text *out, const struct answer *a, const struct answer_part *p, bool is_done) {
        text_puts(out, "{\"type\":\"output_text\",\"annotations\":[]");
        write_logprobs(out, is_done ? logprobs_of(a, p) : (struct span){ "", 0 });
        text_puts(out, ",\"text\":");
        text_json(out, is_done ? text_string(&p->text) : "");
        text_puts(out, "}");
}

static void write_summary_part(struct text *out, const char *text) {
        text_puts(out, "{\"type\":\"summary_text\",\"text\":");
        text_json(out, text);
        text_puts(out, "}");
}

static const char *status_of(const struct answer *a, const struct answer_part *p) {
        return a->is_cut && p == answer_part(a) ? "incomplete" : "completed";
}

static void write_item(struct text *out, const struct answer *a, const struct answer_part *p, bool is_done) {
        const char *text = is_done ? text_string(&p->text) : "";

        text_puts(out, "{\"id\":");
        write_item_id(out, a, p);
        text_printf(out, ",\"status\":\"%s\",", is_done ? status_of(a, p) : "in_progress");
        switch (p->kind) {
        case PART_REASONING:
                text_puts(out, "\"type\":\"reasoning\",\"summary\":[");
                if (is_done)
                        write_summary_part(out, text);
                text_puts(out, "]}");
                break;
        case PART_TEXT:
                text_puts(out, "\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
                if (is_done)
                        write_text_part(out, a, p, true);
                text_puts(out, "]}");
                break;
        case PART_CALL:
                text_puts(out, "\"type\":\"function_call\",\"call_id\":");
                text_json(out, text_string(&p->id));
                text_puts(out, ",\"name\":");
                text_json(out, text_string(&p->name));
                text_puts(out, ",\"arguments\":");
                text_json(out, text);
                text_puts(out, "}");
                break;
        }
}

/* --- the response --- */

/* What is known of it when it is told. */
struct state {
        const char *status;
        const struct request_usage *usage; /* NULL: not yet, or never */
        const struct failure *failure;     /* NULL: none */
};

static const char *code_of(const struct failure *f) {
        return *f->code ? f->code : f->kind;
}

static void write_error(struct text *out, const struct failure *f) {
        if (!f) {
                text_puts(out, "null");
                return;
        }
        text_puts(out, "{\"code\":");
        text_json(out, code_of(f));
        text_puts(out, ",\"message\":");
        text_json(out, f->message);
        text_puts(out, "}");
}

static void write_output(struct text *out, const struct answer *a) {
        text_puts(out, ",\"output\":[");
        for (uint32_t i = 0; i < a->parts_count; i++) {
                text_puts(out, i ? "," : "");
                write_item(out, a, &a->parts[i], true);
        }
        text_puts(out, "]");
}

static void write_usage(struct text *out, const struct request_usage *u) {
        if (!u) {
                text_puts(out, ",\"usage\":null");
                return;
        }
        text_printf(out,
                    ",\"usage\":{\"input_tokens\":%u,\"input_tokens_details\":{\"cached_tokens\":%u},\"output_tokens\":%u,"
                    "\"output_tokens_details\":{\"reasoning_tokens\":%u},\"total_tokens\":%u}",
                    u->prompt_tokens, u->cached_tokens, u->completion_tokens, u->reasoning_tokens,
                    u->prompt_tokens + u->completion_tokens);
}

/* As the client said, or as it is where nothing was said. */
static void write_repeated(struct text *out, const struct answer *a) {
        static const struct {
                const char *name, *otherwise;
        } members[REPEATED_COUNT] = {
                [REPEATED_INSTRUCTIONS] = { "instructions", "null" },
                [REPEATED_MAX_OUTPUT_TOKENS] = { "max_output_tokens", "null" },
                [REPEATED_METADATA] = { "metadata", "{}" },
                [REPEATED_PARALLEL_TOOL_CALLS] = { "parallel_tool_calls", "true" },
                [REPEATED_REASONING] = { "reasoning", "{\"effort\":null,\"summary\":null}" },
                [REPEATED_TEMPERATURE] = { "temperature", "null" },
                [REPEATED_TEXT] = { "text", "{\"format\":{\"type\":\"text\"}}" },
                [REPEATED_TOOL_CHOICE] = { "tool_choice", "\"auto\"" },
                [REPEATED_TOOLS] = { "tools", "[]" },
                [REPEATED_TOP_LOGPROBS] = { "top_logprobs", "0" },
                [REPEATED_TOP_P] = { "top_p", "null" },
                [REPEATED_USER] = { "user", "null" },
        };

        for (unsigned i = 0; i < REPEATED_COUNT; i++) {
                struct json_value said = a->repeated[i];
                text_printf(out, ",\"%s\":", members[i].name);
                if (said.kind == JSON_NONE)
                        text_puts(out, members[i].otherwise);
                else
                        put_line(out, said.at, said.length);
        }
}

static void write_response(struct text *out, const struct answer *a, struct state s) {
        text_puts(out, "{\"id\":");
        text_json(out, a->id);
        text_printf(out, ",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\",\"model\":", (long long) a->created_s,
                    s.status);
        text_json(out, a->model);
        text_puts(out, ",\"error\":");
        write_error(out, s.failure);
        text_printf(out, ",\"incomplete_details\":%s", a->is_cut && s.usage ? "{\"reason\":\"max_output_tokens\"}" : "null");
        write_output(out, a);
        write_usage(out, s.usage);
        write_repeated(out, a);
        text_puts(out, ",\"background\":false,\"previous_response_id\":null,\"store\":false,\"truncation\":\"disabled\"}");
}

/* --- a stream --- */

static void begin_event(struct text *out, struct answer *a, const char *name) {
        sse_begin(out, name);
        text_printf(out, ",\"sequence_number\":%u", a->events++);
}

static void response_event(struct text *out, struct answer *a, const char *name, struct state s) {
        begin_event(out, a, name);
        text_puts(out, ",\"response\":");
        write_response(out, a, s);
        sse_end(out);
}

static void on_begin(struct text *out, struct answer *a) {
        response_event(out, a, "response.created", (struct state){ .status = "in_progress" });
        response_event(out, a, "response.in_progress", (struct state){ .status = "in_progress" });
}

static void item_event(struct text *out, struct answer *a, const char *name, const struct answer_part *p, bool is_done) {
        begin_event(out, a, name);
        text_printf(out, ",\"output_index\":%u,\"item\":", number_of(a, p));
        write_item(out, a, p, is_done);
        sse_end(out);
}

/* An event within the item P. INDEX: what its only part is counted by, or NULL: it has none. */
static void begin_inner(struct text *out, struct answer *a, const char *name, const struct answer_part *p, const char *index) {
        begin_event(out, a, name);
        text_puts(out, ",\"item_id\":");
        write_item_id(out, a, p);
        text_printf(out, ",\"output_index\":%u", number_of(a, p));
        if (index)
                text_printf(out, ",\"%s\":0", index);
}

/* ... with one member more. */
static void inner_event(struct text *out, struct answer *a, const char *name, const struct answer_part *p, const char *index,
                        const char *member, const char *text) {
        begin_inner(out, a, name, p, index);
        text_printf(out, ",\"%s\":", member);
        text_json(out, text);
        sse_end(out);
}

static void text_event(struct text *out, struct answer *a, const char *name, const struct answer_part *p, const char *member,
                       const char *text, struct span logprobs) {
        begin_inner(out, a, name, p, "content_index");
        text_printf(out, ",\"%s\":", member);
        text_json(out, text);
        write_logprobs(out, logprobs);
        sse_end(out);
}

static void text_delta(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs) {
        struct logprobs of_piece = { 0 };

        logprobs_add(&of_piece, true, logprobs);
        text_event(out, a, "response.output_text.delta", p, "delta", text,
                   (struct span){ text_string(&of_piece.tokens), of_piece.tokens.used });
        out->failed |= logprobs_failed(&of_piece);
        logprobs_done(&of_piece);
}

static void part_event(struct text *out, struct answer *a, const char *name, const struct answer_part *p, bool is_done) {
        bool is_text = p->kind == PART_TEXT;

        begin_inner(out, a, name, p, is_text ? "content_index" : "summary_index");
        text_puts(out, ",\"part\":");
        if (is_text)
                write_text_part(out, a, p, is_done);
        else
                write_summary_part(out, is_done ? text_string(&p->text) : "");
        sse_end(out);
}

static void on_open(struct text *out, struct answer *a, const struct answer_part *p) {
        item_event(out, a, "response.output_item.added", p, false);
        if (p->kind == PART_TEXT)
                part_event(out, a, "response.content_part.added", p, false);
        else if (p->kind == PART_REASONING)
                part_event(out, a, "response.reasoning_summary_part.added", p, false);
}

static void on_piece(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs) {
        if (!*text && !logprobs)
                return;
        switch (p->kind) {
        case PART_TEXT: text_delta(out, a, p, text, logprobs); break;
        case PART_REASONING:
                inner_event(out, a, "response.reasoning_summary_text.delta", p, "summary_index", "delta", text);
                break;
        case PART_CALL: inner_event(out, a, "response.function_call_arguments.delta", p, NULL, "delta", text); break;
        }
}

static void on_close(struct text *out, struct answer *a, const struct answer_part *p) {
        const char *text = text_string(&p->text);

        switch (p->kind) {
        case PART_TEXT:
                text_event(out, a, "response.output_text.done", p, "text", text, logprobs_of(a, p));
                part_event(out, a, "response.content_part.done", p, true);
                break;
        case PART_REASONING:
                inner_event(out, a, "response.reasoning_summary_text.done", p, "summary_index", "text", text);
                part_event(out, a, "response.reasoning_summary_part.done", p, true);
                break;
        case PART_CALL:
                begin_inner(out, a, "response.function_call_arguments.done", p, NULL);
                text_puts(out, ",\"name\":");
                text_json(out, text_string(&p->name));
                text_puts(out, ",\"arguments\":");
                text_json(out, text);
                sse_end(out);
        }
        item_event(out, a, "response.output_item.done", p, true);
}

static struct state ended(const struct answer *a, const struct request_usage *usage) {
        return (struct state){ .status = a->is_cut ? "incomplete" : "completed", .usage = usage };
}

static void on_end(struct text *out, struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) finish;
        response_event(out, a, a->is_cut ? "response.incomplete" : "response.completed", ended(a, usage));
}

/* Some clients listen for the one, some for the other. */
static void on_failed(struct text *out, struct answer *a, const struct failure *f) {
        begin_event(out, a, "error");
        text_puts(out, ",\"code\":");
        text_json(out, code_of(f));
        text_puts(out, ",\"message\":");
        text_json(out, f->message);
        text_puts(out, ",\"param\":null");
        sse_end(out);
        response_event(out, a, "response.failed", (struct state){ .status = "failed", .failure = f });
}

/* --- the whole answer --- */

static void whole(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) finish;
        write_response(out, a, ended(a, usage));
        text_puts(out, "\n");
}

static void count(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) a, (void) finish;
        text_printf(out, "{\"object\":\"response.input_tokens\",\"input_tokens\":%u}\n", usage->prompt_tokens);
}

const struct dialect dialect_responses = { .id_prefix = "resp_",
                                           .stream_type = "text/event-stream",
                                           .keeps = true,
                                           .repeats = true,
                                           .logprobs_of_text = true,
                                           .is_chat = true,
                                           .pings_tell = true,
                                           .begin = on_begin,
                                           .open = on_open,
                                           .piece = on_piece,
                                           .close = on_close,
                                           .end = on_end,
                                           .failed = on_failed,
                                           .ping = openai_ping,
                                           .whole = whole,
                                           .refuse = openai_refuse };
const struct dialect dialect_responses_count = {
        .id_prefix = "", .is_chat = true, .looks = REQUEST_COUNT, .whole = count, .refuse = openai_refuse
};
