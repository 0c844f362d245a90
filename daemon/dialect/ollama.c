/*
 * ollama.c - answers in the shapes of Ollama's API. See ollama.h.
 *
 * A chat's words stand in `message`, a generation's in `response`. The last line of an answer has its counts and durations, which are in
 * nanoseconds; an answer that is sent whole is that line with all the words in it.
 */
#include "daemon/dialect/ollama.h"

#include <string.h>
#include <time.h>

void ollama_put_time(struct text *out, int64_t unix_s) {
        time_t seconds = (time_t) unix_s;
        struct tm when;
        char text[40] = "";

        if (gmtime_r(&seconds, &when))
                (void) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &when);
        text_printf(out, "\"%s\"", text);
}

static bool is_chat(const struct answer *a) {
        return a->dialect == &dialect_ollama_chat;
}

static void begin_line(struct text *out, const struct answer *a) {
        text_puts(out, "{\"model\":");
        text_json(out, a->model);
        text_puts(out, ",\"created_at\":");
        ollama_put_time(out, a->created_s);
}

/* Up to the words, and the caller goes on with a string. */
static void begin_words(struct text *out, const struct answer *a) {
        text_puts(out, is_chat(a) ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"response\":");
}

static void end_words(struct text *out, const struct answer *a) {
        text_puts(out, is_chat(a) ? "}" : "");
}

static void put_logprobs(struct text *out, const struct logprobs *l) {
        if (l->count)
                text_printf(out, ",\"logprobs\":[%s]", text_string(&l->tokens));
}

static void put_call(struct text *out, const struct answer_part *p) {
        text_puts(out, "{\"id\":");
        text_json(out, text_string(&p->id));
        text_printf(out, ",\"function\":{\"index\":%u,\"name\":", p->call);
        text_json(out, text_string(&p->name));
        text_puts(out, ",\"arguments\":");
        (void) answer_arguments(out, p);
        text_puts(out, "}}");
}

/* --- a stream --- */

/* Nothing goes before the words: whose stream ends at once gets its last line alone. */
static void on_begin(struct text *out, struct answer *a) {
        (void) out, (void) a;
}

static void on_open(struct text *out, struct answer *a, const struct answer_part *p) {
        (void) out, (void) a, (void) p;
}

static void on_piece(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs) {
        bool is_reasoning = p->kind == PART_REASONING;

        if (p->kind == PART_CALL)
                return;
        begin_line(out, a);
        begin_words(out, a);
        text_json(out, is_reasoning ? "" : text);
        if (is_reasoning) {
                text_puts(out, ",\"thinking\":");
                text_json(out, text);
        }
        end_words(out, a);
        text_puts(out, ",\"done\":false");
        logprobs_clear(&a->logprobs);
        logprobs_add(&a->logprobs, true, logprobs);
        put_logprobs(out, &a->logprobs);
        text_puts(out, "}\n");
}

/* A call that was cut off is none: `done_reason` says why it is not there. */
static bool is_whole_call(const struct answer_part *p) {
        struct text arguments = { .max = TEXT_MAX_NONE };
        bool is_whole = p->kind == PART_CALL && answer_arguments(&arguments, p);

        text_done(&arguments);
        return is_whole;
}

static void on_close(struct text *out, struct answer *a, const struct answer_part *p) {
        if (!is_whole_call(p))
                return;
        begin_line(out, a);
        begin_words(out, a);
        text_puts(out, "\"\",\"tool_calls\":[");
        put_call(out, p);
        text_puts(out, "]");
        end_words(out, a);
        text_puts(out, ",\"done\":false}\n");
}

/* Who asked for no answer is told no counts. */
static void put_end(struct text *out, const struct answer *a, const char *finish, const struct request_usage *u) {
        bool is_answer = strcmp(finish, "load") != 0 && strcmp(finish, "unload") != 0;

        text_printf(out, ",\"done\":true,\"done_reason\":\"%s\"", !strcmp(finish, "tool_calls") ? "stop" : finish);
        if (is_answer)
                text_printf(out,
                            ",\"total_duration\":%llu,\"load_duration\":%llu,\"prompt_eval_count\":%u,"
                            "\"prompt_eval_duration\":%.0f,\"eval_count\":%u,\"eval_duration\":%.0f",
                            (unsigned long long) a->total_ns, (unsigned long long) a->waited_ns, u->prompt_tokens,
                            u->prefill_ms * 1e6, u->completion_tokens, u->decode_ms * 1e6);
        text_puts(out, "}\n");
}

static void on_end(struct text *out, struct answer *a, const char *finish, const struct request_usage *usage) {
        begin_line(out, a);
        begin_words(out, a);
        text_puts(out, "\"\"");
        end_words(out, a);
        put_end(out, a, finish, usage);
}

/* --- failures --- */

/* There is one place for all that is to be said. */
static void refuse(struct text *out, const struct failure *f, const char *request_id) {
        char bytes[1024]; /* no memory is taken, since that may be what is missing */
        struct text words = { .bytes = bytes, .capacity = sizeof bytes, .is_lent = true };

        (void) request_id;
        text_puts(&words, f->message);
        if (*f->advice)
                text_printf(&words, " (%s)", f->advice);
        text_puts(out, "{\"error\":");
        text_json(out, text_string(&words));
        text_puts(out, "}");
}

static void on_failed(struct text *out, struct answer *a, const struct failure *failure) {
        refuse(out, failure, a->request_id);
        text_puts(out, "\n");
}

/* White space before the next line, which every reader of JSON skips: clients and proxies wait no longer than five minutes for a byte. */
static void ping(struct text *out, const char *why) {
        (void) why;
        text_puts(out, " ");
}

/* --- the whole answer --- */

static void put_calls(struct text *out, const struct answer *a) {
        bool is_open = false;

        for (uint32_t i = 0; i < a->parts_count; i++) {
                if (!is_whole_call(&a->parts[i]))
                        continue;
                text_puts(out, is_open ? "," : ",\"tool_calls\":[");
                put_call(out, &a->parts[i]);
                is_open = true;
        }
        text_puts(out, is_open ? "]" : "");
}

static void put_all_words(struct text *out, const struct answer *a) {
        struct text reasoning = { .max = TEXT_MAX_NONE };

        begin_words(out, a);
        if (!answer_join(out, a, PART_TEXT))
                text_puts(out, "\"\"");
        if (answer_join(&reasoning, a, PART_REASONING)) {
                text_puts(out, ",\"thinking\":");
                text_puts(out, text_string(&reasoning));
        }
        out->failed |= reasoning.failed;
        text_done(&reasoning);
        put_calls(out, a);
        end_words(out, a);
}

static void whole(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        begin_line(out, a);
        put_all_words(out, a);
        put_logprobs(out, &a->logprobs);
        put_end(out, a, finish, usage);
}

#define OF_ALL                                                                                                           \
        .id_prefix = "", .stream_type = "application/x-ndjson", .keeps_calls = true, .begin = on_begin, .open = on_open, \
        .piece = on_piece, .close = on_close, .end = on_end, .failed = on_failed, .ping = ping, .refuse = refuse

const struct dialect dialect_ollama_chat = { .is_chat = true, .whole = whole, OF_ALL };
const struct dialect dialect_ollama_generate = { .is_chat = true, .whole = whole, OF_ALL };
const struct dialect dialect_ollama_raw = { .whole = whole, OF_ALL };

/* --- vectors --- */

static void whole_embed(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) finish, (void) usage;
        text_puts(out, "{\"model\":");
        text_json(out, a->model);
        text_puts(out, ",\"embeddings\":[]}\n");
}

static void whole_embeddings(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) a, (void) finish, (void) usage;
        text_puts(out, "{\"embedding\":[]}\n");
}

const struct dialect dialect_ollama_embed = { .whole = whole_embed, OF_ALL };
const struct dialect dialect_ollama_embeddings = { .whole = whole_embeddings, OF_ALL };

static void embed_item(struct text *out, uint32_t index, const cJSON *vector, bool is_base64) {
        (void) is_base64;
        text_puts(out, index ? "," : "{\"embeddings\":[");
        vectors_put(out, vector);
}

static void embed_end(struct text *out, const struct vectors_answer *a) {
        text_puts(out, "],\"model\":");
        text_json(out, a->model);
        text_printf(out, ",\"total_duration\":%llu,\"prompt_eval_count\":%u}\n", (unsigned long long) a->total_ns,
                    a->prompt_tokens);
}

static void embeddings_item(struct text *out, uint32_t index, const cJSON *vector, bool is_base64) {
        (void) index, (void) is_base64;
        text_puts(out, "{\"embedding\":");
        vectors_put(out, vector);
}

static void embeddings_end(struct text *out, const struct vectors_answer *a) {
        (void) a;
        text_puts(out, "}\n");
}

const struct vectors_dialect vectors_ollama_embed = { .refusals = &dialect_ollama_embed, .item = embed_item, .end = embed_end };
const struct vectors_dialect vectors_ollama_embeddings = { .refusals = &dialect_ollama_embeddings,
                                                           .item = embeddings_item,
                                                           .end = embeddings_end };
