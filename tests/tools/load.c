/*
 * load.c - asks for answers as fast as they come, or holds streams, and tells how long each took: of an HTTP server, or of an engine over
 * its socketpair, with one and the same clock and loop, so that what stands between can be told by the difference.
 *
 *      load http PORT CLIENTS SECONDS BODY           each client asks POST /v1/chat/completions again as soon as it has its answer
 *      load engine PROGRAM MODEL CLIENTS SECONDS BODY   as many requests at once of PROGRAM, in its frames (docs/wire-protocol.md)
 *
 * BODY is JSON. Prints one line of JSON: answers, per_second, p50_us, p99_us, events (of streams) and refused.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX  4096u
#define ANSWERS_MAX  (1u << 22)
#define HEAD_MAX     4096u
#define FRAME_MAX    65536u
#define REQUEST_MAX  16384u
#define BODY_MAX     (REQUEST_MAX - 512) /* beside a head, or the frame around it */
#define CHUNKED      INT64_MIN
#define EVENTS_TAKEN 256

struct client {
        int fd;
        uint64_t begun_ns;
        char head[HEAD_MAX];
        size_t head_used;
        bool in_body;
        int64_t left; /* of the body; CHUNKED: until the last chunk */
        char tail[5]; /* the newest bytes of it */
};

static struct client clients[CLIENTS_MAX];
static uint32_t took_us[ANSWERS_MAX];
static uint32_t answers, refused;
static uint64_t events, end_ns;
static char request[REQUEST_MAX];
static size_t request_size;

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_ns(void) {
        struct timespec t;
        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static void note(uint64_t begun_ns) {
        if (answers < ANSWERS_MAX)
                took_us[answers++] = (uint32_t) ((now_ns() - begun_ns) / 1000);
}

static void send_all(int fd, const char *bytes, size_t count) {
        while (count > 0) {
                ssize_t n = write(fd, bytes, count);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        fail("write");
                bytes += n > 0 ? n : 0;
                count -= n > 0 ? (size_t) n : 0;
        }
}

static int by_size(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
        return (x > y) - (x < y);
}

static void print(double seconds) {
        qsort(took_us, answers, sizeof(took_us[0]), by_size);
        printf("{\"answers\": %u, \"per_second\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"events\": %" PRIu64
               ", \"refused\": %u}\n",
               answers, answers / seconds, answers ? took_us[answers / 2] : 0,
               answers ? took_us[(uint64_t) answers * 99 / 100] : 0, events, refused);
}

/* --- over HTTP --- */

static void ask(struct client *c) {
        c->head_used = 0;
        c->in_body = false;
        memset(c->tail, 0, sizeof(c->tail));
        c->begun_ns = now_ns();
        send_all(c->fd, request, request_size);
}

/* Whether the head is whole; *RET_AT is where the body begins in what was added. */
static bool take_head(struct client *c, const char *bytes, size_t count, size_t *ret_at) {
        size_t had = c->head_used, room = HEAD_MAX - 1 - had;
        memcpy(c->head + had, bytes, count < room ? count : room);
        c->head_used += count < room ? count : room;
        c->head[c->head_used] = '\0';
        const char *end = strstr(c->head, "\r\n\r\n"), *length = strcasestr(c->head, "content-length: ");
        if (!end)
                return false;
        refused += strncmp(c->head, "HTTP/1.1 200", 12) != 0;
        c->left = length && length < end ? strtoll(length + 16, NULL, 10) : CHUNKED;
        c->in_body = true;
        *ret_at = (size_t) (end + 4 - c->head) - had;
        return true;
}

/* Whether it is the last of the answer. */
static bool take_body(struct client *c, const char *bytes, size_t count) {
        for (const char *p = bytes; (p = memmem(p, count - (size_t) (p - bytes), "data: ", 6)); p += 6)
                events++;
        if (c->left != CHUNKED)
                return (c->left -= (int64_t) count) <= 0;
        for (size_t i = count > sizeof(c->tail) ? count - sizeof(c->tail) : 0; i < count; i++) {
                memmove(c->tail, c->tail + 1, sizeof(c->tail) - 1);
                c->tail[sizeof(c->tail) - 1] = bytes[i];
        }
        return !memcmp(c->tail, "0\r\n\r\n", sizeof(c->tail));
}

static void take(struct client *c) {
        static char bytes[65536];
        ssize_t count = read(c->fd, bytes, sizeof(bytes));
        size_t at = 0;
        if (count <= 0)
                fail("an answer broke off");
        if (!c->in_body && !take_head(c, bytes, (size_t) count, &at))
                return;
        if (!take_body(c, bytes + at, (size_t) count - at))
                return;
        note(c->begun_ns);
        if (now_ns() < end_ns)
                ask(c);
}

static int connect_to(uint16_t port) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &name, sizeof(name)) < 0)
                fail("connect");
        return fd;
}

static void over_http(uint16_t port, uint32_t count, const char *body) {
        int poller = epoll_create1(EPOLL_CLOEXEC);
        request_size =
                (size_t) snprintf(request, sizeof(request),
                                  "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                  "Content-Length: %zu\r\n\r\n%s",
                                  strlen(body), body);
        for (uint32_t i = 0; i < count; i++) {
                struct epoll_event event = { .events = EPOLLIN, .data.ptr = &clients[i] };
                clients[i].fd = connect_to(port);
                if (epoll_ctl(poller, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
                        fail("epoll");
                ask(&clients[i]);
        }
        while (now_ns() < end_ns) {
                struct epoll_event ready[EVENTS_TAKEN];
                int found = epoll_wait(poller, ready, EVENTS_TAKEN, 100);
                for (int i = 0; i < found; i++)
                        take(ready[i].data.ptr);
        }
}

/* --- over an engine's socketpair --- */

static int start_engine(const char *program, const char *model) {
        int pair[2], file = open(model, O_RDONLY);
        char socket_fd[16], model_fd[16];
        if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
                fail(model);
        (void) snprintf(socket_fd, sizeof(socket_fd), "%d", pair[1]);
        (void) snprintf(model_fd, sizeof(model_fd), "%d", file);
        pid_t pid = fork();
        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                (void) close(pair[0]);
                (void) execl(program, program, "worker", "--socket", socket_fd, "--model-fd", model_fd, (char *) NULL);
                _exit(127);
        }
        (void) close(pair[1]);
        return pair[0];
}

static void generate(int fd, uint32_t id, const char *body) {
        static char frame[REQUEST_MAX];
        int size = snprintf(frame + 4, sizeof(frame) - 4, "{\"type\":\"generate\",\"id\":%u,\"kind\":\"chat\",\"body\":%s}", id,
                            body);
        uint32_t length = (uint32_t) size;
        memcpy(frame, &length, sizeof(length));
        clients[id % CLIENTS_MAX].begun_ns = now_ns();
        send_all(fd, frame, length + 4);
}

static void read_exactly(int fd, char *bytes, size_t count) {
        while (count > 0) {
                ssize_t n = read(fd, bytes, count);
                if (n <= 0)
                        fail("the engine has gone");
                bytes += n;
                count -= (size_t) n;
        }
}

/* The type of the next frame; *RET_ID is its request, 0 where it is of none. */
static char read_frame(int fd, uint32_t *ret_id) {
        static char frame[FRAME_MAX];
        uint32_t length;
        read_exactly(fd, (char *) &length, sizeof(length));
        if (length >= sizeof(frame))
                fail("a frame is too long");
        read_exactly(fd, frame, length);
        cJSON *json = cJSON_ParseWithLength(frame, length);
        const cJSON *id = cJSON_GetObjectItem(json, "id");
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItem(json, "type"));
        char first = type ? type[0] : '?';
        *ret_id = cJSON_IsNumber(id) ? (uint32_t) id->valueint : 0;
        events += !strcmp(type ? type : "", "text");
        cJSON_Delete(json);
        return first;
}

static void over_frames(const char *program, const char *model, uint32_t count, const char *body) {
        int fd = start_engine(program, model);
        uint32_t id, next = 1;
        if (read_frame(fd, &id) != 'r')
                fail("the engine is not ready");
        while (next <= count)
                generate(fd, next++, body);
        while (now_ns() < end_ns) {
                if (read_frame(fd, &id) != 'e' || !id)
                        continue;
                note(clients[id % CLIENTS_MAX].begun_ns);
                generate(fd, next++, body);
        }
        (void) close(fd);
}

int main(int argc, char **argv) {
        bool is_engine = argc == 7 && !strcmp(argv[1], "engine");
        if (!is_engine && (argc != 6 || strcmp(argv[1], "http") != 0)) {
                fputs("usage: load http PORT CLIENTS SECONDS BODY | load engine PROGRAM MODEL CLIENTS SECONDS BODY\n", stderr);
                return 2;
        }
        char **rest = argv + (is_engine ? 4 : 3);
        uint32_t count = (uint32_t) strtoul(rest[0], NULL, 10);
        double seconds = strtod(rest[1], NULL);
        if (count < 1 || count > CLIENTS_MAX || strlen(rest[2]) > BODY_MAX) {
                fprintf(stderr, "load: from 1 to %u clients, with a body of at most %u bytes\n", CLIENTS_MAX, BODY_MAX);
                return 2;
        }
        end_ns = now_ns() + (uint64_t) (seconds * 1e9);
        if (is_engine)
                over_frames(argv[2], argv[3], count, rest[2]);
        else
                over_http((uint16_t) strtoul(argv[2], NULL, 10), count, rest[2]);
        print(seconds);
        return 0;
}
