/* server.c - listening sockets, and the count of what is open. */
#include "daemon/http/server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/cleanup.h"
#include "daemon/base/net_address.h"
#include "daemon/http/connection.h"
#include "daemon/http/places.h"
#include "daemon/system/log.h"
#include "daemon/system/turn.h"

struct listener {
        struct http_server *server;
        struct listener *next;
        union {
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        };
        uv_timer_t accept_time; /* of the next, where it has to wait */
        uint64_t accepting_ms;  /* the turn of the loop in which ... */
        uint32_t accepted;      /* ... so many were */
        bool is_pipe, is_closing;
        bool is_exposed; /* it can be reached from other machines */
        uint8_t handles_open;
        char *path; /* of a Unix socket that we made, removed at the end */
};

void http_server_free(struct http_server *s) {
        if (!s)
                return;
        door_done(&s->door);
        free(s->spare);
        free(s);
}

int http_server_new(uv_loop_t *loop, const struct http_options *options, struct http_server **ret) {
        struct http_server *s = calloc(1, sizeof *s);

        if (!s)
                return -ENOMEM;
        s->spare = calloc(1, sizeof *s->spare);
        if (!s->spare) {
                free(s);
                return -ENOMEM;
        }
        if (options->hosts && door_open(options->hosts, options->origins, &s->door)) {
                http_server_free(s);
                return -ENOMEM;
        }
        s->loop = loop;
        s->options = *options;
        *ret = s;
        return 0;
}

void http_server_set_user(struct http_server *s, void *user) {
        s->options.user = user;
}

uint32_t http_server_connections(const struct http_server *s) {
        return s->connections_count;
}

static void check_empty(struct http_server *s) {
        void (*on_empty)(void *user) = s->on_empty;

        if (!on_empty || s->listeners || s->connections)
                return;
        s->on_empty = NULL;
        on_empty(s->empty_user);
}

struct connection *server_new_connection(struct http_server *s) {
        struct connection *c = calloc(1, sizeof *c);

        if (!c) {
                c = s->spare;
                s->spare = NULL;
        }
        assert(c);
        return c;
}

void server_connection_gone(struct http_server *s, struct connection *c) {
        if (c->next)
                c->next->previous = c->previous;
        if (c->previous)
                c->previous->next = c->next;
        else
                s->connections = c->next;
        s->connections_count--;
        if (s->spare) {
                free(c);
        } else {
                memset(c, 0, sizeof *c);
                s->spare = c;
        }
        if (s->places_taken <= s->options.connections_max / 2)
                s->is_reporting_full = false;
        check_empty(s);
}

static bool step_beside(struct connection *c) {
        struct connection *slowest = places_find_slowest_beside(c);

        if (slowest)
                connection_close(slowest);
        return places_step_beside(c);
}

/* Whoever is in the middle of a request is told why it ends. */
static void give_up(struct connection *c) {
        static const struct refusal too_slow = { REASON_REQUEST_TIMEOUT,
                                                 "the request arrives too slowly while others wait for a connection" };

        places_leave(c);
        if ((c->phase == PHASE_HEAD || c->phase == PHASE_BODY) && step_beside(c))
                connection_refuse(c, &too_slow);
        else
                connection_close(c);
}

bool server_admit(struct connection *c) {
        struct connection *slowest = NULL;

        if (places_take(c))
                return true;
        slowest = places_find_slowest(c);
        if (slowest)
                give_up(slowest);
        return (slowest && places_take(c)) || step_beside(c);
}

static void on_accept_time(uv_timer_t *timer);

/* libuv asks no more until the connection is accepted. */
static void accept_after(struct listener *l, uint64_t ms) {
        (void) uv_timer_start(&l->accept_time, on_accept_time, ms, 0);
}

static void accept_next(struct listener *l) {
        struct http_server *s = l->server;

        if (!places_can_admit(s)) {
                accept_after(l, HTTP_GRACE_POLL_MS);
                return;
        }
        if (s->places_taken == s->options.connections_max && !s->is_reporting_full) {
                s->is_reporting_full = true;
                log_warning("connections_full", LOG_NUMBER("connections", s->places_taken));
        }
        connection_accept(s, &l->stream, l->is_pipe);
}

static void on_accept_time(uv_timer_t *timer) {
        accept_next(timer->data);
}

static void on_connection(uv_stream_t *stream, int status) {
        struct listener *l = stream->data;
        uint64_t now_ms = uv_now(l->server->loop);

        if (status < 0) {
                log_warning("accept_failed", LOG_TEXT("error", uv_strerror(status)));
                return;
        }
        l->accepted = now_ms == l->accepting_ms ? l->accepted + 1 : 1;
        l->accepting_ms = now_ms;
        if (l->accepted <= HTTP_ACCEPTS_MAX && !turn_is_long(l->server->loop))
                accept_next(l);
        else
                accept_after(l, 1);
}

static void on_listener_closed(uv_handle_t *handle) {
        struct listener *l = handle->data;
        struct http_server *s = l->server;

        if (--l->handles_open)
                return;
        for (struct listener **at = &s->listeners; *at; at = &(*at)->next)
                if (*at == l) {
                        *at = l->next;
                        break;
                }
        free(l->path);
        free(l);
        check_empty(s);
}

/* The path is removed first, so that a client that finds it also finds a server behind it. */
static void close_listener(struct listener *l) {
        if (l->is_closing)
                return;
        l->is_closing = true;
        if (l->path)
                (void) unlink(l->path);
        uv_close((uv_handle_t *) &l->stream, on_listener_closed);
        uv_close((uv_handle_t *) &l->accept_time, on_listener_closed);
}

/* What the kernel says of a socket that listens is never a failure. */
static struct sockaddr_storage name_of(int fd) {
        struct sockaddr_storage name = { 0 };
        socklen_t length = sizeof name;

        (void) getsockname(fd, (struct sockaddr *) &name, &length);
        return name;
}

/* On failure FD is still the caller's. */
static int listen_on(struct http_server *s, int fd, const char *path) {
        struct listener *l = calloc(1, sizeof *l);
        char *copy = path ? strdup(path) : NULL;

        if (!l || (path && !copy)) {
                free(copy);
                free(l);
                return -ENOMEM;
        }
        l->server = s;
        const struct sockaddr_storage name = name_of(fd);
        struct in6_addr address;
        l->is_pipe = name.ss_family == AF_UNIX;
        l->is_exposed = net_address_of(&name, &address) && !net_address_is_loopback(&address);
        int result = l->is_pipe ? uv_pipe_init(s->loop, &l->pipe, 0) : uv_tcp_init(s->loop, &l->tcp);
        if (result) {
                free(copy);
                free(l);
                return result;
        }
        (void) uv_timer_init(s->loop, &l->accept_time);
        l->stream.data = l->accept_time.data = l;
        l->handles_open = 2;
        l->next = s->listeners;
        s->listeners = l;
        result = l->is_pipe ? uv_pipe_open(&l->pipe, fd) : uv_tcp_open(&l->tcp, fd);
        if (!result) {
                result = uv_listen(&l->stream, HTTP_BACKLOG, on_connection);
                l->path = copy;
                copy = NULL;
        }
        free(copy);
        if (result)
                close_listener(l);
        return result;
}

bool http_server_is_exposed(const struct http_server *s) {
        for (const struct listener *l = s->listeners; l; l = l->next)
                if (l->is_exposed)
                        return true;
        return false;
}

int http_server_listen_fd(struct http_server *s, int fd) {
        return listen_on(s, fd, NULL);
}

static int open_tcp(const char *address, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_length) {
        struct sockaddr_in *v4 = (struct sockaddr_in *) ret;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) ret;

        memset(ret, 0, sizeof *ret);
        if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(port);
                *ret_length = sizeof *v4;
        } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons(port);
                *ret_length = sizeof *v6;
        } else {
                return -EINVAL;
        }
        int fd = socket(ret->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return fd < 0 ? -errno : fd;
}

int http_server_listen_tcp(struct http_server *s, const char *address, uint16_t port, uint16_t *ret_port) {
        struct sockaddr_storage name;
        socklen_t length;
        const int yes = 1;
        auto_close int fd = open_tcp(address, port, &name, &length);

        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) || bind(fd, (struct sockaddr *) &name, length) ||
            getsockname(fd, (struct sockaddr *) &name, &length))
                return -errno;
        int result = listen_on(s, fd, NULL);
        if (result)
                return result;
        (void) take_fd(&fd);
        *ret_port = ntohs(name.ss_family == AF_INET ? ((struct sockaddr_in *) &name)->sin_port
                                                    : ((struct sockaddr_in6 *) &name)->sin6_port);
        return 0;
}

/* 0 when PATH is free, because nothing is there or no process answers; -EADDRINUSE when one does. */
static int clear_path(const struct sockaddr_un *name) {
        struct stat st;

        if (lstat(name->sun_path, &st))
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;
        auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) name, sizeof *name) == 0 || errno != ECONNREFUSED)
                return -EADDRINUSE;
        return unlink(name->sun_path) ? -errno : 0;
}

int http_server_listen_unix(struct http_server *s, const char *path, uint32_t mode) {
        struct sockaddr_un name = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof name.sun_path)
                return -ENAMETOOLONG;
        strcpy(name.sun_path, path);
        int result = clear_path(&name);
        if (result)
                return result;
        auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        mode_t before = umask((mode_t) (~mode & 0777)); /* never open to more than MODE, not for a moment */
        result = bind(fd, (struct sockaddr *) &name, sizeof name) ? -errno : 0;
        (void) umask(before);
        if (result)
                return result;
        result = listen_on(s, fd, path);
        if (result) {
                (void) unlink(path);
                return result;
        }
        (void) take_fd(&fd);
        return 0;
}

void http_server_drain(struct http_server *s, void (*on_empty)(void *user), void *user) {
        s->is_draining = true;
        s->on_empty = on_empty;
        s->empty_user = user;
        for (struct listener *l = s->listeners; l; l = l->next)
                close_listener(l);
        for (struct connection *c = s->connections; c; c = c->next)
                if (c->phase == PHASE_IDLE)
                        connection_end(c);
        check_empty(s);
}

void http_server_cut(struct http_server *s) {
        for (struct connection *c = s->connections; c; c = c->next)
                connection_close(c);
}
