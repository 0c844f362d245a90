/* infill.c - answers of POST /infill as llama-server has them, with their timings. */
#include "daemon/dialect/infill.h"

#include <string.h>

/* ---- what is told ---- */

/* Of an answer that has ended. */
struct told {
        const struct answer *a;
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

static const struct field *find_field(struct json_value name) {
        for (size_t i = 0; i < FIELDS_COUNT; i++)
                if (json_string_is(name, fields[i].path))
                        return &fields[i];
        return NULL;
}

/* What `response_fields` names, under the name that it has there, and once: a list may be long, and a text too. */
static void put_chosen(struct text *out, struct json_value names, const struct told *t) {
        bool is_put[FIELDS_COUNT] = { false }, has_timings = false;
        struct json_walk r;
        struct json_value name;

        items_begin(&r, names);
        while (items_next(&r, &name)) {
                const struct field *f = find_field(name);
                if (f && !is_put[f - fields]) {
                        is_put[f - fields] = true;
                        put_key(out, f->path);
                        put_value(out, f, t);
                } else if (!has_timings && json_string_is(name, "timings")) {
                        has_timings = true;
                        put_timings(out, t);
                }
        }
}

static void put_end(struct text *out, const struct told *t) {
        struct json_value names = t->a->repeated[0];

        text_puts(out, "{");
        if (names.kind == JSON_ARRAY)
                put_chosen(out, names, t);
        else
                put_all(out, t);
        text_puts(out, "}");
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
        (void) finish;
        text_puts(out, "data: ");
        put_end(out, &(struct told){ a, usage });
        text_puts(out, "\n\n");
}

/* ---- the whole ---- */

static void whole(struct text *out, const struct answer *a, const char *finish, const struct request_usage *usage) {
        (void) finish;
        put_end(out, &(struct told){ a, usage });
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
                                        .failed = openai_failed,
                                        .ping = openai_ping,
                                        .whole = whole,
                                        .refuse = openai_refuse };
