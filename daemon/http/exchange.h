/*
 * exchange.h - one HTTP request and its answer, as its handler sees them.
 *
 * A handler is called once for each whole request and owes it exactly one answer: either http_answer, or
 * http_stream_begin .. http_stream_write .. http_stream_end, at once or later from the loop. With the answer's last word
 * the exchange is over and must not be touched. A handler that answers later says with http_exchange_watch whom to tell when the
 * client leaves first; then the exchange is over as well.
 *
 * Requests of one connection are handled one after the other, however fast they are sent.
 */
#ifndef HEADROOM_DAEMON_HTTP_EXCHANGE_H
#define HEADROOM_DAEMON_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/base/reason.h"

struct bulk;
struct http_exchange;

/* Methods are one bit each, so that a route can say which it takes. */
enum http_method {
        METHOD_GET = 1,
        METHOD_HEAD = 2,
        METHOD_POST = 4,
        METHOD_OPTIONS = 8,
        METHOD_DELETE = 16,
        METHOD_OTHER = 32,
};

/* Parts of the request; all text belongs to the exchange and ends with it. */
enum http_method http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x); /* decoded: "/v1/models/org/name:q4"; "*" of OPTIONS */
/* The value of ?NAME=; "" when it is not there. 0, or -EINVAL when it is no text or does not fit. */
int http_query(const struct http_exchange *x, const char *name, char *ret, size_t size);
const char *http_header(const struct http_exchange *x, const char *name); /* NULL when it is not there */
const char *http_request_id(const struct http_exchange *x);
/* The browser of a page elsewhere that the configuration lets in asks: answers name its origin, so that the page may read them. */
bool http_is_from_page(const struct http_exchange *x);
int http_socket(const struct http_exchange *x); /* for SO_PEERCRED; not for input or output */

/* The body, from now on the caller's to drop; NULL where none came. */
struct bulk *http_take_body(struct http_exchange *x);

struct http_watch {
        void (*on_gone)(void *user);     /* the client left before the answer was complete; the exchange is over */
        void (*on_writable)(void *user); /* after http_stream_write returned false: it has caught up */
};
void http_exchange_watch(struct http_exchange *x, const struct http_watch *watch, void *user);

/* HEADERS are further whole lines, "Retry-After: 5\r\n", or "". TYPE is the Content-Type, or NULL when there is no body. */
void http_answer(struct http_exchange *x, int status, const char *headers, const char *type, const char *body, size_t size);
/* The same with a body that is held until it is sent, which takes no more memory. */
void http_answer_bulk(struct http_exchange *x, int status, const char *headers, const char *type, struct bulk *body);
/*
 * {"error":{...}} by REASON's row, or as the server's `write_refusal` has it, without taking memory. HEADERS are added to those of the
 * row. MESSAGE has no quotes; NULL: the row's sentence.
 */
void http_answer_error(struct http_exchange *x, enum reason reason, const char *headers, const char *message);
/* Retry-After (0: none) and x-should-retry (-1: none) as header lines, into SIZE >= HTTP_RETRY_HEADERS_MAX. */
#define HTTP_RETRY_HEADERS_MAX 80u
void http_retry_headers(char *ret, size_t size, unsigned retry_after_s, int should_retry);

void http_stream_begin(struct http_exchange *x, int status, const char *headers, const char *type);
/* False: the client reads too slowly, produce no more until on_writable. (What was written is not lost.) */
bool http_stream_write(struct http_exchange *x, const void *bytes, size_t count);
void http_stream_end(struct http_exchange *x, bool and_close);

#endif
