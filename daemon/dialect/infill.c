/*
 * infill.c - POST /infill as llama-server has it, for editors: what stands before the cursor and behind it, other files of the project, and
 * the answer with its timings. The body goes on as a completion with a `suffix` (engine/request/infill.h).
 */
#include "daemon/dialect/infill.h"

#include <string.h>

#include "daemon/dialect/sse.h"

/* ---- what is asked ---- */

enum { PREFIX, PROMPT, BEHIND, EXTRA, LIMIT, FIELDS, OWN_MEMBERS };
static const char *const own[OWN_MEMBERS] = { "input_prefix", "prompt",    "input_suffix",
                                              "input_extra",  "n_predict", "response_fields" };
static const char *const unwanted[] = { "suffix", "max_tokens", "max_completion_tokens", "n", "best_of", "echo", "logprobs" };

static bool is_one_of(struct json_value key, const char *const names[], size_t count) {
        for (size_t i = 0; i < count; i++)
                if (json_string_is(key, names[i]))
                        return true;
        return false;
}

/* Samplers and all else that has the same name here and there. */
static void put_others(struct text *out, struct json_value object) {
        struct json_walk r;
        struct json_value key, value;

        json_walk_begin(&r, object.at, object.length, JSON_DEPTH_MAX, UINT32_MAX);
        (void) json_walk_into(&r, JSON_OBJECT);
        while (json_walk_member(&r, &key) && json_walk_value(&r, &value)) {
                if (is_one_of(key, own, OWN_MEMBERS) || is_one_of(key, unwanted, sizeof unwanted / sizeof *unwanted))
                        continue;
                put_comma(out);
                text_add(out, key.at, key.length);
                text_puts(out, ":");
                text_add(out, value.at, value.length);
        }
}

/* The line up to the cursor belongs to what stands before it. */
static void put_before(struct text *out, struct json_value prefix, struct json_value prompt) {
        put_key(out, "prompt");
        text_puts(out, "\"");
        if (prefix.kind == JSON_STRING)
                text_add(out, prefix.at + 1, prefix.length - 2);
        if (prompt.kind == JSON_STRING)
                text_add(out, prompt.at + 1, prompt.length - 2);
        text_puts(out, "\"");
}

static bool check(const struct json_value m[], struct failure *reterr) {
        for (size_t i = PREFIX; i <= BEHIND; i++)
                if (m[i].kind != JSON_NONE && m[i].kind != JSON_STRING) {
                        *reterr = bad_request(own[i], "'%s' must be a string", own[i]);
                        return false;
                }
        if (m[EXTRA].kind != JSON_NONE && m[EXTRA].kind != JSON_ARRAY) {
                *reterr = bad_request("input_extra", "'input_extra' must be an array of objects with 'filename' and 'text'");
                return false;
        }
        return true;
}

bool translate_infill(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        struct json_value whole = { JSON_OBJECT, source, size }, m[OWN_MEMBERS];

        find_members(whole, own, OWN_MEMBERS, m);
        if (!check(m, reterr))
                return false;
        text_puts(out, "{");
        put_before(out, m[PREFIX], m[PROMPT]);
        put_member(out, "suffix", m[BEHIND]);
        put_member(out, "max_tokens", m[LIMIT]);
        put_key(out, "input_extra");
        if (m[EXTRA].kind == JSON_ARRAY)
                text_add(out, m[EXTRA].at, m[EXTRA].length);
        else
                text_puts(out, "[]");
        put_others(out, whole);
        text_puts(out, "}");
        asked->repeated[0] = m[FIELDS];
        return true;
}

/* ---- what is told ---- */

/* Of an answer that has ended. */
struct told {
        const struct answer *a;
        const char *finish;
        const struct request_usage *usage;
};

static double a_second(double count, double ms) {
        return ms > 0 ? count * 1000 / ms : 0;
}

static double each(double ms, double count) {
        return count > 0 ? ms / count : 0;
}

static void put_content(struct text *out, const struct told *t) {
        if (t->a->is_stream || !answer_join(out, t->a, PART_TEXT))
                text_puts(out, "\"\"");
}

static void put_stop_type(struct text *out, const struct told *t) {
        text_printf(out, "\"%s\"", t->usage->stop ? "word" : t->a->is_cut ? "limit" : "eos");
}

static void put_stopping_word(struct text *out, const struct told *t) {
        text_json(out, t->usage->stop ? t->usage->stop : "");
}

static void put_model(struct text *out, const struct told *t) {
        text_json(out, t->a->model);
}

static void put_number(struct text *out, const char *name, const struct told *t) {
        const struct request_usage *u = t->usage;
        double read = u->prompt_tokens - u->cached_tokens, made = u->completion_tokens;
        const struct {
                const char *name;
                double value;
        } known[] = { { "index", 0 },
                      { "tokens_predicted", made },
                      { "tokens_evaluated", u->prompt_tokens },
                      { "tokens_cached", u->prompt_tokens + made },
                      { "timings/cache_n", u->cached_tokens },
                      { "timings/prompt_n", read },
                      { "timings/prompt_ms", u->prefill_ms },
                      { "timings/prompt_per_token_ms", each(u->prefill_ms, read) },
                      { "timings/prompt_per_second", a_second(read, u->prefill_ms) },
                      { "timings/predicted_n", made },
                      { "timings/predicted_ms", u->decode_ms },
                      { "timings/predicted_per_token_ms", each(u->decode_ms, made) },
                      { "timings/predicted_per_second", a_second(made, u->decode_ms) } };

        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (!strcmp(name, known[i].name))
                        text_printf(out, "%.15g", known[i].value);
}

/* As paths; PUT NULL: a number. */
static const struct field {
        const char *path;
        void (*put)(struct text *out, const struct told *t);
        const char *always; /* or this text */
} fields[] = {
        { "index", NULL, NULL },
        { "content", put_content, NULL },
        { "tokens", NULL, "[]" },
        { "stop", NULL, "true" },
        { "model", put_model, NULL },
        { "tokens_predicted", NULL, NULL },
        { "tokens_evaluated", NULL, NULL },
        { "tokens_cached", NULL, NULL },
        { "truncated", NULL, "false" },
        { "stop_type", put_stop_type, NULL },
        { "stopping_word", put_stopping_word, NULL },
        { "timings/cache_n", NULL, NULL },
        { "timings/prompt_n", NULL, NULL },
        { "timings/prompt_ms", NULL, NULL },
        { "timings/prompt_per_token_ms", NULL, NULL },
        { "timings/prompt_per_second", NULL, NULL },
        { "timings/predicted_n", NULL, NULL },
        { "timings/predicted_ms", NULL, NULL },
        { "timings/predicted_per_token_ms", NULL, NULL },
        { "timings/predicted_per_second", NULL, NULL },
};
#define FIELDS_COUNT (sizeof fields / sizeof *fields)
#define TIMINGS      "timings/"

static void put_value(struct text *out, const struct field *f, const struct told *t) {
        if (f->always)
                text_puts(out, f->always);
        else if (f->put)
                f->put(out, t);
        else
                put_number(out, f->path, t);
}

static bool is_timing(const struct field *f) {
        return !strncmp(f->path, TIMINGS, strlen(TIMINGS));
}

static void put_timings(struct text *out, const struct told *t) {
        put_key(out, "timings");
        text_puts(out, "{");
        for (size_t i = 0; i < FIELDS_COUNT; i++) {
                if (!is_timing(&fields[i]))
                        continue;
                put_key(out, fields[i].path + strlen(TIMINGS));
                put_value(out, &fields[i], t);
        }
        text_puts(out, "}");
}

static void put_all(struct text *out, const struct told *t) {
        for (size_t i = 0; i < FIELDS_COUNT; i++) {
                if (is_timing(&fields[i]))
                        continue;
                put_key(out, fields[i].path);
                put_value(out, &fields[i], t);
        }
        put_timings(out, t);
}

/* What `response_fields` names, under the name that it has there. */
static void put_chosen(struct text *out, struct json_value names, const struct told *t) {
        struct json_walk r;
        struct json_value name;

        items_begin(&r, names);
        while (items_next(&r, &name)) {
                if (json_string_is(name, "timings"))
                        put_timings(out, t);
                for (size_t i = 0; i < FIELDS_COUNT; i++) {
                        if (!json_string_is(name, fields[i].path))
                                continue;
                        put_key(out, fields[i].path);
                        put_value(out, &fields[i], t);
                }
        }
}

static void put_end(struct text *out, const struct told *t) {
        struct json_value names = t->a->repeated[0];
        struct text object = { .max = TEXT_MAX_NONE };

        text_puts(&object, "{");
        if (names.kind == JSON_ARRAY)
                put_chosen(&object, names, t);
        else
                put_all(&object, t);
        text_puts(&object, "}");
        text_puts(out, text_string(&object));
        out->failed |= object.failed;
        text_done(&object);
}

/* ---- a stream ---- */

static void no_event(struct text *out, struct answer *a) {
        (void) out, (void) a;
}

static void no_part(struct text *out, struct answer *a, const struct answer_part *p) {
        (void) out, (void) a, (void) p;
}

static void on_piece(struct text *out, struct answer *a, const struct answer_part *p, const char *text, const cJSON *logprobs) {
        (void) p, (void) logprobs;
        text_puts(out, "data: {\"index\":0,\"content\":");
        text_json(out, text);
        text_printf(out, ",\"tokens\":[],\"stop\":false,\"tokens_evaluated\":%u}\n\n", a->prompt_tokens);
}

static void on_end(struct text *out, struct answer *a, const char *finish, const struct request_usage *usage) {
        text_puts(out, "data: ");
        put_end(out, &(struct told){ a, finish, usage });
        text_puts(out, "\n\n");
}

static void on_failed(struct text *out, struct answer *a, const struct failure *failure) {
        text_puts(out, "data: ");
        openai_refuse(out, failure, a->request_id);
        text_puts(out, "\n\n");
}

static void ping(struct text *out, const char *why) {
        sse_comment(out, why);
        text_puts(out, "\n");
}

/* ---- the whole ---- */

static void whole(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        put_end(out, &(struct told){ a, finish, usage });
        text_puts(out, "\n");
}

const struct dialect dialect_infill = { .id_prefix = "",
                                        .stream_type = "text/event-stream",
                                        .repeats = true,
                                        .pings_tell = true,
                                        .begin = no_event,
                                        .open = no_part,
                                        .piece = on_piece,
                                        .close = no_part,
                                        .end = on_end,
                                        .failed = on_failed,
                                        .ping = ping,
                                        .whole = whole,
                                        .refuse = openai_refuse };
