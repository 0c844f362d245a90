/*
 * make-answers.c - one engine, many requests: bodies come in as lines of JSON, answers go out as lines of JSON.
 *
 *      make-answers MODEL [PARALLEL] <bodies >answers
 *
 * A line {"id": 7, "body": {...}} is answered, in the order in which they end, by {"id": 7, "finish": "stop", "text": "...",
 * "tokens": 12} (of a call the text is its arguments), or, where it is refused, by {"id": 7, "error": "...", "param": "..."}. What the body may say is the engine's affair.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/strbuf.h"
#include "engine/runtime/engine.h"

#define IDS_MAX     100000u
#define QUEUED_MAX  64u
#define CTX_DEFAULT 1024u

struct maker {
        struct engine engine;
        struct text *texts; /* by id */
        uint32_t queued;
};

static void print_line(cJSON *line) {
        char *text = cJSON_PrintUnformatted(line);
        puts(text);
        cJSON_free(text);
        cJSON_Delete(line);
}

static void on_start(void *context, uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        (void) relaxed;
        (void) context, (void) id, (void) prompt_tokens, (void) cached_tokens;
}

static void on_text(void *context, uint64_t id, const struct output_chunk *chunk) {
        struct text *t = &((struct maker *) context)->texts[id];
        (void) text_add(t, chunk->parsed.text, chunk->parsed.length);
}

static void on_end(void *context, uint64_t id, const struct output_stream_end *end) {
        static const char *const words[] = { [FINISH_STOP] = "stop", [FINISH_LENGTH] = "length", [FINISH_CALLS] = "tool_calls" };
        struct maker *m = context;
        struct text *t = &m->texts[id];
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "id", (double) id);
        cJSON_AddStringToObject(line, "finish", words[end->finish]);
        cJSON_AddStringToObject(line, "text", text_string(t));
        cJSON_AddNumberToObject(line, "tokens", end->completion_tokens);
        print_line(line);
        text_done(t);
        *t = (struct text){ 0 };
        m->queued--;
}

static void on_error(void *context, uint64_t id, const struct request_error *error) {
        (void) context;
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "id", (double) id);
        cJSON_AddStringToObject(line, "error", error->message);
        cJSON_AddStringToObject(line, "param", error->param ? error->param : "");
        print_line(line);
}

static void submit(struct maker *m, const cJSON *line) {
        double id = cJSON_GetNumberValue(cJSON_GetObjectItem(line, "id"));
        const cJSON *body = cJSON_GetObjectItem(line, "body");
        enum request_kind kind = cJSON_GetObjectItem(body, "messages") ? REQUEST_CHAT : REQUEST_COMPLETION;
        struct request r = { 0 };
        struct request_error error;
        if (!(id >= 0 && id < IDS_MAX)) {
                fprintf(stderr, "make-answers: a line has no id from 0 to %u\n", IDS_MAX - 1);
                exit(1);
        }
        if (request_read(&m->engine.rules, &(struct request_asked){ .id = (uint64_t) id, .kind = kind }, body, &r, &error) < 0 ||
            scheduler_submit(m->engine.scheduler, &r, &error) < 0)
                on_error(m, (uint64_t) id, &error);
        else
                m->queued++;
        request_done(&r);
}

static void serve(struct maker *m) {
        char *line = NULL;
        size_t size = 0;
        while (getline(&line, &size, stdin) > 0) {
                cJSON *json = cJSON_Parse(line);
                submit(m, json);
                cJSON_Delete(json);
                while (m->queued >= QUEUED_MAX)
                        scheduler_step(m->engine.scheduler);
        }
        while (m->queued)
                scheduler_step(m->engine.scheduler);
        free(line);
}

int main(int argc, char **argv) {
        if (argc < 2) {
                fputs("usage: make-answers MODEL [PARALLEL] <bodies >answers\n", stderr);
                return 2;
        }
        struct maker m = { .texts = calloc(IDS_MAX, sizeof(*m.texts)) };
        struct engine_config config = engine_config_default();
        config.path = argv[1];
        config.parallel = argc > 2 ? (uint32_t) atoi(argv[2]) : 8;
        config.threads = 1; /* a model so small gains nothing by more */
        config.ctx = CTX_DEFAULT;
        config.kv_tokens = CTX_DEFAULT * config.parallel;
        config.sink = (struct scheduler_sink){
                .context = &m, .on_start = on_start, .on_text = on_text, .on_end = on_end, .on_error = on_error
        };
        struct gguf_error error = { .text = "" };
        if (!m.texts || engine_open(&m.engine, &config, &error) < 0) {
                fprintf(stderr, "make-answers: %s\n", error.text);
                return 1;
        }
        serve(&m);
        engine_close(&m.engine);
        free(m.texts);
        return 0;
}
