/*
 * connection.c - the life of one connection.
 *
 *      IDLE -> HEAD -> BODY -> ANSWERING -> FLUSHING -> IDLE ...      and from anywhere -> LINGERING -> CLOSING
 *
 * We go on reading while a request is being answered, up to one buffer, since that is how a departed client is noticed.
 * A client that shuts down its side while it waits counts as departed: TCP cannot tell the two apart. The last
 * bytes of an answer are followed by a shutdown, not a close, because a close with unread input resets the connection and
 * may destroy the answer on its way. No connection is freed but in its last close callback.
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/http/connection.h"
#include "daemon/http/places.h"
#include "daemon/system/turn.h"

struct write {
        uv_write_t request;
        struct connection *connection;
        struct bulk *bulk; /* that is written; NULL: BYTES are */
        char bytes[];
};

static void on_timer(uv_timer_t *timer);
static void consume_pending(struct connection *c);

/* A broken connection has its last date already. */
static void set_timer(struct connection *c, uint64_t ms) {
        if (!c->is_broken)
                (void) uv_timer_start(&c->timer, on_timer, ms, 0);
}

static void stop_timer(struct connection *c) {
        if (!c->is_broken)
                (void) uv_timer_stop(&c->timer);
}

static void on_handle_closed(uv_handle_t *handle) {
        struct connection *c = handle->data;

        if (--c->handles_open)
                return;
        text_done(&c->pending);
        server_connection_gone(c->server, c);
}

void connection_close(struct connection *c) {
        const struct http_watch *watch = c->phase == PHASE_ANSWERING ? c->watch : NULL;
        void *user = c->watch_user;

        if (c->phase == PHASE_CLOSING)
                return;
        c->phase = PHASE_CLOSING;
        places_leave(c);
        c->watch = NULL;
        http_request_done(c);
        uv_close((uv_handle_t *) &c->stream, on_handle_closed);
        uv_close((uv_handle_t *) &c->timer, on_handle_closed);
        if (watch)
                watch->on_gone(user);
}

/* The handler may be on the stack: it learns from the loop that its client is gone. */
static void close_soon(struct connection *c) {
        set_timer(c, 0);
        c->is_broken = true;
}

/* --- writing --- */

static size_t unsent(const struct connection *c) {
        return uv_stream_get_write_queue_size(&c->stream);
}

static void watch_for_stall(struct connection *c) {
        c->checked_bytes = unsent(c);
        set_timer(c, HTTP_STALL_MS);
}

static void go_on_after_answer(struct connection *c) {
        c->phase = PHASE_IDLE;
        c->since_ms = uv_now(c->server->loop);
        http_request_begin(c);
        set_timer(c, c->server->options.idle_timeout_ms);
        if (!c->is_advancing)
                consume_pending(c);
}

static void on_written(uv_write_t *request, int status) {
        struct write *w = request->data;
        struct connection *c = w->connection;

        bulk_drop(w->bulk);
        free(w);
        if (c->phase == PHASE_CLOSING)
                return;
        if (status < 0) {
                connection_close(c);
                return;
        }
        if (!unsent(c) && (c->phase == PHASE_ANSWERING || c->phase == PHASE_FLUSHING))
                stop_timer(c);
        if (unsent(c) > HTTP_WRITE_LOW)
                return;
        if (c->phase == PHASE_FLUSHING) {
                go_on_after_answer(c);
        } else if (c->phase == PHASE_ANSWERING && c->answer.is_behind) {
                c->answer.is_behind = false;
                if (c->watch)
                        c->watch->on_writable(c->watch_user);
        }
}

/* W is taken over, and what it holds. */
static void queue_write(struct connection *c, struct write *w, uv_buf_t bytes) {
        w->connection = c;
        w->request.data = w;
        if (uv_write(&w->request, &c->stream, &bytes, 1, on_written)) {
                bulk_drop(w->bulk);
                free(w);
                close_soon(c);
                return;
        }
        if (!uv_is_active((uv_handle_t *) &c->timer))
                watch_for_stall(c);
}

/* Bytes that the kernel takes at once need no memory of ours; TAKEN bytes of the parts are already gone. */
static void queue_rest(struct connection *c, const uv_buf_t *parts, unsigned count, size_t total, size_t taken) {
        struct write *w = malloc(sizeof *w + total - taken);
        char *at = w ? w->bytes : NULL;

        if (!w) {
                close_soon(c);
                return;
        }
        for (unsigned i = 0; i < count; i++) {
                size_t skip = taken < parts[i].len ? taken : parts[i].len;
                memcpy(at, parts[i].base + skip, parts[i].len - skip);
                at += parts[i].len - skip;
                taken -= skip;
        }
        w->bulk = NULL;
        queue_write(c, w, uv_buf_init(w->bytes, (unsigned) (at - w->bytes)));
}

void connection_send(struct connection *c, const uv_buf_t *parts, unsigned count) {
        size_t total = 0, taken = 0;

        if (c->is_broken || c->phase == PHASE_CLOSING)
                return;
        for (unsigned i = 0; i < count; i++)
                total += parts[i].len;
        if (unsent(c) + total > HTTP_WRITE_MAX) {
                close_soon(c);
                return;
        }
        if (!unsent(c)) {
                int result = uv_try_write(&c->stream, parts, count);
                if (result < 0 && result != UV_EAGAIN) {
                        close_soon(c);
                        return;
                }
                taken = result > 0 ? (size_t) result : 0;
        }
        if (taken < total)
                queue_rest(c, parts, count, total, taken);
}

void connection_send_bulk(struct connection *c, const struct text *head, struct bulk *body) {
        const uv_buf_t part = uv_buf_init(head->bytes, (unsigned) head->used);
        struct write *w = NULL;

        connection_send(c, &part, 1);
        if (!body || c->is_broken || c->phase == PHASE_CLOSING)
                return;
        w = malloc(sizeof *w);
        if (!w) {
                close_soon(c);
                return;
        }
        w->bulk = bulk_hold(body);
        queue_write(c, w, uv_buf_init(bulk_bytes(body), (unsigned) bulk_size(body)));
}

/* --- the end --- */

static void on_shut_down(uv_shutdown_t *request, int status) {
        struct connection *c = request->data;

        if (c->phase == PHASE_CLOSING)
                return;
        if (status < 0 || c->is_at_end)
                connection_close(c);
        else
                set_timer(c, HTTP_LINGER_MS);
}

void connection_end(struct connection *c) {
        if (c->phase >= PHASE_LINGERING)
                return;
        c->phase = PHASE_LINGERING;
        text_done(&c->pending);
        c->shutdown.data = c;
        if (unsent(c))
                watch_for_stall(c);
        else
                stop_timer(c);
        if (uv_shutdown(&c->shutdown, &c->stream, on_shut_down))
                close_soon(c);
}

static void begin_flushing(struct connection *c) {
        c->phase = PHASE_FLUSHING;
        c->since_ms = uv_now(c->server->loop);
}

void connection_exchange_done(struct connection *c) {
        bool closes = c->answer.closes;

        assert(c->phase != PHASE_IDLE);
        c->watch = NULL;
        c->answer = (struct answer){ 0 };
        http_request_done(c);
        if (c->phase == PHASE_CLOSING)
                return;
        if (c->is_broken)
                c->phase = PHASE_LINGERING; /* all is answered; the timer closes it */
        else if (closes)
                connection_end(c);
        else if (unsent(c) > HTTP_WRITE_LOW)
                begin_flushing(c);
        else
                go_on_after_answer(c);
}

/* --- reading --- */

static void hand_over(struct connection *c) {
        struct http_server *s = c->server;

        c->phase = PHASE_ANSWERING;
        stop_timer(c);
        s->options.on_request(s->options.user, (struct http_exchange *) c);
}

static bool takes_bytes(const struct connection *c) {
        return c->phase <= PHASE_BODY && !c->is_broken;
}

/* Feeds the parser until the bytes are used up or a request is being answered; returns how many were used. */
static size_t consume(struct connection *c, const char *bytes, size_t count) {
        size_t used = 0;

        c->is_advancing = true;
        while (used < count && takes_bytes(c)) {
                enum phase before = c->phase;
                if (c->phase == PHASE_IDLE) {
                        c->phase = PHASE_HEAD;
                        c->since_ms = uv_now(c->server->loop);
                        http_request_name(c);
                        set_timer(c, c->server->options.header_timeout_ms);
                }
                used += http_request_feed(c, bytes + used, count - used);
                if (c->request.refusal.reason) {
                        connection_refuse(c, &c->request.refusal);
                } else if (c->request.is_complete) {
                        hand_over(c);
                } else if (before != PHASE_BODY && c->phase == PHASE_BODY) {
                        c->checked_bytes = 0;
                        set_timer(c, HTTP_BODY_CHECK_MS);
                }
        }
        c->is_advancing = false;
        return used;
}

/* Bytes of a large body can wait in the kernel: without a buffer nothing is read, and libuv asks again in the next turn. */
static bool can_wait(const struct connection *c) {
        return c->phase == PHASE_BODY && c->request.body_bytes > HTTP_BODY_SMALL && turn_is_long(c->server->loop);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
        struct connection *c = handle->data;
        bool is_waiting = c->phase == PHASE_ANSWERING || c->phase == PHASE_FLUSHING;

        (void) suggested;
        *ret = uv_buf_init(c->server->read_buffer, (unsigned) (HTTP_READ_MAX - (is_waiting ? c->pending.used : 0)));
        if (can_wait(c))
                ret->len = 0;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void start_reading(struct connection *c) {
        if (!c->is_reading && !c->is_at_end && c->phase != PHASE_CLOSING)
                c->is_reading = !uv_read_start(&c->stream, allocate, on_read);
}

static void stop_reading(struct connection *c) {
        (void) uv_read_stop(&c->stream);
        c->is_reading = false;
}

/* After an answer: what came in the meantime is the next request. */
static void consume_pending(struct connection *c) {
        struct text pending = c->pending;

        c->pending = (struct text){ 0 };
        size_t used = consume(c, pending.bytes, pending.used);
        if (used < pending.used && c->phase < PHASE_LINGERING)
                (void) text_add(&c->pending, pending.bytes + used, pending.used - used);
        text_done(&pending);
        if (c->is_at_end && takes_bytes(c))
                connection_end(c);
        else if (c->pending.used < HTTP_READ_MAX)
                start_reading(c);
}

static void on_end_of_input(struct connection *c, ssize_t error) {
        c->is_at_end = true;
        stop_reading(c);
        if (error != UV_EOF || c->phase == PHASE_ANSWERING || (c->phase == PHASE_LINGERING && !unsent(c)))
                connection_close(c);
        else if (takes_bytes(c))
                connection_end(c);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
        struct connection *c = stream->data;
        size_t used = 0;

        if (count == UV_ENOBUFS)
                return;
        if (count < 0)
                on_end_of_input(c, count);
        if (count <= 0 || c->phase == PHASE_CLOSING)
                return;
        if (c->phase == PHASE_LINGERING) {
                c->lingered_bytes += (size_t) count;
                if (c->lingered_bytes > HTTP_LINGER_BYTES)
                        connection_close(c);
                return;
        }
        if (takes_bytes(c))
                used = consume(c, buffer->base, (size_t) count);
        if (used == (size_t) count || c->phase >= PHASE_LINGERING)
                return;
        if (!text_add(&c->pending, buffer->base + used, (size_t) count - used))
                close_soon(c);
        if (c->pending.used >= HTTP_READ_MAX)
                stop_reading(c);
}

/* --- time --- */

static void on_body_check(struct connection *c) {
        static const struct refusal too_slow = { REASON_REQUEST_TIMEOUT, "the body arrives too slowly" };
        uint64_t allowed_ms = HTTP_BODY_MS + c->request.body_bytes * 1000 / HTTP_BODY_BYTES_PER_S;
        uint64_t so_far_ms = uv_now(c->server->loop) - c->since_ms;

        if (so_far_ms >= allowed_ms || c->request.body_bytes < c->checked_bytes + HTTP_BODY_CHECK_BYTES) {
                connection_refuse(c, &too_slow);
                return;
        }
        c->checked_bytes = c->request.body_bytes;
        set_timer(c, allowed_ms - so_far_ms < HTTP_BODY_CHECK_MS ? allowed_ms - so_far_ms : HTTP_BODY_CHECK_MS);
}

static void on_stall_check(struct connection *c) {
        if (unsent(c) && unsent(c) != c->checked_bytes)
                watch_for_stall(c);
        else
                connection_close(c);
}

static void on_timer(uv_timer_t *timer) {
        static const struct refusal too_slow = { REASON_REQUEST_TIMEOUT, "the headers arrive too slowly" };
        struct connection *c = timer->data;

        if (c->is_broken) {
                connection_close(c);
                return;
        }
        switch (c->phase) {
        case PHASE_IDLE: connection_end(c); break;
        case PHASE_HEAD: connection_refuse(c, &too_slow); break;
        case PHASE_BODY: on_body_check(c); break;
        case PHASE_ANSWERING:
        case PHASE_FLUSHING:
        case PHASE_LINGERING: on_stall_check(c); break;
        case PHASE_CLOSING: break;
        }
}

/* --- the beginning --- */

static void tune(struct connection *c) {
        int unsent_max = HTTP_UNSENT_MAX;
        uv_os_fd_t fd;

        (void) uv_tcp_nodelay(&c->tcp, 1);
        if (!uv_fileno((uv_handle_t *) &c->tcp, &fd))
                (void) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
}

void connection_accept(struct http_server *s, uv_stream_t *listener, bool is_pipe) {
        struct connection *c = server_new_connection(s);

        c->server = s;
        if (is_pipe)
                (void) uv_pipe_init(s->loop, &c->pipe, 0);
        else
                (void) uv_tcp_init(s->loop, &c->tcp);
        (void) uv_timer_init(s->loop, &c->timer);
        c->stream.data = c->timer.data = c;
        c->handles_open = 2;
        c->next = s->connections;
        if (c->next)
                c->next->previous = c;
        s->connections = c;
        s->connections_count++;
        c->since_ms = uv_now(s->loop);
        http_request_begin(c);
        if (uv_accept(listener, &c->stream) || !server_admit(c)) {
                connection_close(c);
                return;
        }
        if (!is_pipe)
                tune(c);
        set_timer(c, s->options.idle_timeout_ms);
        start_reading(c);
}

void http_exchange_watch(struct http_exchange *x, const struct http_watch *watch, void *user) {
        struct connection *c = connection_of(x);

        c->watch = watch;
        c->watch_user = user;
}
