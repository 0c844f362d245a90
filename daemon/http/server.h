/*
 * server.h - HTTP/1.1 on TCP and Unix sockets: listens, accepts, counts, and ends connections in good order.
 *
 * A server has one handler and any number of listening sockets. It holds no policy: what a path means is the handler's
 * business, what an open connection costs is the server's.
 */
#ifndef HEADROOM_DAEMON_HTTP_SERVER_H
#define HEADROOM_DAEMON_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/http/exchange.h"

struct bulk_account;
struct http_server;
struct text;

struct http_options {
        void (*on_request)(void *user, struct http_exchange *x);
        void *user;
        const char *headers; /* lines that every answer bears, "" for none; a constant */
        /*
         * What http_answer_error says and whatever is refused before a handler sees it, in the form that clients of PATH ("": it is
         * not known yet) can read. MESSAGE NULL: REASON's own. NULL: the one form of OpenAI's.
         */
        void (*write_refusal)(struct text *out, const char *path, enum reason reason, const char *message,
                              const char *request_id);
        /* For door.h; copied. NULL: whoever reaches the socket may come in. */
        const char *hosts, *origins;
        bool (*is_vital)(const struct http_exchange *x); /* by its head, may be NULL: answered although all places are taken */
        uint32_t connections_max;
        uint64_t body_bytes_max;
        struct bulk_account *bulk;  /* of what bodies take; outlives the server */
        uint64_t header_timeout_ms; /* from the first byte of a request to the end of its headers */
        uint64_t idle_timeout_ms;   /* between two requests */
};

int http_server_new(uv_loop_t *loop, const struct http_options *options, struct http_server **ret);
/* For a handler whose state is made after the sockets; before the loop runs. */
void http_server_set_user(struct http_server *s, void *user);

/* Each takes one more socket to listen on. 0 or -errno. */
int http_server_listen_tcp(struct http_server *s, const char *address, uint16_t port, uint16_t *ret_port);
/* The file is replaced when no process listens on it any more; -EADDRINUSE when one does. */
int http_server_listen_unix(struct http_server *s, const char *path, uint32_t mode);
/* A socket that is already listening, e.g. from systemd; taken over on success. */
int http_server_listen_fd(struct http_server *s, int fd);

/* Whether one of the sockets can be reached from other machines. */
bool http_server_is_exposed(const struct http_server *s);

/* Accepts no more, ends idle connections, and closes each other one with its answer. ON_EMPTY comes when none is left. */
void http_server_drain(struct http_server *s, void (*on_empty)(void *user), void *user);
/* Cuts what is left after a drain. */
void http_server_cut(struct http_server *s);
void http_server_free(struct http_server *s); /* after on_empty */

uint32_t http_server_connections(const struct http_server *s);

#endif
