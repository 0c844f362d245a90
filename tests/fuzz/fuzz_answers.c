/*
 * fuzz_answers.c - libFuzzer's door to what an engine says of requests, and what of it reaches a client.
 *
 * Any bytes are the stream of an engine with three requests: a chat, a completion, and two texts to embed; the first byte says into how
 * large pieces they are cut, which requests were told to go to disk, and which had gone. Whatever the frames are, each owner hears a
 * start, then the answer, then one end, or a failure; texts are UTF-8, counts whole, calls in turn, vectors as many as the texts; and
 * what is written of it for the client is JSON. `make fuzz` builds and runs it, from the root of the tree.
 */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "daemon/dialect/dialect.h"
#include "daemon/engines/engine.h"
#include "daemon/engines/frames.h"
#include "daemon/models/fleet.h"
#include "daemon/requests/answer.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/finish.h"
#include "daemon/requests/submit.h"
#include "daemon/state/fleet.h"
#include "daemon/state/queue.h"
#include "engine/base/json_read.h"

/* The source itself: its conversation is had without a process. */
#include "daemon/worker/process.c"

#define ASSERT(what)             \
        do {                     \
                if (!(what))     \
                        abort(); \
        } while (0)

#define CLIENTS 3
#define CONTEXT 1024
#define TEXTS   2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The owner of a request: what it has heard. */
struct client {
        struct request *request; /* NULL: over */
        bool started, spoke, embedded;
        uint32_t calls;
};

static struct client clients[CLIENTS];
static struct fleet *fleet;
static uv_loop_t loop;

/* --- what a client is told --- */

/* EVENTS: each `data: JSON` and two line ends, as in a stream. */
static void expect_events(struct text *events) {
        ASSERT(!events->failed && text_is_utf8(events->bytes, events->used));
        for (char *at = events->bytes, *end; at < events->bytes + events->used; at = end + 2) {
                end = strstr(at, "\n\n");
                ASSERT(end && !strncmp(at, "data: ", 6) && !memchr(at, '\n', (size_t) (end - at)));
                cJSON *read = json_read(at + 6, (size_t) (end - at - 6), NULL);
                ASSERT(read || !strncmp(at + 6, "[DONE]", 6));
                cJSON_Delete(read);
        }
        text_done(events);
}

static struct answer answer = {
        .dialect = &dialect_openai_chat, .id = "x", .model = "m", .is_stream = true, .includes_usage = true, .bytes_max = 1 << 20
};

static void expect_piece(enum part_kind kind, const struct request_call *call, const char *text, const cJSON *logprobs) {
        struct text line = { 0 };
        struct answer_part *p =
                answer_begin(&answer, kind, call && call->id ? call : &(struct request_call){ .id = "x", .name = "x" });
        ASSERT(p);
        p->pieces = call && !call->id;
        answer.dialect->piece(&line, &answer, p, text, logprobs);
        expect_events(&line);
}

static void on_start(void *user, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        (void) relaxed;
        struct client *c = user;
        ASSERT(!c->started && !c->spoke && c != &clients[2] && cached_tokens <= prompt_tokens);
        c->started = true;
}

static void on_text(void *user, const char *text, const cJSON *logprobs) {
        struct client *c = user;
        ASSERT(c->started);
        c->spoke = true;
        ASSERT(text || logprobs);
        expect_piece(PART_TEXT, NULL, text ? text : "", logprobs);
}

static void on_reasoning(void *user, const char *text) {
        struct client *c = user;
        ASSERT(c->started);
        expect_piece(PART_REASONING, NULL, text, NULL);
}

static void on_call(void *user, const struct request_call *call) {
        struct client *c = user;
        c->calls += call->id != NULL;
        ASSERT(c->started && c->calls > 0 && call->index == c->calls - 1 && !call->id == !call->name && call->arguments);
        expect_piece(PART_CALL, call, call->arguments, NULL);
}

static void on_embedding(void *user, const cJSON *vectors) {
        struct client *c = user;
        const cJSON *vector, *number;
        ASSERT(c == &clients[2] && !c->embedded && cJSON_GetArraySize(vectors) == TEXTS);
        c->embedded = true;
        cJSON_ArrayForEach(vector, vectors) {
                ASSERT(cJSON_IsArray(vector) && vector->child &&
                       cJSON_GetArraySize(vector) == cJSON_GetArraySize(vectors->child));
                cJSON_ArrayForEach(number, vector)
                        ASSERT(cJSON_IsNumber(number) && isfinite(number->valuedouble));
        }
}

static void on_end(void *user, const char *finish, const struct request_usage *usage) {
        struct client *c = user;
        struct text line = { 0 };
        ASSERT(c->request && (c == &clients[2] ? c->embedded : c->started));
        ASSERT(strcmp(finish, "tool_calls") != 0 || c->calls > 0);
        ASSERT(usage->reasoning_tokens <= usage->completion_tokens);
        ASSERT(usage->cached_tokens <= usage->prompt_tokens && isfinite(usage->prefill_ms) && isfinite(usage->decode_ms));
        c->request = NULL;
        answer.dialect->end(&line, &answer, finish, usage);
        expect_events(&line);
}

static void on_failed(void *user, const struct failure *failure) {
        struct client *c = user;
        struct text line = { 0 };
        ASSERT(c->request);
        c->request = NULL;
        answer.dialect->failed(&line, &answer, failure);
        expect_events(&line);
}

/* --- the engine --- */

static void nothing(struct model *m) {
        (void) m;
}

static int found_nothing(struct model *m, uint64_t id, int fd) {
        (void) m;
        (void) id;
        (void) fd;
        return 0;
}

static const char *no_words(const struct model *m) {
        (void) m;
        return "";
}

static const struct engine_ops ops = { .measure = nothing, .found_file = found_nothing, .last_words = no_words };

static void on_ready(struct model *m, const struct engine_ready *ready) {
        ASSERT(ready->context <= CONTEXT && ready->parallel <= WIRE_PARALLEL_MAX);
        m->engine.n_ctx = ready->context;
        m->engine.parallel = ready->parallel;
}

/* As the daemon tells those who wait for the model. */
static void on_said_failed(struct model *m, const char *sentence) {
        struct failure failure;
        struct text line = { 0 };
        failure_set(&failure, REASON_LOAD_FAILED, "model '%s' cannot be loaded: %s", m->config->id, sentence);
        answer.dialect->failed(&line, &answer, &failure);
        expect_events(&line);
}

static bool on_frame(void *user, enum frame_type says, uint64_t id, const cJSON *frame) {
        return engine_take_frame(user, says, id, frame);
}

static void on_error(void *user, const char *sentence) {
        (void) user;
        (void) sentence;
}

/* --- one stream --- */

static void open_once(void) {
        static struct config_model model = { .id = "m", .path = "/dev/null", .parallel = 4, .queue = 8 };
        static struct config config = {
                .state_dir = "/nonexistent", .models = &model, .models_count = 1, .engine_path = "/nonexistent"
        };
        if (fleet)
                return;
        log_open(LOG_LEVEL_ERROR);
        ASSERT(uv_loop_init(&loop) == 0 && fleet_new(&loop, &config, &fleet) == 0);
        fleet->models[0]->ops = &ops;
        fleet->models[0]->context = CONTEXT;
}

static void begin_requests(struct model *m, uint8_t say) {
        static const struct request_events events = { .on_start = on_start,
                                                      .on_text = on_text,
                                                      .on_reasoning = on_reasoning,
                                                      .on_call = on_call,
                                                      .on_embedding = on_embedding,
                                                      .on_end = on_end,
                                                      .on_failed = on_failed };
        static const enum request_kind kinds[CLIENTS] = { REQUEST_CHAT, REQUEST_COMPLETION, REQUEST_EMBED };
        for (uint32_t i = 0; i < CLIENTS; i++) {
                struct request *request = calloc(1, sizeof(*request));
                ASSERT(request);
                *request = (struct request){ .model = m, .kind = kinds[i], .events = events, .user = &clients[i], .id = i + 1 };
                request->vectors = TEXTS;
                request->moving = say & 1;
                request->suspended = say & 2;
                clients[i] = (struct client){ .request = request };
                queue_append(&m->running, &request->link);
        }
}

static void end_requests(struct model *m) {
        struct failure failure;
        failure_set(&failure, REASON_ENGINE_DIED, NULL);
        for (struct queue_link *link; (link = m->running.first);)
                request_fail(request_of(link), &failure);
        for (uint32_t i = 0; i < CLIENTS; i++)
                ASSERT(!clients[i].request);
}

/* All zero: a child that never was. The conversation asks it for its number alone. */
static max_align_t no_child[4096];

static void hear(struct model *m, const uint8_t *data, size_t size, size_t piece) {
        static const struct engine_process_events heard = { .on_frame = on_frame, .on_protocol_error = on_error };
        struct engine_process e = { .child = (struct child *) no_child,
                                    .events = heard,
                                    .user = m,
                                    .reader = { .bytes_max = WIRE_TO_DAEMON_BYTES_MAX, .utf8 = true },
                                    .ids_issued = CLIENTS };
        m->engine.process = &e;
        for (size_t at = 0; at < size; at += piece)
                on_bytes(&e, data + at, size - at < piece ? size - at : piece);
        m->engine.process = NULL;
        wire_reader_done(&e.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct engine_events events = { .on_ready = on_ready,
                                                     .on_failed = on_said_failed,
                                                     .on_answer = requests_take_answer };
        open_once();
        if (size < 1)
                return 0;
        struct model *m = fleet->models[0];
        m->engine = (struct instance){ .events = &events };
        begin_requests(m, data[0]);
        hear(m, data + 1, size - 1, data[0] >> 2 ? (size_t) (data[0] >> 2) * 16 : size);
        end_requests(m);
        return 0;
}
