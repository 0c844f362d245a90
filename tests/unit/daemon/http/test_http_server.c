/*
 * test_http_server.c - a server and its clients in one thread: raw bytes in, raw bytes out.
 *
 * The rows send one text, whole and then byte by byte, and look at the status and at what the answer contains.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/http/server.h"
#include "daemon/http/target.h"
#include "engine/base/strbuf.h"
#include "tests/bulk_text.h"
#include "tests/loop_client.h"

static struct http_server *server;
static unsigned requests, goners, writables;
static struct http_exchange *held;

static void on_gone(void *user) {
        (void) user;
        goners++;
        held = NULL;
}

static void on_writable(void *user) {
        (void) user;
        writables++;
}

static const struct http_watch watch = { on_gone, on_writable };

/* /hold is answered when a test says so; everything else at once with what was understood. */
static void on_request(void *user, struct http_exchange *x) {
        struct text out = { 0 };
        struct bulk *body;

        (void) user;
        requests++;
        if (!strcmp(http_path(x), "/hold")) {
                http_exchange_watch(x, &watch, NULL);
                held = x;
                return;
        }
        if (!strcmp(http_path(x), "/stream")) {
                http_stream_begin(x, 200, "", "text/event-stream");
                (void) http_stream_write(x, "one", 3);
                (void) http_stream_write(x, "", 0);
                (void) http_stream_write(x, "two", 3);
                http_stream_end(x, false);
                return;
        }
        body = http_take_body(x);
        text_printf(&out, "%d %s [%.64s] %zu", http_method(x), http_path(x), body ? bulk_bytes(body) : "",
                    body ? bulk_size(body) : 0);
        bulk_drop(body);
        http_answer(x, 200, "X-Extra: 1\r\n", "text/plain", text_string(&out), out.used);
        text_done(&out);
}

static bool is_vital(const struct http_exchange *x) {
        return !strcmp(http_path(x), "/vital");
}

static int set_up_with(uint32_t connections, uint64_t body, uint64_t header_ms, uint64_t idle_ms) {
        const struct http_options options = { .on_request = on_request,
                                              .is_vital = is_vital,
                                              .headers = "X-Every: 1\r\n",
                                              .connections_max = connections,
                                              .body_bytes_max = body,
                                              .bulk = &bulk_account,
                                              .header_timeout_ms = header_ms,
                                              .idle_timeout_ms = idle_ms };

        requests = goners = writables = 0;
        held = NULL;
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(http_server_new(&loop, &options, &server), 0);
        return http_server_listen_tcp(server, "127.0.0.1", 0, &port);
}

static int set_up(void **state) {
        (void) state;
        return set_up_with(8, 1000, 10000, 10000);
}

static int set_up_hasty(void **state) {
        (void) state;
        return set_up_with(2, 1000, 60, 120);
}

static int set_up_narrow(void **state) {
        (void) state;
        return set_up_with(2, 1000, 10000, 10000);
}

static int set_up_wide(void **state) {
        (void) state;
        return set_up_with(256, 1000, 10000, 10000);
}

static int set_up_large(void **state) {
        (void) state;
        return set_up_with(8, 4 << 20, 10000, 10000);
}

static void on_empty(void *user) {
        *(bool *) user = true;
}

static int tear_down(void **state) {
        bool is_empty = false;

        (void) state;
        http_server_drain(server, on_empty, &is_empty);
        http_server_cut(server);
        for (int i = 0; i < 1000 && !is_empty; i++)
                turn();
        assert_true(is_empty);
        http_server_free(server);
        (void) uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(uv_loop_close(&loop), 0);
        return 0;
}

struct row {
        const char *situation, *request;
        const char *status, *contains; /* CONTAINS is the last thing heard */
        bool closes;
};

#define OK   "HTTP/1.1 200 OK\r\n"
#define BAD  "HTTP/1.1 400 Bad Request\r\n"
#define HOST "Host: x\r\n"

static const struct row rows[] = {
        { "a plain GET", "GET /a HTTP/1.1\r\n" HOST "\r\n", OK, "\r\n\r\n1 /a [] 0", false },
        { "headers that every answer bears", "GET /a HTTP/1.1\r\n" HOST "\r\n", OK, "X-Every: 1\r\nX-Extra: 1\r\n\r\n", false },
        { "empty lines before a request", "\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", OK, "1 /a [] 0", false },
        { "a header without a value", "GET /a HTTP/1.1\r\nX:\r\n" HOST "Y:\r\n\r\n", OK, "1 /a [] 0", false },
        { "escapes in the path", "GET /v1/models/org%2Fa%3Ab%20c?x=/y HTTP/1.1\r\n" HOST "\r\n", OK,
          "1 /v1/models/org/a:b c [] 0", false },
        { "absolute form", "GET http://h:1/a HTTP/1.1\r\n" HOST "\r\n", OK, "1 /a [] 0", false },
        { "a query and no path", "GET http://h?q HTTP/1.1\r\n" HOST "\r\n", OK, "1 / [] 0", false },
        { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", OK, "8 * [] 0", false },
        { "a method nobody asked for", "DELETE /a HTTP/1.1\r\n" HOST "\r\n", OK, "16 /a [] 0", false },
        { "HEAD has the length and no body", "HEAD /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", OK, "Content-Length: 9\r\n",
          true },
        { "a body by length", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", OK, "4 /a [hello] 5", false },
        { "a body of nothing", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", OK, "4 /a [] 0", false },
        { "a body in chunks",
          "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n", OK,
          "4 /a [hello] 5", false },
        { "asks before sending a body", "POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "4 /a [hello] 5", false },
        { "asks, but a body without bytes needs no leave",
          "POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", OK, "4 /a [] 0", false },
        { "HTTP/1.0 closes", "GET /a HTTP/1.0\r\n\r\n", OK, "Connection: close\r\n", true },
        { "HTTP/1.0 may go on", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", OK, "Connection: keep-alive\r\n", false },
        { "Connection: close", "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", OK, "Connection: close\r\n", true },
        { "an offer of another protocol is not taken up",
          "GET /a HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", OK, "1 /a [] 0", false },
        { "a stream is chunked", "GET /stream HTTP/1.1\r\n" HOST "\r\n", OK, "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", false },
        { "a stream to HTTP/1.0 ends with the connection", "GET /stream HTTP/1.0\r\n\r\n", OK, "\r\n\r\nonetwo", true },
        { "a stream without its body", "HEAD /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", OK,
          "Connection: close\r\n\r\n", true },

        { "no Host", "GET /a HTTP/1.1\r\n\r\n", BAD, "exactly one Host header", true },
        { "two Hosts", "GET /a HTTP/1.1\r\n" HOST HOST "\r\n", BAD, "exactly one Host header", true },
        { "nonsense", "hello world\r\n\r\n", BAD, "no valid method", true },
        { "TLS", "\x16\x03\x01\x02", BAD, "no valid method", true },
        { "a path that is none", "GET a HTTP/1.1\r\n" HOST "\r\n", BAD, "", true },
        { "an escape that is none", "GET /%zz HTTP/1.1\r\n" HOST "\r\n", BAD, "no valid path", true },
        { "an escaped NUL", "GET /%00 HTTP/1.1\r\n" HOST "\r\n", BAD, "no valid path", true },
        { "an escape that is no UTF-8", "GET /%ff HTTP/1.1\r\n" HOST "\r\n", BAD, "no valid path", true },
        { "a header without a colon", "GET /a HTTP/1.1\r\n" HOST "what\r\n\r\n", BAD, "not a valid HTTP/1.1 request", true },
        { "length and chunks", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", BAD,
          "never both", true },
        { "chunks and length", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", BAD,
          "never both", true },
        { "two lengths", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", BAD, "", true },
        { "a length that is none", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 5x\r\n\r\n", BAD, "is no number", true },
        { "a length beyond all numbers", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", BAD,
          "is no number", true },
        { "a chunk without size", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxx\r\n", BAD, "no valid size",
          true },
        { "a chunk longer than it says", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
          BAD, "longer than it says", true },
        { "a chunk without its end", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe0\r\n\r\n", BAD,
          "longer than it says", true },
        { "a trailer that goes on", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n 2\r\n\r\n", BAD,
          "begins with a blank", true },
        { "chunks in HTTP/1.0", "POST /a HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", BAD, "knows no", true },
        { "a header that goes on", "GET /a HTTP/1.1\r\n" HOST "X: 1\r\n\t2\r\n\r\n", BAD, "begins with a blank", true },
        { "a line that ends with LF alone", "GET /a HTTP/1.1\n" HOST "\r\n", BAD, "LF alone", true },
        { "a coding we do not know", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
          "HTTP/1.1 501 Not Implemented\r\n", "chunked", true },
        { "a coding without chunks", "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
          "HTTP/1.1 501 Not Implemented\r\n", "chunked", true },
        { "a compressed body", "POST /a HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
          "HTTP/1.1 415 Unsupported Media Type\r\n", "compressed", true },
        { "an expectation we do not know", "POST /a HTTP/1.1\r\n" HOST "Expect: wonders\r\nContent-Length: 5\r\n\r\n",
          "HTTP/1.1 417 Expectation Failed\r\n", "100-continue", true },
        { "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n", "HTTP/1.1", true },
        { "HTTP/3 in words", "GET /a HTTP/3.0\r\n" HOST "\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n", "HTTP/1.1", true },
        { "HTTP/0.9 in words", "GET /a HTTP/0.9\r\n" HOST "\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n", "HTTP/1.1",
          true },
        { "a proxy", "CONNECT h:1 HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 405 Method Not Allowed\r\n", "no proxy", true },
        { "too long a body is refused before it comes", "POST /a HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n",
          "HTTP/1.1 413 Content Too Large\r\n", "larger than this server accepts", true },
        { "no leave for too long a body", "POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
          "HTTP/1.1 413 Content Too Large\r\n", "larger than this server accepts", true },
};

static void check_row(const struct row *row, size_t piece) {
        int fd = connect_client();
        bool closed;

        say(fd, row->request, strlen(row->request), piece);
        const char *heard = hear(fd, row->closes ? NULL : row->contains, &closed);
        if (strncmp(heard, row->status, strlen(row->status)) != 0 || !strstr(heard, row->contains) || closed != row->closes) {
                print_message("%s (%zu bytes at a time): heard%s\n%s\n", row->situation, piece, closed ? ", then it closed" : "",
                              heard);
                fail();
        }
        (void) close(fd);
        turn_for(2);
}

static void test_rows(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                check_row(&rows[i], SIZE_MAX);
                check_row(&rows[i], 1);
        }
}

static void test_requests_one_behind_the_other(void **state) {
        static const char three[] = "GET /1 HTTP/1.1\r\n" HOST "\r\nPOST /2 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab"
                                    "POST /3 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n"
                                    "GET /4 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET /never HTTP/1.1\r\n" HOST "\r\n";
        bool closed;

        (void) state;
        for (size_t piece = 1; piece < 200; piece++) {
                int fd = connect_client();
                requests = 0;
                say(fd, three, sizeof three - 1, piece);
                const char *heard = hear(fd, NULL, &closed);
                const char *one = strstr(heard, "1 /1 [] 0"), *two = strstr(heard, "4 /2 [ab] 2"),
                           *last = strstr(heard, "4 /3 [c] 1");
                assert_true(closed);
                assert_int_equal(requests, 4);
                assert_true(one && two && last && one < two && two < last && strstr(last, "1 /4 [] 0"));
                (void) close(fd);
        }
}

static void test_the_second_waits_for_the_first(void **state) {
        bool closed;

        (void) state;
        int fd = connect_client();
        say_text(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
        turn_for(20);
        assert_int_equal(requests, 1);
        assert_non_null(held);
        http_answer(held, 200, "", "text/plain", "held", 4);
        const char *heard = hear(fd, "1 /b [] 0", &closed);
        assert_non_null(strstr(heard, "\r\n\r\nheldHTTP/1.1 200 OK\r\n"));
        assert_int_equal(requests, 2);
        (void) close(fd);
}

static void test_a_client_that_leaves(void **state) {
        (void) state;
        int fd = connect_client();
        say_text(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        turn_for(10);
        assert_non_null(held);
        (void) close(fd);
        turn_for(20);
        assert_int_equal(goners, 1);
        assert_int_equal(http_server_connections(server), 0);
}

/* The client sends more than we keep, so we stop reading, and go on when its request has been answered. */
static void test_a_client_that_talks_too_much(void **state) {
        static char flood[3 * HTTP_READ_MAX];
        bool closed;

        (void) state;
        int fd = connect_client();
        size_t used = (size_t) snprintf(flood, sizeof flood, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        unsigned more = 0;
        for (; used < sizeof flood - 64; more++)
                used += (size_t) snprintf(flood + used, sizeof flood - used, "GET /x HTTP/1.1\r\n" HOST "\r\n");
        int size = 1 << 20;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        say(fd, flood, used, SIZE_MAX);
        turn_for(20);
        assert_int_equal(requests, 1);
        http_answer(held, 200, "", "text/plain", "held", 4);
        (void) hear(fd, NULL, &closed);
        for (int i = 0; i < 10 && requests < more + 1; i++)
                (void) hear(fd, NULL, &closed);
        assert_int_equal(requests, more + 1);
        assert_false(closed);
        (void) close(fd);
}

static void test_head_limit(void **state) {
        static char request[HTTP_HEAD_MAX + 100];
        bool closed;

        (void) state;
        for (int over = 0; over < 2; over++) {
                size_t used = (size_t) snprintf(request, sizeof request, "GET /a HTTP/1.1\r\n" HOST "X: ");
                memset(request + used, 'x', HTTP_HEAD_MAX - used - 4 + (size_t) over);
                used = HTTP_HEAD_MAX - 4 + (size_t) over;
                memcpy(request + used, "\r\n\r\n", 4);
                int fd = connect_client();
                say(fd, request, used + 4, 5000);
                const char *heard = hear(fd, "\r\n\r\n", &closed);
                assert_true(!strncmp(heard, over ? "HTTP/1.1 431 " : "HTTP/1.1 200 ", 13));
                (void) close(fd);
        }
}

static void test_too_many_headers(void **state) {
        struct text request = { 0 };
        bool closed;

        (void) state;
        text_puts(&request, "GET /a HTTP/1.1\r\n" HOST);
        for (int i = 0; i < HTTP_HEADERS_MAX; i++)
                text_printf(&request, "X-%d: 1\r\n", i);
        text_puts(&request, "\r\n");
        int fd = connect_client();
        say(fd, request.bytes, request.used, SIZE_MAX);
        const char *heard = hear(fd, NULL, &closed);
        assert_non_null(strstr(heard, "there are more than 100 headers"));
        assert_true(closed);
        text_done(&request);
        (void) close(fd);
}

static void test_chunked_body_limit(void **state) {
        bool closed;

        (void) state;
        int fd = connect_client();
        static const char head[] = "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
        say_text(fd, head);
        for (int i = 0; i < 101; i++)
                say_text(fd, "a\r\n0123456789\r\n");
        const char *heard = hear(fd, NULL, &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 413 ", 13));
        assert_true(closed);
        (void) close(fd);

        fd = connect_client(); /* extensions that never end */
        say_text(fd, head);
        say_text(fd, "1;");
        for (int i = 0; i < 1000; i++)
                say_text(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        heard = hear(fd, NULL, &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 413 ", 13));
        (void) close(fd);
}

static void test_slow_headers(void **state) {
        bool closed;

        (void) state;
        int fd = connect_client();
        say_text(fd, "GET / HT");
        const char *heard = hear(fd, NULL, &closed);
        assert_true(!strncmp(heard, "HTTP/1.1 408 Request Timeout\r\n", 30));
        assert_true(closed);
        (void) close(fd);
}

static void test_idle_connections_end_quietly(void **state) {
        bool closed;

        (void) state;
        int fd = connect_client();
        say_text(fd, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        const char *heard = hear(fd, NULL, &closed);
        assert_non_null(strstr(heard, "1 /a [] 0"));
        assert_true(closed);
        (void) close(fd);
}

static int hold(void) {
        int fd = connect_client();
        unsigned before = requests;

        say_text(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        for (int i = 0; i < 100 && requests == before; i++)
                turn();
        return fd;
}

static void test_all_places_answer(void **state) {
        static const char *const targets[] = { "/a", "/vital" };
        struct http_exchange *first;
        bool closed;

        (void) state;
        int fds[] = { hold(), -1 };
        first = held;
        fds[1] = hold();
        for (int i = 0; i < 2; i++) {
                char request[64];
                int fd = connect_client();
                (void) snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
                say_text(fd, request);
                const char *heard = hear(fd, NULL, &closed);
                assert_true(closed);
                if (i) {
                        assert_non_null(strstr(heard, "200 OK"));
                } else {
                        assert_true(!strncmp(heard, "HTTP/1.1 503 Service Unavailable\r\n", 34));
                        assert_non_null(strstr(heard, "Retry-After: 1\r\nx-should-retry: true\r\n"));
                        assert_non_null(strstr(heard,
                                               "\"code\":\"too_many_connections\",\"advice\":\"keep fewer connections open, or "
                                               "raise connections\"}}"));
                }
                (void) close(fd);
        }
        int waiting = connect_client(); /* it has no place, until one becomes free */
        turn_for(20);
        http_answer(first, 200, "", NULL, "", 0);
        (void) hear(fds[0], "200 OK", &closed);
        (void) close(fds[0]);
        turn_for(20);
        say_text(waiting, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        assert_non_null(strstr(hear(waiting, "1 /a [] 0", &closed), "200 OK"));
        (void) close(waiting);
        (void) close(fds[1]);
        turn_for(20);
}

/* Two places, each case's pair of clients in them, and a third that wants to be served. */
static void test_who_makes_room(void **state) {
        static const struct {
                const char *situation, *said[2];
                int leaves;
                const char *heard;
        } cases[] = {
                { "both idle: the elder", { "", "" }, 0, "" },
                { "an idle one before a head that came later", { "", "GET /a HT" }, 0, "" },
                { "who was served and is idle",
                  { "GET /a HTTP/1.1\r\n" HOST "\r\n", "GET /hold HTTP/1.1\r\n" HOST "\r\n" },
                  0,
                  "200 OK" },
                { "a head that trickles is told",
                  { "GET /a HT", "GET /hold HTTP/1.1\r\n" HOST "\r\n" },
                  0,
                  "408 Request Timeout" },
                { "a body that trickles is told",
                  { "POST /a HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nx", "GET /hold HTTP/1.1\r\n" HOST "\r\n" },
                  0,
                  "others wait for a connection" },
                { "never one that is being answered", { "GET /hold HTTP/1.1\r\n" HOST "\r\n", "" }, 1, "" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                int fds[2];
                bool closed;
                for (int j = 0; j < 2; j++) {
                        fds[j] = connect_client();
                        say_text(fds[j], cases[i].said[j]);
                        turn_for(15);
                }
                int third = connect_client();
                say_text(third, "GET /a HTTP/1.1\r\n" HOST "\r\n");
                const char *heard = hear(third, "1 /a [] 0", &closed);
                if (!strstr(heard, "200 OK"))
                        fail_msg("%s: the third heard %s", cases[i].situation, heard);
                heard = hear(fds[cases[i].leaves], NULL, &closed);
                if (!closed || !strstr(heard, cases[i].heard))
                        fail_msg("%s: heard %s%s", cases[i].situation, heard, closed ? "" : " and stays");
                (void) close(third);
                for (int j = 0; j < 2; j++)
                        (void) close(fds[j]);
                turn_for(20);
                assert_int_equal(http_server_connections(server), 0);
        }
}

/* Of eight places one is for others than 127.0.0.1. */
static void test_share_of_an_address(void **state) {
        const struct sockaddr_in other = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002) };
        const struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001), .sin_port = htons(port) };
        int fds[8];
        bool closed;

        (void) state;
        for (int i = 0; i < 7; i++)
                fds[i] = hold();
        fds[7] = connect_client();
        say_text(fds[7], "GET /a HTTP/1.1\r\n" HOST "\r\n");
        assert_non_null(strstr(hear(fds[7], NULL, &closed), "\"code\":\"too_many_connections\""));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &other, sizeof other), 0);
        assert_int_equal(connect(fd, (const struct sockaddr *) &name, sizeof name), 0);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        say_text(fd, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        assert_non_null(strstr(hear(fd, "1 /a [] 0", &closed), "200 OK"));
        (void) close(fds[7]);
        fds[7] = connect_client(); /* all places are taken, and the other's is idle: it is not for 127.0.0.1 all the same */
        say_text(fds[7], "GET /a HTTP/1.1\r\n" HOST "\r\n");
        assert_non_null(strstr(hear(fds[7], NULL, &closed), "\"code\":\"too_many_connections\""));
        say_text(fd, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        assert_non_null(strstr(hear(fd, "1 /a [] 0", &closed), "200 OK"));
        (void) close(fd);
        for (int i = 0; i < 8; i++)
                (void) close(fds[i]);
        turn_for(20);
}

/* More than one turn of the loop accepts: each of them is accepted and heard in the end. */
static void test_many_at_once(void **state) {
        int fds[HTTP_ACCEPTS_MAX + 40];
        const unsigned count = sizeof fds / sizeof *fds;
        bool closed;

        (void) state;
        for (unsigned i = 0; i < count; i++) {
                fds[i] = connect_client();
                say_text(fds[i], "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        }
        for (unsigned i = 0; i < count; i++) {
                assert_non_null(strstr(hear(fds[i], NULL, &closed), "200 OK"));
                (void) close(fds[i]);
        }
}

/* A reader that stops makes the producer stop, within limits that are ours, and go on when it reads again. */
static void test_back_pressure(void **state) {
        static char piece[1000], sink[1 << 16];
        size_t written = 0, read_back = 0;

        (void) state;
        int fd = connect_client();
        int small = 32768;
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        say_text(fd, "GET /hold HTTP/1.0\r\n\r\n");
        turn_for(5);
        memset(piece, 'x', sizeof piece);
        http_stream_begin(held, 200, "", "text/plain");
        while (http_stream_write(held, piece, sizeof piece) && written < 10 << 20) {
                written += sizeof piece;
                turn();
        }
        written += sizeof piece;
        assert_true(written < 1 << 20);
        turn_for(20);
        assert_int_equal(writables, 0);
        for (int i = 0; i < 1000 && !writables; i++) {
                ssize_t got = recv(fd, sink, sizeof sink, 0);
                read_back += got > 0 ? (size_t) got : 0;
                turn_for(1);
        }
        assert_int_equal(writables, 1);
        http_stream_end(held, false);
        for (int i = 0; i < 200; i++) {
                ssize_t got = recv(fd, sink, sizeof sink, 0);
                read_back += got > 0 ? (size_t) got : 0;
                if (!got)
                        break;
                turn_for(1);
        }
        assert_true(read_back > written && read_back < written + 400);
        (void) close(fd);
}

/* A large answer goes out whole before the next request of the same connection is even looked at. */
static void test_large_answer_then_next(void **state) {
        bool closed;
        char *large = calloc(1, 3 << 20);

        (void) state;
        memset(large, 'y', 3 << 20);
        int fd = connect_client();
        say_text(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
        turn_for(5);
        http_answer(held, 200, "", "text/plain", large, 3 << 20);
        turn_for(20);
        assert_int_equal(requests, 1);
        for (int i = 0; i < 20 && requests < 2; i++)
                (void) hear(fd, "1 /b [] 0", &closed);
        assert_int_equal(requests, 2);
        (void) close(fd);
        free(large);
}

static void test_unix_socket(void **state) {
        char path[] = "/tmp/headroom-http-XXXXXX", name[64];
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        bool closed;

        (void) state;
        assert_non_null(mkdtemp(path));
        (void) snprintf(name, sizeof name, "%s/s", path);
        strcpy(address.sun_path, name);
        int dead = socket(AF_UNIX, SOCK_STREAM, 0); /* a daemon that died leaves its file behind */
        assert_int_equal(bind(dead, (struct sockaddr *) &address, sizeof address), 0);
        (void) close(dead);
        assert_int_equal(http_server_listen_unix(server, name, 0660), 0);
        assert_int_equal(http_server_listen_unix(server, name, 0660), -EADDRINUSE);
        struct stat st;
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0660);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        say_text(fd, "GET /a HTTP/1.1\r\n" HOST "\r\n");
        assert_non_null(strstr(hear(fd, "1 /a [] 0", &closed), "200 OK"));
        (void) close(fd);
        bool is_empty = false;
        http_server_drain(server, on_empty, &is_empty);
        turn_for(10);
        assert_int_equal(stat(name, &st), -1);
        FILE *f = fopen(name, "w");
        assert_non_null(f);
        (void) fclose(f);
        assert_int_equal(http_server_listen_unix(server, name, 0660), -EEXIST);
        (void) unlink(name);
        (void) rmdir(path);
        assert_int_equal(http_server_listen_unix(server, "/nonexistent/s", 0660), -ENOENT);
}

static void test_drain(void **state) {
        bool closed, is_empty = false;

        (void) state;
        int idle = connect_client(), busy = connect_client();
        turn_for(5);
        say_text(busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        turn_for(5);
        http_server_drain(server, on_empty, &is_empty);
        (void) hear(idle, NULL, &closed);
        assert_true(closed);
        (void) close(idle);
        turn_for(5);
        assert_false(is_empty);
        http_answer(held, 200, "", "text/plain", "held", 4);
        const char *heard = hear(busy, NULL, &closed);
        assert_non_null(strstr(heard, "Connection: close\r\n\r\nheld"));
        assert_true(closed);
        (void) close(busy);
        turn_for(10);
        assert_true(is_empty);
}

#define TEST(NAME, SET_UP) cmocka_unit_test_setup_teardown(NAME, SET_UP, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_rows, set_up),
                TEST(test_requests_one_behind_the_other, set_up),
                TEST(test_the_second_waits_for_the_first, set_up),
                TEST(test_a_client_that_leaves, set_up),
                TEST(test_a_client_that_talks_too_much, set_up),
                TEST(test_head_limit, set_up),
                TEST(test_too_many_headers, set_up),
                TEST(test_chunked_body_limit, set_up),
                TEST(test_slow_headers, set_up_hasty),
                TEST(test_idle_connections_end_quietly, set_up_hasty),
                TEST(test_all_places_answer, set_up_narrow),
                TEST(test_who_makes_room, set_up_narrow),
                TEST(test_share_of_an_address, set_up),
                TEST(test_many_at_once, set_up_wide),
                TEST(test_back_pressure, set_up_large),
                TEST(test_large_answer_then_next, set_up_large),
                TEST(test_unix_socket, set_up),
                TEST(test_drain, set_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
