/*
 * completion.c - see completion.h.
 *
 * Three parties may end it: the fleet (on_end, on_failed), the client (on_gone), or the fleet at once, by refusing.
 * Whichever comes first, completion_over tells the other and frees all when the timer's close callback has run.
 */
#include "daemon/api/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/api/openai_json.h"
#include "daemon/base/bounds.h"
#include "daemon/requests/failure.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"

#define SSE_HEADERS "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"

struct completion {
        struct api *api;
        struct http_exchange *exchange; /* NULL when it is over */
        struct request *request;        /* NULL when it is over */
        char id[40], request_id[32];
        char *model;
        struct openai_json shape;
        bool is_stream, include_usage;
        bool has_begun; /* the stream's headers are out */
        bool has_role;  /* the first chunk is out */
        uv_timer_t ping;
        char why[128];         /* text of the next ping */
        struct text out;       /* one event at a time, or the whole answer's text */
        struct text reasoning; /* of a whole answer; so are the calls */
        struct openai_json_calls calls;
        struct openai_json_logprobs logprobs;
        bool has_logprobs;
        uint64_t started_ns;
};

static void on_ping_closed(uv_handle_t *handle) {
        struct completion *c = handle->data;

        c->api->closing--;
        text_done(&c->out);
        text_done(&c->reasoning);
        openai_json_calls_done(&c->calls);
        openai_json_logprobs_done(&c->logprobs);
        free(c->model);
        free(c);
}

static void completion_over(struct completion *c) {
        struct api *api = c->api;

        c->exchange = NULL;
        api->closing++;
        uv_close((uv_handle_t *) &c->ping, on_ping_closed);
        api_end(api);
}

/* FAILURE NULL: it was answered. */
static void log_answer(const struct completion *c, const struct failure *failure, const struct request_usage *usage) {
        int status = failure ? failure->status : 200;

        log_event(status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "request", LOG_TEXT("id", c->request_id),
                  LOG_TEXT("model", c->model), LOG_TEXT("kind", c->shape.is_chat ? "chat" : "completion"),
                  LOG_NUMBER("stream", c->is_stream), LOG_NUMBER("status", status),
                  LOG_MAYBE("reason", failure ? failure->code : ""), LOG_MAYBE("advice", failure ? failure->advice : ""),
                  LOG_NUMBER("prompt_tokens", usage->prompt_tokens), LOG_NUMBER("cached_tokens", usage->cached_tokens),
                  LOG_NUMBER("completion_tokens", usage->completion_tokens),
                  LOG_NUMBER("ms", (uv_hrtime() - c->started_ns) / 1000000));
}

/* --- the stream --- */

/* Sends what stands in c->out. */
static void send_event(struct completion *c) {
        if (!c->has_begun) {
                c->has_begun = true;
                http_stream_begin(c->exchange, 200, SSE_HEADERS, "text/event-stream");
        }
        if (!http_stream_write(c->exchange, text_string(&c->out), c->out.used) && c->request)
                request_pause(c->request);
        text_clear(&c->out);
}

static void send_ping(struct completion *c) {
        openai_json_ping(&c->out, *c->why ? c->why : "the answer is being computed");
        send_event(c);
}

static void on_ping(uv_timer_t *timer) {
        send_ping(timer->data);
}

static void on_stream_waiting(void *user, const char *why) {
        struct completion *c = user;

        (void) snprintf(c->why, sizeof c->why, "%s", why);
        if (!c->has_begun)
                send_ping(c);
}

static void on_stream_start(void *user, uint32_t prompt_tokens, uint32_t cached_tokens) {
        struct completion *c = user;

        (void) snprintf(c->why, sizeof c->why, "reading the prompt of %u tokens, %u of them known", prompt_tokens, cached_tokens);
}

/* The first chunk bears the role. The next ping comes where no words follow. */
static void open_answer(struct completion *c) {
        c->why[0] = '\0';
        (void) uv_timer_again(&c->ping);
        if (c->has_role)
                return;
        c->has_role = true;
        openai_json_role_chunk(&c->out, &c->shape);
}

static void on_stream_text(void *user, const char *text, const cJSON *logprobs) {
        struct completion *c = user;
        struct text described = { 0 };

        open_answer(c);
        if (logprobs) {
                openai_json_logprobs_clear(&c->logprobs);
                openai_json_logprobs_add(&c->logprobs, c->shape.is_chat, logprobs);
                openai_json_logprobs_write(&described, &c->logprobs, c->shape.is_chat);
        }
        openai_json_text_chunk(&c->out, &c->shape, text, logprobs ? &described : NULL);
        text_done(&described);
        send_event(c);
}

static void on_stream_reasoning(void *user, const char *text) {
        struct completion *c = user;

        open_answer(c);
        openai_json_reasoning_chunk(&c->out, &c->shape, text);
        send_event(c);
}

static void on_stream_call(void *user, const struct request_call *call) {
        struct completion *c = user;

        open_answer(c);
        openai_json_call_chunk(&c->out, &c->shape, call);
        send_event(c);
}

static void on_stream_end(void *user, const char *finish, const struct request_usage *usage) {
        struct completion *c = user;

        c->request = NULL;
        open_answer(c);
        openai_json_finish_chunk(&c->out, &c->shape, finish);
        if (c->include_usage)
                openai_json_usage_chunk(&c->out, &c->shape, usage);
        openai_json_done(&c->out);
        send_event(c);
        log_answer(c, NULL, usage);
        http_stream_end(c->exchange, false);
        completion_over(c);
}

/* --- the whole answer --- */

static void on_whole_text(void *user, const char *text, const cJSON *logprobs) {
        struct completion *c = user;

        text_puts(&c->out, text);
        if (logprobs) {
                c->has_logprobs = true;
                openai_json_logprobs_add(&c->logprobs, c->shape.is_chat, logprobs);
        }
}

static void on_whole_reasoning(void *user, const char *text) {
        struct completion *c = user;

        text_puts(&c->reasoning, text);
}

static void on_whole_call(void *user, const struct request_call *call) {
        struct completion *c = user;

        openai_json_calls_add(&c->calls, call);
}

static void on_whole_restart(void *user) {
        struct completion *c = user;

        text_clear(&c->out);
        text_clear(&c->reasoning);
        openai_json_calls_clear(&c->calls);
        openai_json_logprobs_clear(&c->logprobs);
        c->logprobs.offset = 0;
}

static void on_whole_end(void *user, const char *finish, const struct request_usage *usage) {
        struct completion *c = user;
        struct text body = { 0 }, described = { 0 };

        c->request = NULL;
        if (c->has_logprobs)
                openai_json_logprobs_write(&described, &c->logprobs, c->shape.is_chat);
        openai_json_calls_end(&c->calls);
        const struct openai_json_answer answer = {
                text_string(&c->out), text_string(&c->reasoning), &c->calls, c->has_logprobs ? &described : NULL, finish, usage
        };
        openai_json_whole(&body, &c->shape, &answer);
        bool is_too_long = c->out.failed || c->reasoning.failed || c->calls.list.failed || c->logprobs.tokens.failed ||
                           c->logprobs.tops.failed || body.failed || described.failed;
        struct failure too_long;
        failure_set(&too_long, REASON_ANSWER_TOO_LONG, NULL);
        log_answer(c, is_too_long ? &too_long : NULL, usage);
        if (is_too_long)
                http_answer_error(c->exchange, REASON_ANSWER_TOO_LONG, "", NULL);
        else
                http_answer(c->exchange, 200, "", "application/json", text_string(&body), body.used);
        text_done(&body);
        text_done(&described);
        completion_over(c);
}

/* --- both --- */

static void on_failed(void *user, const struct failure *failure) {
        struct completion *c = user;

        c->request = NULL;
        log_answer(c, failure, &(struct request_usage){ 0 });
        if (c->has_begun) {
                openai_json_error(&c->out, failure);
                send_event(c);
                http_stream_end(c->exchange, true);
        } else {
                error_answer(c->exchange, failure);
        }
        completion_over(c);
}

static void on_gone(void *user) {
        struct completion *c = user;
        struct failure failure;

        failure_set(&failure, REASON_CLIENT_GONE, NULL);
        if (c->request)
                request_cancel(c->request);
        c->request = NULL;
        log_answer(c, &failure, &(struct request_usage){ 0 });
        completion_over(c);
}

static void on_writable(void *user) {
        struct completion *c = user;

        if (c->request)
                request_resume(c->request);
}

static struct completion *completion_new(struct api *api, struct http_exchange *x, const struct completion_options *options) {
        struct completion *c = calloc(1, sizeof *c);
        char random[25];

        if (!c)
                return NULL;
        c->model = strdup(options->model);
        if (!c->model) {
                free(c);
                return NULL;
        }
        api_make_id(api, random);
        (void) snprintf(c->id, sizeof c->id, "%s-%s", options->is_chat ? "chatcmpl" : "cmpl", random);
        (void) snprintf(c->request_id, sizeof c->request_id, "%s", http_request_id(x));
        c->api = api;
        c->exchange = x;
        c->shape = (struct openai_json){ options->is_chat, c->id, time(NULL), c->model };
        c->is_stream = options->is_stream;
        c->include_usage = options->include_usage;
        c->reasoning.max = c->calls.list.max = c->calls.arguments.max = API_ANSWER_MAX;
        c->out.max = c->logprobs.tokens.max = c->logprobs.tops.max = API_ANSWER_MAX;
        c->started_ns = uv_hrtime();
        strcpy(c->why, "waiting");
        (void) uv_timer_init(api->loop, &c->ping);
        c->ping.data = c;
        return c;
}

void completion_start(struct api *api, struct http_exchange *x, const struct completion_options *options,
                      const struct body *body) {
        static const struct request_events streamed = { .on_waiting = on_stream_waiting,
                                                        .on_start = on_stream_start,
                                                        .on_text = on_stream_text,
                                                        .on_reasoning = on_stream_reasoning,
                                                        .on_call = on_stream_call,
                                                        .on_end = on_stream_end,
                                                        .on_failed = on_failed };
        static const struct request_events whole = { .on_text = on_whole_text,
                                                     .on_reasoning = on_whole_reasoning,
                                                     .on_call = on_whole_call,
                                                     .on_restart = on_whole_restart,
                                                     .on_end = on_whole_end,
                                                     .on_failed = on_failed };
        static const struct http_watch watch = { on_gone, on_writable };
        struct completion *c = completion_new(api, x, options);
        struct failure failure;

        if (!c) {
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        http_exchange_watch(x, &watch, c);
        api_begin(api);
        if (c->is_stream)
                (void) uv_timer_start(&c->ping, on_ping, API_PING_MS, API_PING_MS);
        enum request_kind kind = options->is_chat ? REQUEST_CHAT : REQUEST_COMPLETION;
        const struct request_body sent = { bulk_hold(body->json), body->facts.values };
        if (request_submit(api->fleet, c->model, kind, options->class, sent, c->is_stream ? &streamed : &whole, c, &c->request,
                           &failure))
                on_failed(c, &failure);
}
