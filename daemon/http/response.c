/*
 * response.c - answers: a status line, the headers that every answer bears, and a body or a stream of pieces.
 *
 * A stream is chunked for HTTP/1.1 and ends with the connection for HTTP/1.0. Whether the connection goes on after an
 * answer is settled when its head is written, since the head says so.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/http/connection.h"

#define ERROR_BODY_MAX    1024u
#define ERROR_HEADERS_MAX (HTTP_RETRY_HEADERS_MAX + 96u)

static const char *status_phrase(int status) {
        static const struct {
                int status;
                const char *phrase;
        } phrases[] = {
                { 200, "OK" },
                { 204, "No Content" },
                { 400, "Bad Request" },
                { 401, "Unauthorized" },
                { 403, "Forbidden" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 408, "Request Timeout" },
                { 409, "Conflict" },
                { 413, "Content Too Large" },
                { 415, "Unsupported Media Type" },
                { 417, "Expectation Failed" },
                { 422, "Unprocessable Content" },
                { 429, "Too Many Requests" },
                { 431, "Request Header Fields Too Large" },
                { 500, "Internal Server Error" },
                { 501, "Not Implemented" },
                { 502, "Bad Gateway" },
                { 503, "Service Unavailable" },
                { 504, "Gateway Timeout" },
                { 505, "HTTP Version Not Supported" },
        };

        for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
                if (phrases[i].status == status)
                        return phrases[i].phrase;
        return "Status";
}

/* RFC 9110 5.6.7; made once a second. */
static const char *http_date(void) {
        static char text[40];
        static time_t made_at;
        time_t now = time(NULL);
        struct tm tm;

        if (now != made_at && gmtime_r(&now, &tm)) {
                static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
                (void) snprintf(text, sizeof text, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * tm.tm_wday,
                                (unsigned) tm.tm_mday % 100, months + 3 * tm.tm_mon, (unsigned) (tm.tm_year + 1900) % 10000,
                                (unsigned) tm.tm_hour % 100, (unsigned) tm.tm_min % 100, (unsigned) tm.tm_sec % 100);
                made_at = now;
        }
        return text;
}

/* Whether the client will send more requests, and we want to hear them. */
static bool wants_to_go_on(struct connection *c) {
        return c->request.is_complete && !c->is_at_end && !c->is_beside && !c->server->is_draining &&
               llhttp_should_keep_alive(&c->parser);
}

/* The head of an answer; LENGTH < 0: no length, a stream. */
static void write_head(struct connection *c, struct text *out, int status, const char *headers, const char *type,
                       int64_t length) {
        bool is_old = c->parser.http_major == 1 && c->parser.http_minor == 0 && c->request.is_complete;

        text_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, status_phrase(status), http_date());
        if (type)
                text_printf(out, "Content-Type: %s\r\n", type);
        if (c->answer.is_chunked)
                text_puts(out, "Transfer-Encoding: chunked\r\n");
        else if (length >= 0 && status != 204)
                text_printf(out, "Content-Length: %lld\r\n", (long long) length);
        text_printf(out, "x-request-id: %s\r\n%s%s", c->request.id, c->server->options.headers, headers);
        if (c->request.is_from_page)
                text_printf(out, "Access-Control-Allow-Origin: %s\r\n", http_header((struct http_exchange *) c, "origin"));
        if (c->answer.closes)
                text_puts(out, "Connection: close\r\n");
        else if (is_old)
                text_puts(out, "Connection: keep-alive\r\n");
        text_puts(out, "\r\n");
}

void answer_continue(struct connection *c) {
        static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
        const uv_buf_t part = uv_buf_init(line, sizeof line - 1);

        connection_send(c, &part, 1);
}

static void answer(struct connection *c, int status, const char *headers, const char *type, const char *body, size_t size,
                   bool and_close) {
        struct text head = { 0 };
        bool has_no_body = c->request.method == METHOD_HEAD || status == 204;

        assert(!c->answer.has_begun);
        c->answer.has_begun = true;
        c->answer.closes = and_close || !wants_to_go_on(c);
        write_head(c, &head, status, headers, type, (int64_t) size);
        const uv_buf_t parts[] = { uv_buf_init(head.bytes, (unsigned) head.used),
                                   uv_buf_init((char *) (uintptr_t) body, (unsigned) size) };
        if (head.failed)
                c->answer.closes = true; /* no memory for a few hundred bytes: say nothing rather than half */
        else
                connection_send(c, parts, has_no_body || !size ? 1 : 2);
        text_done(&head);
        connection_exchange_done(c);
}

void http_answer(struct http_exchange *x, int status, const char *headers, const char *type, const char *body, size_t size) {
        answer(connection_of(x), status, headers, type, body, size, false);
}

void http_answer_bulk(struct http_exchange *x, int status, const char *headers, const char *type, struct bulk *body) {
        struct connection *c = connection_of(x);
        struct text head = { 0 };

        assert(!c->answer.has_begun);
        c->answer.has_begun = true;
        c->answer.closes = !wants_to_go_on(c);
        write_head(c, &head, status, headers, type, (int64_t) bulk_size(body));
        if (head.failed)
                c->answer.closes = true;
        else
                connection_send_bulk(c, &head, c->request.method == METHOD_HEAD ? NULL : body);
        text_done(&head);
        connection_exchange_done(c);
}

void http_retry_headers(char *ret, size_t size, unsigned retry_after_s, int should_retry) {
        int used = 0;

        ret[0] = 0;
        if (retry_after_s)
                used = snprintf(ret, size, "Retry-After: %u\r\n", retry_after_s);
        if (should_retry >= 0)
                (void) snprintf(ret + used, size - (size_t) used, "x-should-retry: %s\r\n", should_retry ? "true" : "false");
}

static void write_refusal(struct text *out, const char *path, enum reason reason, const char *message, const char *request_id) {
        const struct reason_info *info = reason_info(reason);

        (void) path, (void) request_id;
        assert(!info->no_code);
        text_printf(out, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"",
                    message ? message : info->sentence, info->http_kind, info->word);
        if (info->advice[0])
                text_printf(out, ",\"advice\":\"%s\"", info->advice);
        text_puts(out, "}}");
}

/* On the stack, since memory may be what is missing. */
static void answer_error(struct connection *c, enum reason reason, const char *more_headers, const char *message,
                         bool and_close) {
        const struct http_options *options = &c->server->options;
        const struct reason_info *info = reason_info(reason);
        char bytes[ERROR_BODY_MAX], retry[HTTP_RETRY_HEADERS_MAX], headers[ERROR_HEADERS_MAX];
        struct text body = { .bytes = bytes, .capacity = sizeof bytes, .is_lent = true };

        (options->write_refusal ? options->write_refusal : write_refusal)(&body, c->request.path, reason, message, c->request.id);
        text_puts(&body, "\n");
        assert(!body.failed);
        http_retry_headers(retry, sizeof retry, info->retry_after_s, info->should_retry);
        (void) snprintf(headers, sizeof headers, "%s%s", retry, more_headers);
        answer(c, info->http_status, headers, "application/json", bytes, body.used, and_close);
}

void http_answer_error(struct http_exchange *x, enum reason reason, const char *headers, const char *message) {
        answer_error(connection_of(x), reason, headers, message, false);
}

void connection_refuse(struct connection *c, const struct refusal *refusal) {
        answer_error(c, refusal->reason, "", refusal->message, true);
}

void http_stream_begin(struct http_exchange *x, int status, const char *headers, const char *type) {
        struct connection *c = connection_of(x);
        struct text head = { 0 };

        assert(!c->answer.has_begun);
        bool is_new = c->parser.http_minor >= 1;
        c->answer.has_begun = c->answer.is_stream = true;
        c->answer.is_chunked = is_new;
        c->answer.has_no_body = c->request.method == METHOD_HEAD;
        c->answer.closes = !is_new || !wants_to_go_on(c);
        write_head(c, &head, status, headers, type, -1);
        const uv_buf_t part = uv_buf_init(head.bytes, (unsigned) head.used);
        if (!head.failed)
                connection_send(c, &part, 1);
        text_done(&head);
}

bool http_stream_write(struct http_exchange *x, const void *bytes, size_t count) {
        static char line_end[] = "\r\n";
        struct connection *c = connection_of(x);
        char size[24];

        assert(c->answer.is_stream);
        if (count && !c->answer.has_no_body) { /* an empty chunk would be the last */
                int length = snprintf(size, sizeof size, "%zx\r\n", count);
                const uv_buf_t parts[] = { uv_buf_init(size, (unsigned) length),
                                           uv_buf_init((char *) (uintptr_t) bytes, (unsigned) count), uv_buf_init(line_end, 2) };
                if (c->answer.is_chunked)
                        connection_send(c, parts, 3);
                else
                        connection_send(c, parts + 1, 1);
        }
        if (uv_stream_get_write_queue_size(&c->stream) > HTTP_WRITE_HIGH)
                c->answer.is_behind = true;
        return !c->answer.is_behind;
}

void http_stream_end(struct http_exchange *x, bool and_close) {
        static char last_chunk[] = "0\r\n\r\n";
        struct connection *c = connection_of(x);
        const uv_buf_t part = uv_buf_init(last_chunk, sizeof last_chunk - 1);

        assert(c->answer.is_stream);
        if (c->answer.is_chunked && !c->answer.has_no_body)
                connection_send(c, &part, 1);
        c->answer.closes |= and_close;
        connection_exchange_done(c);
}
