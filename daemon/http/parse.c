/*
 * parse.c - bytes to one request, by llhttp, within the limits.
 *
 * llhttp hands over spans of whatever we feed it; we copy head and body into the request's two texts. Its callbacks
 * only record: a refusal is noted, the parser stopped, and the answer is written when llhttp_execute has returned, so
 * that no handler ever runs inside the parser. At the end of a message the parser is stopped as well, since the
 * next request must wait for this one's answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/net_address.h"
#include "daemon/http/connection.h"
#include "daemon/http/places.h"
#include "daemon/http/target.h"

/* MESSAGE NULL: the reason's own sentence. */
static int refuse(struct connection *c, enum reason reason, const char *message) {
        if (c->request.refusal.reason == REASON_NONE)
                c->request.refusal = (struct refusal){ reason, message };
        return -1;
}

static struct connection *connection_of_parser(llhttp_t *parser) {
        return parser->data;
}

/* All spans of the head go here, in order; a NUL is put where one ends. */
static int add_to_head(struct connection *c, const char *bytes, size_t count) {
        return text_add(&c->request.head, bytes, count) ? 0 : refuse(c, REASON_HEADER_TOO_LARGE, NULL);
}

static int on_url(llhttp_t *parser, const char *bytes, size_t count) {
        return add_to_head(connection_of_parser(parser), bytes, count);
}

/* Headers arrive as name, its end, value, its end; a value may be empty and then has no span. */
static int on_header_field(llhttp_t *parser, const char *bytes, size_t count) {
        struct connection *c = connection_of_parser(parser);
        struct http_request *r = &c->request;

        if (c->phase == PHASE_BODY) /* trailers mean nothing to us */
                return 0;
        if (!r->in_name) {
                if (r->headers_count == HTTP_HEADERS_MAX)
                        return refuse(c, REASON_HEADER_TOO_LARGE, "there are more than 100 headers");
                if (add_to_head(c, "", 1))
                        return -1;
                r->headers[r->headers_count].name = (uint32_t) r->head.used;
                r->in_name = true;
        }
        return add_to_head(c, bytes, count);
}

static int on_header_field_complete(llhttp_t *parser) {
        struct connection *c = connection_of_parser(parser);
        struct http_request *r = &c->request;

        if (c->phase == PHASE_BODY)
                return 0;
        if (add_to_head(c, "", 1))
                return -1;
        r->headers[r->headers_count++].value = (uint32_t) r->head.used;
        r->in_name = false;
        return 0;
}

static int on_header_value(llhttp_t *parser, const char *bytes, size_t count) {
        struct connection *c = connection_of_parser(parser);

        return c->phase == PHASE_BODY ? 0 : add_to_head(c, bytes, count);
}

static unsigned count_headers(const struct connection *c, const char *name) {
        unsigned count = 0;

        for (uint32_t i = 0; i < c->request.headers_count; i++)
                count += !strcasecmp(c->request.head.bytes + c->request.headers[i].name, name);
        return count;
}

static int refuse_coding(struct connection *c) {
        return refuse(c, REASON_TRANSFER_ENCODING, NULL);
}

static int refuse_two_lengths(struct connection *c) {
        return refuse(c, REASON_BAD_REQUEST, "a request has either Content-Length or Transfer-Encoding, never both");
}

static bool local_address(const struct connection *c, struct in6_addr *ret) {
        struct sockaddr_storage name = { 0 };
        int length = sizeof name;

        return c->stream.type == UV_TCP && !uv_tcp_getsockname(&c->tcp, (struct sockaddr *) &name, &length) &&
               net_address_of(&name, ret);
}

static int check_door(struct connection *c) {
        struct in6_addr local;
        struct http_request *q = &c->request;
        const struct http_exchange *x = (struct http_exchange *) c;
        struct door_request r = { .method = q->method,
                                  .has_body = (c->parser.flags & F_CHUNKED) || c->parser.content_length,
                                  .host = http_header(x, "host"),
                                  .origin = http_header(x, "origin"),
                                  .fetch_site = http_header(x, "sec-fetch-site"),
                                  .fetch_mode = http_header(x, "sec-fetch-mode"),
                                  .content_type = http_header(x, "content-type") };

        if (!c->server->door.hosts)
                return 0;
        if (count_headers(c, "host") > 1 || count_headers(c, "origin") > 1)
                return refuse(c, REASON_BAD_REQUEST, "a request has one Host and one Origin");
        r.local = local_address(c, &local) ? &local : NULL;
        r.authority = http_target_authority(q->head.bytes, &r.authority_length);
        q->is_from_page = r.origin && door_lists_origin(&c->server->door, r.origin);
        enum reason reason = door_check(&c->server->door, &r, q->why);
        return reason ? refuse(c, reason, q->why) : 0;
}

/* Refuses requests whose head alone is wrong. Nonzero when the request is refused. */
static int check_head(struct connection *c) {
        const llhttp_t *p = &c->parser;
        struct http_exchange *x = (struct http_exchange *) c;
        const char *coding = http_header(x, "transfer-encoding"), *expect = http_header(x, "expect");
        const char *content = http_header(x, "content-encoding");

        if (p->http_major != 1)
                return refuse(c, REASON_HTTP_VERSION, NULL);
        if (p->http_minor >= 1 && count_headers(c, "host") != 1)
                return refuse(c, REASON_BAD_REQUEST, "an HTTP/1.1 request needs exactly one Host header");
        if (check_door(c))
                return -1;
        if (coding && !p->http_minor)
                return refuse(c, REASON_BAD_REQUEST, "HTTP/1.0 knows no Transfer-Encoding");
        if (coding && (strcasecmp(coding, "chunked") != 0 || count_headers(c, "transfer-encoding") > 1))
                return refuse_coding(c);
        if (coding && http_header(x, "content-length"))
                return refuse_two_lengths(c);
        if (content && strcasecmp(content, "identity") != 0)
                return refuse(c, REASON_CONTENT_ENCODING, NULL);
        if (expect && strcasecmp(expect, "100-continue") != 0)
                return refuse(c, REASON_EXPECTATION, NULL);
        if (!coding && p->content_length > c->server->options.body_bytes_max)
                return refuse(c, REASON_BODY_TOO_LARGE, NULL);
        const struct bulk_account *account = c->server->options.bulk;
        if (!coding && p->content_length > account->max - account->used)
                return refuse(c, REASON_REQUEST_MEMORY, NULL);
        return 0;
}

static enum http_method method_of(const llhttp_t *parser) {
        switch (llhttp_get_method((llhttp_t *) parser)) {
        case HTTP_GET: return METHOD_GET;
        case HTTP_HEAD: return METHOD_HEAD;
        case HTTP_POST: return METHOD_POST;
        case HTTP_OPTIONS: return METHOD_OPTIONS;
        case HTTP_DELETE: return METHOD_DELETE;
        default: return METHOD_OTHER;
        }
}

static int on_headers_complete(llhttp_t *parser) {
        struct connection *c = connection_of_parser(parser);
        struct http_request *r = &c->request;

        if (!text_add(&r->head, "", 1))
                return refuse(c, REASON_HEADER_TOO_LARGE, NULL);
        r->method = method_of(parser);
        if (parser->method == HTTP_CONNECT)
                return refuse(c, REASON_METHOD_NOT_ALLOWED, "this is no proxy");
        int wrong = check_head(c); /* which is told in the form that clients of the path can read */
        if (http_target_path(r->head.bytes, &r->path, &r->query))
                return refuse(c, REASON_BAD_REQUEST, "the target of the request line is no valid path");
        if (wrong)
                return wrong;
        if (!places_serve(c))
                return refuse(c, REASON_TOO_MANY_CONNECTIONS, NULL);
        parser->upgrade = 0; /* an offer to speak another protocol, which may be ignored */
        c->phase = PHASE_BODY;
        framing_begin_chunks(&r->framing);
        const char *expect = http_header((struct http_exchange *) c, "expect");
        if (expect && parser->http_minor >= 1 && ((parser->flags & F_CHUNKED) || parser->content_length))
                answer_continue(c);
        return 0;
}

static int on_body(llhttp_t *parser, const char *bytes, size_t count) {
        struct connection *c = connection_of_parser(parser);
        const struct http_options *options = &c->server->options;
        struct http_request *r = &c->request;

        if (!r->body)
                r->body = bulk_new(options->bulk);
        if (r->body && bulk_size(r->body) + count > options->body_bytes_max)
                return refuse(c, REASON_BODY_TOO_LARGE, NULL);
        int result = r->body ? bulk_add(r->body, bytes, count) : -ENOMEM;
        if (result == -EDQUOT)
                return refuse(c, REASON_REQUEST_MEMORY, NULL);
        return result ? refuse(c, REASON_OUT_OF_MEMORY, "there is no memory for the body") : 0;
}

static int on_message_complete(llhttp_t *parser) {
        connection_of_parser(parser)->request.is_complete = true;
        return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_field_complete = on_header_field_complete,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
};

void http_request_begin(struct connection *c) {
        struct http_request *r = &c->request;

        llhttp_init(&c->parser, HTTP_REQUEST, &settings);
        framing_begin_head(&r->framing);
        c->parser.data = c;
        r->head.max = HTTP_HEAD_MAX;
        r->headers_count = r->head_bytes = 0;
        r->body_bytes = 0;
        r->path = r->query = "";
        r->method = METHOD_GET;
        r->in_name = r->is_complete = r->is_from_page = false;
        r->refusal = (struct refusal){ 0 };
}

void http_request_name(struct connection *c) {
        struct http_request *r = &c->request;

        (void) snprintf(r->id, sizeof r->id, "req-%08llx-%06llx", (unsigned long long) uv_hrtime() >> 10 & 0xffffffff,
                        (unsigned long long) ++c->server->requests_count & 0xffffff);
}

void http_request_done(struct connection *c) {
        bulk_drop(http_take_body((struct http_exchange *) c));
        text_done(&c->request.head);
}

/* Refuses input that llhttp itself found wrong. */
static void refuse_malformed(struct connection *c, llhttp_errno_t error) {
        switch (error) {
        case HPE_INVALID_VERSION:
        case HPE_PAUSED_H2_UPGRADE: (void) refuse(c, REASON_HTTP_VERSION, NULL); break;
        case HPE_UNEXPECTED_CONTENT_LENGTH: (void) refuse_two_lengths(c); break;
        case HPE_INVALID_CONTENT_LENGTH: (void) refuse(c, REASON_BAD_REQUEST, "the Content-Length is no number"); break;
        case HPE_INVALID_TRANSFER_ENCODING: /* llhttp 9 also says so of one behind a Content-Length */
                (void) (http_header((struct http_exchange *) c, "content-length") ? refuse_two_lengths(c) : refuse_coding(c));
                break;
        case HPE_INVALID_CHUNK_SIZE: (void) refuse(c, REASON_BAD_REQUEST, "a chunk of the body has no valid size"); break;
        case HPE_INVALID_METHOD: (void) refuse(c, REASON_BAD_REQUEST, "the request line has no valid method"); break;
        default: (void) refuse(c, REASON_BAD_REQUEST, NULL);
        }
}

/* How much may be fed now: the head up to its limit, a body up to a multiple of its own. */
static size_t allowance(const struct connection *c) {
        uint64_t body_line_max = c->server->options.body_bytes_max * HTTP_BODY_OVERHEAD + HTTP_HEAD_MAX;

        if (c->phase == PHASE_HEAD)
                return HTTP_HEAD_MAX - c->request.head_bytes;
        return (size_t) (body_line_max - c->request.body_bytes);
}

size_t http_request_feed(struct connection *c, const char *bytes, size_t count) {
        struct http_request *r = &c->request;
        bool was_head = c->phase == PHASE_HEAD;
        size_t fed = count < allowance(c) ? count : allowance(c);
        const char *wrong = NULL;

        if (was_head || c->parser.flags & F_CHUNKED)
                fed = framing_pass(&r->framing, bytes, fed, &wrong);
        llhttp_errno_t error = llhttp_execute(&c->parser, bytes, fed);
        if (error != HPE_OK && error != HPE_PAUSED && !r->refusal.reason)
                refuse_malformed(c, error);
        size_t taken = error == HPE_OK ? fed : (size_t) (llhttp_get_error_pos(&c->parser) - bytes);
        if (was_head)
                r->head_bytes += (uint32_t) taken;
        else
                r->body_bytes += taken;
        if (wrong)
                (void) refuse(c, REASON_BAD_REQUEST, wrong);
        else if (r->framing.place == FRAMING_END && !r->is_complete) /* and the parser wants more: HTTP/2's preface */
                (void) refuse(c, c->parser.http_major == 1 ? REASON_BAD_REQUEST : REASON_HTTP_VERSION, NULL);
        if (r->is_complete || r->refusal.reason)
                return taken;
        if (c->phase == PHASE_HEAD && r->head_bytes == HTTP_HEAD_MAX)
                (void) refuse(c, REASON_HEADER_TOO_LARGE, NULL);
        else if (!allowance(c))
                (void) refuse(c, REASON_BODY_TOO_LARGE, "the body's chunks are far longer than their content");
        return taken;
}

enum http_method http_method(const struct http_exchange *x) {
        return ((const struct connection *) x)->request.method;
}

const char *http_path(const struct http_exchange *x) {
        return ((const struct connection *) x)->request.path;
}

int http_query(const struct http_exchange *x, const char *name, char *ret, size_t size) {
        return http_query_value(((const struct connection *) x)->request.query, name, ret, size);
}

const char *http_header(const struct http_exchange *x, const char *name) {
        const struct http_request *r = &((const struct connection *) x)->request;

        for (uint32_t i = 0; i < r->headers_count; i++)
                if (!strcasecmp(r->head.bytes + r->headers[i].name, name))
                        return r->head.bytes + r->headers[i].value;
        return NULL;
}

struct bulk *http_take_body(struct http_exchange *x) {
        struct http_request *r = &connection_of(x)->request;
        struct bulk *body = r->body;

        r->body = NULL;
        return body;
}

const char *http_request_id(const struct http_exchange *x) {
        return ((const struct connection *) x)->request.id;
}

bool http_is_from_page(const struct http_exchange *x) {
        return ((const struct connection *) x)->request.is_from_page;
}

int http_socket(const struct http_exchange *x) {
        uv_os_fd_t fd = -1;

        (void) uv_fileno((const uv_handle_t *) &((const struct connection *) x)->stream, &fd);
        return fd;
}
