/*
 * connection.h - within daemon/http only: one connection, from accept to its last close callback.
 *
 * connection.c owns the life (reading, phases, timers, closing), parse.c turns bytes into a request by llhttp, response.c
 * writes answers. The exchange that handlers see is the connection itself in PHASE_ANSWERING: there is never more
 * than one at a time, so its memory is the connection's.
 */
#ifndef HEADROOM_DAEMON_HTTP_CONNECTION_H
#define HEADROOM_DAEMON_HTTP_CONNECTION_H

#include <llhttp.h>
#include <uv.h>

#include "daemon/base/bounds.h"
#include "daemon/http/door.h"
#include "daemon/http/exchange.h"
#include "daemon/http/framing.h"
#include "daemon/http/server.h"
#include "daemon/system/bulk.h"
#include "engine/base/strbuf.h"
#include "policy/base/reason.h"

enum phase {
        PHASE_IDLE, /* between two requests */
        PHASE_HEAD, /* the first byte of a request has come */
        PHASE_BODY,
        PHASE_ANSWERING, /* the handler has it */
        PHASE_FLUSHING,  /* answered; the next request waits until the client has taken enough of the answer */
        PHASE_LINGERING, /* our side is shut down, the client's last bytes are thrown away */
        PHASE_CLOSING,   /* waiting for the close callbacks */
};

/* The HTTP error that the parser has found; it is sent when the parser has returned. */
struct refusal {
        enum reason reason;  /* REASON_NONE: nothing */
        const char *message; /* NULL: the reason's own sentence */
};

struct header {
        uint32_t name, value; /* offsets into head.bytes */
};

struct http_request {
        struct http_framing framing; /* of the head, then of the chunks */
        struct text head;            /* target, then names and values, each NUL-terminated */
        struct bulk *body;           /* NULL: none has come */
        struct header headers[HTTP_HEADERS_MAX];
        uint32_t headers_count;
        uint32_t head_bytes; /* of the line, as they came */
        uint64_t body_bytes; /* of the line, as they came */
        enum http_method method;
        const char *path, *query;
        bool in_name; /* the name of a header has begun and not ended */
        bool is_complete;
        char id[32];
        bool is_from_page; /* of an origin that the configuration names */
        char why[DOOR_WHY_MAX];
        struct refusal refusal;
};

struct answer {
        bool has_begun, is_stream, is_chunked, has_no_body;
        bool is_behind; /* the producer was told to pause */
        bool closes;    /* the connection ends with this answer */
};

struct http_server {
        uv_loop_t *loop;
        struct http_options options;
        struct http_door door; /* without hosts: whoever reaches the socket may come in */
        struct listener *listeners;
        struct connection *connections;
        struct connection *spare; /* for the accept that finds no memory: libuv would never ask again */
        uint32_t connections_count;
        uint32_t places_taken, beside_count; /* places.h */
        uint64_t requests_count;
        bool is_draining;
        bool is_reporting_full; /* said once, and again when half of the places were free */
        void (*on_empty)(void *user);
        void *empty_user;
        char read_buffer[HTTP_READ_MAX]; /* one for all: what is read is consumed or copied before the next read */
};

struct connection {
        struct http_server *server;
        struct connection *next, *previous;
        union {
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        };
        uv_timer_t timer;
        uint8_t handles_open; /* stream and timer: freed when both are closed */
        enum phase phase;
        bool is_advancing;          /* bytes are being consumed: whoever finishes an exchange returns there */
        bool is_reading, is_at_end; /* the client has shut down its side */
        bool is_broken;             /* closes as soon as the loop turns; what is sent is dropped */
        bool has_place, is_beside;  /* places.h; neither when it closes */
        uint64_t since_ms;          /* it waits for its client, or the request comes */
        uint64_t address;           /* of the peer, for places.c; 0: none */
        llhttp_t parser;
        struct http_request request;
        struct answer answer;
        const struct http_watch *watch;
        void *watch_user;
        struct text pending; /* came while we were answering */
        uint64_t lingered_bytes;
        uint64_t checked_bytes; /* body bytes at the last check, or unsent bytes at the last stall check */
        uv_shutdown_t shutdown;
};

/* In PHASE_ANSWERING an exchange is its connection. */
static inline struct connection *connection_of(struct http_exchange *x) {
        return (struct connection *) x;
}

/* connection.c */
void connection_accept(struct http_server *s, uv_stream_t *listener, bool is_pipe);
void connection_close(struct connection *c); /* at once; tells the handler if it still owes an answer */
void connection_send(struct connection *c, const uv_buf_t *parts, unsigned count); /* copies what the kernel does not take */
void connection_send_bulk(struct connection *c, const struct text *head, struct bulk *body); /* holds BODY, which may be NULL */
void connection_end(struct connection *c);           /* in good order: what is unsent goes out first */
void connection_exchange_done(struct connection *c); /* the answer is written as far as the handler goes */
void connection_refuse(struct connection *c, const struct refusal *refusal);

/* parse.c */
void http_request_begin(struct connection *c);
void http_request_name(struct connection *c); /* its id; with its first byte */
void http_request_done(struct connection *c);
/* Takes what belongs to the current request; returns how many bytes. Then the request is complete, refused, or needs more. */
size_t http_request_feed(struct connection *c, const char *bytes, size_t count);

/* response.c */
void answer_continue(struct connection *c);

/* server.c */
struct connection *server_new_connection(struct http_server *s); /* all zero; never NULL */
/* C was just accepted and counted: gives it a place, whoever is the slowest leaves for it. False: not even room to tell it so. */
bool server_admit(struct connection *c);
void server_connection_gone(struct http_server *s, struct connection *c); /* frees it */

#endif
