/*
 * loop_client.h - a blocking client's view of a server that runs in the same thread: every wait turns the loop.
 *
 * For tests that include cmocka first. One loop and one port, which the test sets.
 */
#ifndef HEADROOM_TESTS_LOOP_CLIENT_H
#define HEADROOM_TESTS_LOOP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static uv_loop_t loop;
static uint16_t port;

static void turn(void) {
        (void) uv_run(&loop, UV_RUN_NOWAIT);
}

static void turn_for(unsigned ms) {
        uint64_t until = uv_hrtime() + (uint64_t) ms * 1000000;

        while (uv_hrtime() < until) {
                turn();
                usleep(500);
        }
}

static int connect_client(void) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &name, sizeof name), 0);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        return fd;
}

/* Sends PIECE bytes at a time and turns the loop between them; a server that has closed is no failure. */
static void say(int fd, const char *bytes, size_t count, size_t piece) {
        while (count) {
                ssize_t sent = send(fd, bytes, count < piece ? count : piece, MSG_NOSIGNAL);
                if (sent < 0 && errno != EAGAIN)
                        return;
                if (sent > 0) {
                        bytes += sent;
                        count -= (size_t) sent;
                }
                turn();
        }
}

static inline void say_text(int fd, const char *text) {
        say(fd, text, strlen(text), SIZE_MAX);
}

/* Reads until EXPECTED stands in what came, the server closes (*ret_closed), or half a second of nothing. */
static const char *hear(int fd, const char *expected, bool *ret_closed) {
        static char heard[1 << 20];
        size_t used = 0;
        unsigned quiet = 0;

        *ret_closed = false;
        heard[0] = 0;
        while (quiet < 500 && used < sizeof heard - 1) {
                turn();
                ssize_t got = recv(fd, heard + used, sizeof heard - 1 - used, 0);
                if (got == 0 || (got < 0 && errno != EAGAIN)) {
                        *ret_closed = true;
                        break;
                }
                if (got > 0) {
                        used += (size_t) got;
                        heard[used] = 0;
                        quiet = 0;
                        if (expected && strstr(heard, expected))
                                break;
                } else {
                        quiet++;
                        usleep(1000);
                }
        }
        return heard;
}

#endif
