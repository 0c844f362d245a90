/*
 * fuzz_frames.c - libFuzzer's door to what daemon and engine say to each other: any bytes as the stream of either side.
 *
 * The first byte says who speaks, in its lowest bit, and into how large pieces the rest is cut. To the engine: a real worker with
 * a real model, which may only say frames that the daemon reads. To the daemon: its reader of frames and of the figures in them.
 * `make fuzz` builds and runs it, from the root of the tree.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/state/statistics.h"
#include "engine/wire/wire.h"
#include "engine/worker/worker.h"

#define MODEL         "tests/demo_model/headroom-demo-small.gguf"
#define CONTEXT       256u
#define QUIET_MS      2   /* of a worker: then it is hung up on */
#define REPLIES_MAX   200 /* pieces read of one worker */
#define RECEIVE_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A frame that comes out of the reader must go back in and be the same. */
static void there_and_back(const cJSON *frame) {
        uint8_t *bytes;
        size_t count;
        cJSON *again;
        if (wire_encode(frame, WIRE_TO_DAEMON_BYTES_MAX, &bytes, &count) < 0)
                return; /* escapes make it longer than it may be */
        struct wire_reader r = { .bytes_max = WIRE_TO_DAEMON_BYTES_MAX };
        if (wire_reader_push(&r, bytes, count) < 0 || wire_reader_next(&r, &again) != 1 ||
            strcmp(wire_type(again), wire_type(frame)))
                abort();
        cJSON_Delete(again);
        wire_reader_done(&r);
        free(bytes);
}

/* All frames of R: 0, or the reader's error. HONEST: whoever said them may say nothing wrong. */
static int take_frames(struct wire_reader *r, bool honest) {
        cJSON *frame;
        int result;
        while ((result = wire_reader_next(r, &frame)) == 1) {
                struct engine_report report;
                bool good = engine_report_read(frame, &report);
                if (honest && !good && !strcmp(wire_type(frame), WIRE_STATISTICS))
                        abort();
                there_and_back(frame);
                cJSON_Delete(frame);
        }
        if (honest && result < 0)
                abort();
        return result;
}

static void tell_daemon(const uint8_t *data, size_t size, size_t piece) {
        struct wire_reader r = { .bytes_max = WIRE_TO_DAEMON_BYTES_MAX };
        for (size_t at = 0; at < size; at += piece)
                if (wire_reader_push(&r, data + at, size - at < piece ? size - at : piece) < 0 || take_frames(&r, false) < 0)
                        break;
        wire_reader_done(&r);
}

static void *work(void *user) {
        const int *fd = user;
        struct engine_config config = engine_config_default();
        config.path = MODEL;
        config.ctx = CONTEXT;
        config.threads = 1;
        (void) worker_run(*fd, -1, &config);
        (void) shutdown(*fd, SHUT_RDWR);
        return NULL;
}

/* Reads the worker's frames until none comes. False: the worker is gone. */
static bool listen_to(int fd, struct wire_reader *r) {
        static uint8_t bytes[RECEIVE_BYTES];
        struct pollfd p = { .fd = fd, .events = POLLIN };
        for (unsigned i = 0; i < REPLIES_MAX && poll(&p, 1, QUIET_MS) > 0; i++) {
                ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
                if (n <= 0)
                        return false;
                if (wire_reader_push(r, bytes, (size_t) n) < 0)
                        abort();
                (void) take_frames(r, true);
        }
        return true;
}

static void tell_engine(const uint8_t *data, size_t size, size_t piece) {
        int fds[2];
        pthread_t thread;
        struct wire_reader r = { .bytes_max = WIRE_TO_DAEMON_BYTES_MAX };
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || pthread_create(&thread, NULL, work, &fds[1]) != 0)
                abort();
        for (size_t at = 0; at < size;) {
                ssize_t n = send(fds[0], data + at, size - at < piece ? size - at : piece, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0 && errno != EAGAIN)
                        break; /* it has hung up */
                at += n > 0 ? (size_t) n : 0;
                if (!listen_to(fds[0], &r))
                        break;
        }
        (void) shutdown(fds[0], SHUT_RDWR);
        (void) pthread_join(thread, NULL);
        (void) close(fds[0]);
        (void) close(fds[1]);
        wire_reader_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static FILE *complaints; /* of a worker whose peer has lost its mind: nobody's to read here */
        if (!complaints && (access(MODEL, R_OK) < 0 || !(complaints = stderr = fopen("/dev/null", "w"))))
                abort();
        if (size < 1)
                return 0;
        size_t piece = data[0] >> 1 ? (size_t) (data[0] >> 1) * 64 : size; /* a worker is listened to between two pieces */
        (data[0] & 1 ? tell_daemon : tell_engine)(data + 1, size - 1, piece);
        return 0;
}
