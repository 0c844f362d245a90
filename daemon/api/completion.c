/*
 * completion.c - see completion.h.
 *
 * Three parties may end it: the fleet (on_end, on_failed), the client (on_gone), or the fleet at once, by refusing.
 * Whichever comes first, completion_over tells the other and frees all when the timer's close callback has run.
 *
 * Each of several answers is a request of its own to the fleet. It ends with the last of them, or with the first that fails.
 */
#include "daemon/api/completion.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/api/access.h"
#include "daemon/base/bounds.h"
#include "daemon/dialect/dialect.h"
#include "daemon/keys/keys.h"
#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"
#include "policy/base/hash.h"

#define STREAM_HEADERS "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"

static const char *const kind_words[] = {
        [REQUEST_CHAT] = "chat", [REQUEST_COMPLETION] = "completion", [REQUEST_COUNT] = "count", [REQUEST_TOKENS] = "tokens",
        [REQUEST_TEXT] = "text", [REQUEST_TEMPLATE] = "template",     [REQUEST_LOAD] = "load"
};

/* One of the answers that are asked for. */
struct choice {
        struct completion *completion;
        struct request *request; /* NULL when it is over */
        struct answer answer;
        bool has_opened; /* the dialect's first event of it is out */
        bool is_chosen;  /* of the candidates */
        struct request_usage usage;
};

struct completion {
        struct api *api;
        struct http_exchange *exchange; /* NULL when it is over */
        struct choice *choices;
        uint32_t count, ended;       /* of them */
        uint32_t candidates, chosen; /* answers to each prompt, and how many of these are sent */
        char request_id[32];
        char *model;
        const char *kind; /* of what is asked */
        const struct dialect *dialect;
        bool is_stream;
        struct asked asked;
        struct bulk *source; /* what was asked, as it came; NULL: nobody needs it any more */
        bool has_begun;      /* the stream's headers are out */
        uv_timer_t ping;
        char why[128];   /* text of the next ping */
        char *relaxed;   /* what the answer is not held to, though its schemas say so; or NULL */
        struct text out; /* one event at a time, or the whole answer */
        uint64_t started_ns;
        struct key *key; /* or NULL */
        uint64_t tokens; /* of prompt and answer, as far as they are known */
};

static void on_ping_closed(uv_handle_t *handle) {
        struct completion *c = handle->data;

        c->api->closing--;
        text_done(&c->out);
        for (uint32_t i = 0; i < c->count; i++)
                answer_done(&c->choices[i].answer);
        free(c->choices);
        bulk_drop(c->source);
        free(c->model);
        free(c->relaxed);
        free(c);
}

/* Answers that are still under way are left. */
static void completion_over(struct completion *c) {
        struct api *api = c->api;

        for (uint32_t i = 0; i < c->count; i++) {
                if (c->choices[i].request)
                        request_cancel(c->choices[i].request);
                c->choices[i].request = NULL;
        }
        c->exchange = NULL;
        access_release(api, c->key, c->dialect->looks ? 0 : c->tokens);
        api->closing++;
        uv_close((uv_handle_t *) &c->ping, on_ping_closed);
        api_end(api);
}

/* FAILURE NULL: it was answered. */
static void log_answer(const struct completion *c, const struct failure *failure, const struct request_usage *usage) {
        int status = failure ? failure->status : 200;

        log_event(status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "request", LOG_TEXT("id", c->request_id),
                  LOG_MAYBE("key", c->key ? c->key->name : ""), LOG_TEXT("model", c->model), LOG_TEXT("kind", c->kind),
                  LOG_NUMBER("stream", c->is_stream), LOG_NUMBER("status", status),
                  LOG_MAYBE("reason", failure ? failure->code : ""), LOG_MAYBE("advice", failure ? failure->advice : ""),
                  LOG_MAYBE("relaxed", c->relaxed ? c->relaxed : ""), LOG_NUMBER("prompt_tokens", usage->prompt_tokens),
                  LOG_NUMBER("cached_tokens", usage->cached_tokens), LOG_NUMBER("completion_tokens", usage->completion_tokens),
                  LOG_NUMBER("ms", (uv_hrtime() - c->started_ns) / 1000000));
}

/* HEADERS, each with its line end, and what is relaxed; the caller frees it. */
static char *with_relaxed(const struct completion *c, const char *headers) {
        const char *name = c->relaxed ? "x-headroom-relaxed: " : "", *value = c->relaxed ? c->relaxed : "";
        char *all;

        return asprintf(&all, "%s%s%s%s", headers, name, value, c->relaxed ? "\r\n" : "") < 0 ? NULL : all;
}

/* Of the first answer, which goes before the others. */
static struct outlook outlook(const struct completion *c) {
        return c->choices[0].request ? request_outlook(c->choices[0].request) : (struct outlook){ 0 };
}

static unsigned long long seconds(uint64_t ms) {
        return ms / 1000 + (ms % 1000 != 0);
}

/* A stream that begins while its request waits says where that stands. */
static void begin_stream(struct completion *c) {
        struct outlook o = outlook(c);
        char waits[sizeof STREAM_HEADERS + 96];
        int used = snprintf(waits, sizeof waits, "%s", STREAM_HEADERS);

        if (o.position > 0)
                used += snprintf(waits + used, sizeof waits - (size_t) used, "x-headroom-position: %u\r\n", o.position);
        if (o.position > 0 && o.expected_ms != UINT64_MAX)
                (void) snprintf(waits + used, sizeof waits - (size_t) used, "x-headroom-expected: %llu\r\n",
                                seconds(o.expected_ms));
        char *headers = with_relaxed(c, waits);
        c->has_begun = true;
        http_stream_begin(c->exchange, 200, headers ? headers : STREAM_HEADERS, c->dialect->stream_type);
        free(headers);
}

/* Sends what stands in c->out. */
static void send_event(struct completion *c) {
        if (c->out.used == 0)
                return;
        if (!c->has_begun)
                begin_stream(c);
        bool is_full = !http_stream_write(c->exchange, text_string(&c->out), c->out.used);
        for (uint32_t i = 0; i < c->count && is_full; i++)
                if (c->choices[i].request)
                        request_pause(c->choices[i].request);
        text_clear(&c->out);
}

/* "making room position=3 expected=12s" */
static void send_ping(struct completion *c) {
        struct outlook o = outlook(c);
        char why[sizeof c->why + 64];
        int used = snprintf(why, sizeof why, "%s", *c->why ? c->why : "the answer is being computed");

        if (o.position > 0)
                used += snprintf(why + used, sizeof why - (size_t) used, " position=%u", o.position);
        if (o.position > 0 && o.expected_ms != UINT64_MAX)
                (void) snprintf(why + used, sizeof why - (size_t) used, " expected=%llus", seconds(o.expected_ms));
        c->dialect->ping(&c->out, why);
        send_event(c);
}

static void on_ping(uv_timer_t *timer) {
        send_ping(timer->data);
}

static void on_waiting(void *user, const char *why) {
        struct completion *c = ((struct choice *) user)->completion;

        if (!strcmp(c->why, why))
                return; /* another of its answers was told so */
        (void) snprintf(c->why, sizeof c->why, "%s", why);
        if (c->is_stream && !c->has_begun && c->dialect->pings_tell)
                send_ping(c);
}

/* A stream that has begun with a ping has sent its headers. */
static void note_relaxed(struct completion *c, const char *relaxed) {
        char *why;

        if (c->relaxed)
                return; /* one body, one word */
        c->relaxed = relaxed ? strdup(relaxed) : NULL;
        if (!c->relaxed || !c->has_begun || !c->dialect->pings_tell || asprintf(&why, "relaxed %s", relaxed) < 0)
                return;
        c->dialect->ping(&c->out, why);
        free(why);
        send_event(c);
}

static void on_start(void *user, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed) {
        struct choice *choice = user;
        struct completion *c = choice->completion;

        note_relaxed(c, relaxed);
        c->tokens += choice->answer.index % c->candidates == 0 ? prompt_tokens : 0;
        choice->answer.prompt_tokens = prompt_tokens;
        choice->answer.cached_tokens = cached_tokens;
        choice->answer.waited_ns = uv_hrtime() - c->started_ns;
        (void) snprintf(c->why, sizeof c->why, "reading the prompt of %u tokens, %u of them known", prompt_tokens, cached_tokens);
}

/* The next ping comes where no words follow. */
static void open_answer(struct choice *choice) {
        struct completion *c = choice->completion;

        if (!c->is_stream)
                return;
        c->why[0] = '\0';
        (void) uv_timer_again(&c->ping);
        if (choice->has_opened)
                return;
        choice->has_opened = true;
        c->dialect->begin(&c->out, &choice->answer);
}

static void close_part(struct choice *choice) {
        struct completion *c = choice->completion;
        struct answer_part *p = answer_part(&choice->answer);

        if (p && c->is_stream)
                c->dialect->close(&c->out, &choice->answer, p);
}

/* What an answer that is too long came to is told at its end. */
static void take_piece(struct choice *choice, enum part_kind kind, const struct request_call *call, const char *text,
                       const cJSON *logprobs) {
        struct completion *c = choice->completion;
        struct answer *a = &choice->answer;
        struct answer_part *p = answer_part(a);

        open_answer(choice);
        c->tokens++; /* of each at least one, should its end not be told */
        if (!p || p->kind != kind || (call && call->id)) {
                close_part(choice);
                p = answer_begin(a, kind, call);
                if (p && a->is_stream)
                        a->dialect->open(&c->out, a, p);
        }
        answer_add(a, text);
        answer_add_logprobs(a, logprobs);
        if (!p || !a->is_stream)
                return;
        a->dialect->piece(&c->out, a, p, text, logprobs);
        p->pieces++;
        send_event(c);
}

static void on_text(void *user, const char *text, const cJSON *logprobs) {
        const struct choice *choice = user;

        if (text || !choice->completion->dialect->logprobs_of_text)
                take_piece(user, PART_TEXT, NULL, text ? text : "", logprobs);
}

static void on_reasoning(void *user, const char *text) {
        take_piece(user, PART_REASONING, NULL, text, NULL);
}

static void on_call(void *user, const struct request_call *call) {
        take_piece(user, PART_CALL, call, call->arguments, NULL);
}

/* Of an answer that is sent whole, nothing has left us. */
static void on_restart(void *user) {
        struct choice *choice = user;

        answer_clear(&choice->answer);
}

static void fail(struct completion *c, const struct failure *failure) {
        log_answer(c, failure, &(struct request_usage){ 0 });
        if (c->has_begun) {
                c->choices[0].answer.is_cut = true;
                c->dialect->failed(&c->out, &c->choices[0].answer, failure);
                send_event(c);
                http_stream_end(c->exchange, true);
        } else {
                error_answer_as(c->dialect, c->exchange, failure);
        }
        completion_over(c);
}

static void fail_too_long(struct completion *c) {
        struct failure too_long;

        failure_set(&too_long, REASON_ANSWER_TOO_LONG, NULL);
        fail(c, &too_long);
}

static void on_failed(void *user, const struct failure *failure) {
        struct choice *choice = user;

        choice->request = NULL;
        fail(choice->completion, failure);
}

static void answer_whole(struct completion *c) {
        char *headers = with_relaxed(c, "");

        http_answer(c->exchange, 200, headers ? headers : "", "application/json", text_string(&c->out), c->out.used);
        free(headers);
}

/* Of all answers together: those to one prompt have it together, and what they took they took side by side. */
static struct request_usage usage_of_all(const struct completion *c) {
        struct request_usage all = { 0 };

        for (uint32_t i = 0; i < c->count; i++) {
                const struct request_usage *u = &c->choices[i].usage;
                bool is_first = i % c->candidates == 0;
                all.prompt_tokens += is_first ? u->prompt_tokens : 0;
                all.cached_tokens += is_first ? u->cached_tokens : 0;
                all.completion_tokens += u->completion_tokens;
                all.reasoning_tokens += u->reasoning_tokens;
                all.prefill_ms = fmax(all.prefill_ms, u->prefill_ms);
                all.decode_ms = fmax(all.decode_ms, u->decode_ms);
        }
        return all;
}

/* Of the answers to the prompt that the answer at FIRST is the first to: the next to be sent, which is the likeliest where not all are. */
static struct choice *choose_next(const struct completion *c, uint32_t first) {
        struct choice *best = NULL;

        for (uint32_t i = first; i < first + c->candidates; i++) {
                struct choice *choice = &c->choices[i];
                bool is_better = !best || (c->chosen < c->candidates && choice->usage.score > best->usage.score);
                if (!choice->is_chosen && is_better)
                        best = choice;
        }
        best->is_chosen = true;
        return best;
}

static void write_whole(struct completion *c, const struct request_usage *usage) {
        const struct answer *first = NULL, **link = &first;
        uint32_t index = 0;

        for (uint32_t prompt = 0; prompt < c->count; prompt += c->candidates) {
                for (uint32_t i = 0; i < c->chosen; i++) {
                        struct answer *a = &choose_next(c, prompt)->answer;
                        a->index = index++;
                        *link = a;
                        link = &a->next;
                }
        }
        c->dialect->whole(&c->out, first, first->finish, usage);
}

static void end_stream(struct choice *choice, const struct request_usage *usage) {
        struct completion *c = choice->completion;

        open_answer(choice);
        close_part(choice);
        c->dialect->end(&c->out, &choice->answer, choice->answer.finish, usage);
        send_event(c);
        if (!choice->answer.goes_on)
                http_stream_end(c->exchange, false);
}

static void on_end(void *user, const char *finish, const struct request_usage *usage) {
        struct choice *choice = user;
        struct completion *c = choice->completion;
        struct answer *a = &choice->answer;

        choice->request = NULL;
        choice->usage = *usage;
        a->total_ns = uv_hrtime() - c->started_ns;
        a->is_cut = !strcmp(finish, "length");
        a->finish = finish;
        a->goes_on = ++c->ended < c->count;
        struct request_usage all = usage_of_all(c);
        all.stop = usage->stop;
        if (!c->is_stream && !a->goes_on)
                write_whole(c, &all);
        if (a->is_too_long || c->out.failed || logprobs_failed(&a->logprobs)) {
                fail_too_long(c);
                return;
        }
        if (!a->goes_on) {
                c->tokens = (uint64_t) all.prompt_tokens + all.completion_tokens;
                log_answer(c, NULL, &all);
        }
        if (c->is_stream)
                end_stream(choice, &all);
        else if (!a->goes_on)
                answer_whole(c);
        if (!a->goes_on)
                completion_over(c);
}

static void on_gone(void *user) {
        struct completion *c = user;
        struct failure failure;

        failure_set(&failure, REASON_CLIENT_GONE, NULL);
        log_answer(c, &failure, &(struct request_usage){ 0 });
        completion_over(c);
}

static void on_writable(void *user) {
        struct completion *c = user;

        for (uint32_t i = 0; i < c->count; i++)
                if (c->choices[i].request)
                        request_resume(c->choices[i].request);
}

/* Clients compare it to know whether the same seed may give the same text. */
static void take_fingerprint(const struct api *api, const char *model, char ret[16]) {
        uint64_t hash = hash_bytes(HASH_START, HEADROOM_VERSION, strlen(HEADROOM_VERSION));
        struct model_status m = { 0 };
        uint32_t index;

        if (fleet_model_find(api->fleet, model, &index) == 0)
                fleet_model_status(api->fleet, index, &m);
        hash = hash_bytes(hash, &m.file_key, sizeof m.file_key);
        (void) snprintf(ret, 16, "fp_%010llx", (unsigned long long) (hash >> 24));
}

static uint32_t at_least_one(uint32_t count) {
        return count > 0 ? count : 1;
}

/* 0 or -ENOMEM. */
static int make_choices(struct completion *c, const struct completion_options *options) {
        uint32_t count = at_least_one(options->prompts) * at_least_one(options->candidates);
        struct answer answer = { .dialect = options->dialect,
                                 .model = c->model,
                                 .request_id = c->request_id,
                                 .repeated = c->asked.repeated,
                                 .created_s = time(NULL),
                                 .is_stream = options->is_stream,
                                 .includes_usage = options->includes_usage,
                                 .keeps = !options->is_stream || options->dialect->keeps,
                                 .keeps_calls = options->dialect->keeps_calls,
                                 .bytes_max = API_ANSWER_MAX / count };
        char random[25];

        c->choices = calloc(count, sizeof *c->choices);
        if (!c->choices)
                return -ENOMEM;
        api_make_id(c->api, random);
        (void) snprintf(answer.id, sizeof answer.id, "%s%s", options->dialect->id_prefix, random);
        take_fingerprint(c->api, c->model, answer.fingerprint);
        c->count = count;
        c->candidates = at_least_one(options->candidates);
        c->chosen = at_least_one(options->choices);
        for (uint32_t i = 0; i < c->count; i++) {
                c->choices[i] = (struct choice){ .completion = c, .answer = answer };
                c->choices[i].answer.index = i;
        }
        return 0;
}

static struct completion *completion_new(struct api *api, struct http_exchange *x, const struct completion_options *options) {
        struct completion *c = calloc(1, sizeof *c);

        if (!c)
                return NULL;
        c->api = api;
        c->model = strdup(options->model);
        if (!c->model || make_choices(c, options) < 0) {
                free(c->model);
                free(c);
                return NULL;
        }
        (void) snprintf(c->request_id, sizeof c->request_id, "%s", http_request_id(x));
        c->dialect = options->dialect;
        c->is_stream = options->is_stream;
        c->exchange = x;
        c->started_ns = uv_hrtime();
        strcpy(c->why, "waiting");
        (void) uv_timer_init(api->loop, &c->ping);
        c->ping.data = c;
        return c;
}

static enum request_kind kind_of(const struct completion_options *options, const struct asked *asked) {
        return asked->is_load              ? REQUEST_LOAD
               : options->dialect->looks   ? options->dialect->looks
               : options->dialect->is_chat ? REQUEST_CHAT
                                           : REQUEST_COMPLETION;
}

/* One request for each answer, in order. 0, or -errno and *reterr: what was submitted is for completion_over to leave. */
static int submit(struct completion *c, enum request_kind kind, enum request_class class, const struct body *body,
                  struct failure *reterr) {
        static const struct request_events streamed = { .on_waiting = on_waiting,
                                                        .on_start = on_start,
                                                        .on_text = on_text,
                                                        .on_reasoning = on_reasoning,
                                                        .on_call = on_call,
                                                        .on_end = on_end,
                                                        .on_failed = on_failed };
        static const struct request_events whole = { .on_start = on_start,
                                                     .on_text = on_text,
                                                     .on_reasoning = on_reasoning,
                                                     .on_call = on_call,
                                                     .on_restart = on_restart,
                                                     .on_end = on_end,
                                                     .on_failed = on_failed };
        uint64_t group = c->api->groups + 1;

        c->api->groups += c->count / c->candidates;
        for (uint32_t i = 0; i < c->count; i++) {
                struct choice *choice = &c->choices[i];
                const struct request_body sent = { .json = kind == REQUEST_LOAD ? NULL : bulk_hold(body->json),
                                                   .values = body->facts.values,
                                                   .item = i / c->candidates,
                                                   .choice = i % c->candidates,
                                                   .group = c->candidates > 1 ? group + i / c->candidates : 0,
                                                   .tenant = c->key ? key_tenant(c->key) : 0,
                                                   .is_scored = c->chosen < c->candidates };
                int r = request_submit(c->api->fleet, c->model, kind, class, sent, c->is_stream ? &streamed : &whole, choice,
                                       &choice->request, reterr);
                if (r < 0)
                        return r;
                api_keep_as_asked(choice->request, c->exchange, &body->asked);
        }
        return 0;
}

void completion_start(struct api *api, struct http_exchange *x, const struct completion_options *options,
                      const struct body *body) {
        static const struct http_watch watch = { on_gone, on_writable };
        struct completion *c = completion_new(api, x, options);
        enum request_kind kind = kind_of(options, &body->asked);
        enum request_class class = options->class;
        struct failure failure;

        if (!c) {
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        http_exchange_watch(x, &watch, c);
        api_begin(api);
        if (options->is_stream)
                (void) uv_timer_start(&c->ping, on_ping, API_PING_MS, API_PING_MS);
        c->kind = kind_words[kind];
        if (!access_admit(api, x, c->model, &class, &c->key, &failure)) {
                fail(c, &failure);
                return;
        }
        if (options->dialect->repeats) {
                c->asked = body->asked;
                c->source = bulk_hold(body->source);
        }
        if (submit(c, kind, class, body, &failure) < 0)
                fail(c, &failure);
}
