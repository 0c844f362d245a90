/*
 * child.c - starting, hearing and reaping one child process on the libuv loop.
 *
 * Four handles belong to a child: the channel, the pipe of its standard error, a timer and its pidfd. All are
 * embedded, so it is freed when the last close callback has run. "Exited" is reported only when the process is reaped
 * and both pipes have ended, or a moment later if something else holds a pipe open: the last frame before an exit
 * matters.
 */
#include "daemon/system/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/system/bulk.h"
#include "engine/base/cleanup.h"
#include "daemon/system/spawn.h"
#include "daemon/system/turn.h"

extern char **environ;

#define CHILD_HANDLES 4

struct child {
        uv_pipe_t channel;
        uv_pipe_t errors;
        uv_timer_t linger;
        uv_poll_t watch; /* of the pidfd */
        struct spawned process;
        struct child_events events;
        void *user;
        struct child_exit exit;
        bool exited, channel_ended, errors_ended, finished;
        uint32_t handles_open;
        uv_write_t kept; /* of child_write_kept */
        bool kept_unsent;
        uint64_t read_ms; /* turn of the last read */
        size_t words_used;
        char words[CHILD_WORDS_MAX + 1];
        uint8_t chunk[CHILD_READ_BYTES];
};

struct child_write {
        uv_write_t request;
        uint8_t *bytes;
        struct bulk *body; /* or NULL */
};

static void on_closed(uv_handle_t *handle) {
        struct child *c = handle->data;
        if (--c->handles_open > 0)
                return;
        close_fd(&c->process.pidfd);
        free(c);
}

/* All that there are: of a process that did not start, there is nothing to watch. */
static void close_all(struct child *c) {
        uv_handle_t *all[CHILD_HANDLES] = { (uv_handle_t *) &c->channel, (uv_handle_t *) &c->errors, (uv_handle_t *) &c->linger,
                                            (uv_handle_t *) &c->watch };
        for (uint32_t i = 0, count = c->handles_open; i < count; i++)
                uv_close(all[i], on_closed);
}

static void finish(struct child *c) {
        if (c->finished)
                return;
        c->finished = true;
        if (c->events.on_exit)
                c->events.on_exit(c->user, c->exit);
        close_all(c);
}

static void finish_if_over(struct child *c) {
        if (c->exited && c->channel_ended && c->errors_ended)
                finish(c);
}

static void on_linger(uv_timer_t *timer) {
        finish(timer->data);
}

static void on_watch(uv_poll_t *watch, int status, int events) {
        (void) status;
        (void) events;
        struct child *c = watch->data;
        int r = spawn_reap(&c->process, &c->exit.status, &c->exit.signal);
        if (r == -EAGAIN)
                return;
        if (r < 0)
                c->exit = (struct child_exit){ .status = CHILD_STATUS_UNKNOWN };
        c->exited = true;
        (void) uv_poll_stop(watch);
        finish_if_over(c);
        if (!c->finished)
                (void) uv_timer_start(&c->linger, on_linger, CHILD_LINGER_MS, 0);
}

/* Something is read in each turn, or a busy loop would hear nobody; without a buffer libuv asks again in the next. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
        (void) suggested;
        struct child *c = handle->data;
        bool enough = c->read_ms == uv_now(handle->loop) && turn_is_long(handle->loop);
        c->read_ms = uv_now(handle->loop);
        *ret = uv_buf_init((char *) c->chunk, enough ? 0 : sizeof(c->chunk));
}

static void on_channel(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
        struct child *c = stream->data;
        if (count == UV_ENOBUFS)
                return;
        if (count > 0) {
                c->events.on_bytes(c->user, (const uint8_t *) buffer->base, (size_t) count);
                return;
        }
        if (count == 0 || c->channel_ended)
                return;
        c->channel_ended = true;
        (void) uv_read_stop(stream);
        if (!c->exited && c->events.on_channel_end)
                c->events.on_channel_end(c->user);
        finish_if_over(c);
}

/* Keeps the end: what does not fit pushes out the beginning, by whole lines where there are any. */
static void keep_words(struct child *c, const char *text, size_t count) {
        if (count > CHILD_WORDS_MAX) {
                text += count - CHILD_WORDS_MAX;
                count = CHILD_WORDS_MAX;
        }
        if (c->words_used + count > CHILD_WORDS_MAX) {
                size_t drop = c->words_used + count - CHILD_WORDS_MAX;
                const char *line_end = memchr(c->words + drop, '\n', c->words_used - drop);
                if (line_end)
                        drop = (size_t) (line_end - c->words) + 1;
                c->words_used -= drop;
                memmove(c->words, c->words + drop, c->words_used);
        }
        memcpy(c->words + c->words_used, text, count);
        c->words_used += count;
        for (size_t i = c->words_used - count; i < c->words_used; i++) {
                if (c->words[i] == '\0')
                        c->words[i] = '?';
        }
        c->words[c->words_used] = '\0';
}

static void on_errors(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
        struct child *c = stream->data;
        if (count == UV_ENOBUFS)
                return;
        if (count > 0) {
                keep_words(c, buffer->base, (size_t) count);
        } else if (count < 0) {
                c->errors_ended = true;
                (void) uv_read_stop(stream);
                finish_if_over(c);
        }
}

/* A child needs little of our environment, and none of what systemd told us alone. */
static bool may_inherit(const char *entry) {
        static const char *const names[] = {
                "PATH=",     "HOME=",         "LANG=",          "LC_ALL=",       "TZ=",           "TMPDIR=",
                "HEADROOM_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS=",
        };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (!strncmp(entry, names[i], strlen(names[i])))
                        return true;
        }
        return false;
}

static char **environment_new(void) {
        size_t count = 0;
        for (char **e = environ; *e; e++)
                count++;
        char **kept = calloc(count + 1, sizeof(*kept));
        if (!kept)
                return NULL;
        size_t used = 0;
        for (char **e = environ; *e; e++) {
                if (may_inherit(*e))
                        kept[used++] = *e;
        }
        return kept;
}

void child_kill(struct child *c) {
        if (c->exited)
                return;
        /*
         * The child leads a session, so its process group carries its number. The group goes first, so that nothing it started
         * outlives it.
         */
        (void) kill(-c->process.pid, SIGKILL);
        (void) kill(c->process.pid, SIGKILL);
}

/* FDS is filled with what becomes 0, 1, 2, ... in the child. */
static int spawn(const struct child_spec *spec, int *fds, int null, int channel, int errors, struct spawned *ret) {
        auto_free char **environment = environment_new();
        if (!environment)
                return -ENOMEM;
        const int first[CHILD_FDS_FIRST] = { null, null, errors, -1 };
        memcpy(fds, first, sizeof(first));
        fds[spec->channel] = channel;
        if (spec->fds_count > 0)
                memcpy(fds + CHILD_FDS_FIRST, spec->fds, spec->fds_count * sizeof(*fds));
        struct spawn s = {
                .path = spec->path,
                .arguments = spec->arguments,
                .environment = environment,
                .fds = fds,
                .fds_count = CHILD_FDS_FIRST + spec->fds_count,
                .cgroup_fd = spec->cgroup_fd,
        };
        return spawn_start(&s, ret);
}

/* PIPE takes over *FD and reads from it. */
static int hear(uv_pipe_t *pipe, int *fd, uv_read_cb on_read) {
        int r = uv_pipe_open(pipe, *fd);
        if (r < 0)
                return r;
        (void) take_fd(fd);
        return uv_read_start((uv_stream_t *) pipe, on_allocate, on_read);
}

/* Steps that may fail come before the process is there; those that come after cannot. */
static int start(uv_loop_t *loop, struct child *c, const struct child_spec *spec, int *fds) {
        bool both_ways = spec->channel == CHILD_CHANNEL_SOCKET;
        int pair[2] = { -1, -1 };
        auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || (both_ways ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) : pipe2(pair, O_CLOEXEC)) < 0)
                return -errno;
        auto_close int our_channel = pair[0];
        auto_close int channel = pair[1];
        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        auto_close int our_errors = pair[0];
        auto_close int errors = pair[1];
        int r = hear(&c->channel, &our_channel, on_channel);
        if (r == 0)
                r = hear(&c->errors, &our_errors, on_errors);
        if (r == 0)
                r = spawn(spec, fds, null, channel, errors, &c->process);
        if (r < 0)
                return r;
        r = uv_poll_init(loop, &c->watch, c->process.pidfd);
        assert(r == 0); /* epoll takes every pidfd, so this cannot fail */
        c->handles_open++;
        c->watch.data = c;
        r = uv_poll_start(&c->watch, UV_READABLE, on_watch);
        assert(r == 0);
        return r;
}

int child_start(uv_loop_t *loop, const struct child_spec *spec, const struct child_events *events, void *user,
                struct child **ret) {
        struct child *c = calloc(1, sizeof(*c));
        auto_free int *fds = calloc(CHILD_FDS_FIRST + spec->fds_count, sizeof(*fds));
        if (!c || !fds) {
                free(c);
                return -ENOMEM;
        }
        c->events = *events;
        c->user = user;
        c->process.pidfd = -1;
        (void) uv_pipe_init(loop, &c->channel, 0);
        (void) uv_pipe_init(loop, &c->errors, 0);
        (void) uv_timer_init(loop, &c->linger);
        c->channel.data = c->errors.data = c->linger.data = c;
        c->handles_open = CHILD_HANDLES - 1;
        int r = start(loop, c, spec, fds);
        if (r < 0) {
                c->finished = true;
                close_all(c);
                return r;
        }
        *ret = c;
        return 0;
}

pid_t child_pid(const struct child *c) {
        return c->process.pid;
}

int child_pidfd(const struct child *c) {
        return c->process.pidfd;
}

static void on_written(uv_write_t *request, int status) {
        (void) status; /* a broken channel shows as its end */
        struct child_write *w = (struct child_write *) request;
        bulk_drop(w->body);
        free(w->bytes);
        free(w);
}

/* BYTES, which PIECES begin with, is taken over, also on failure. */
static int write_pieces(struct child *c, uint8_t *bytes, struct bulk *body, const uv_buf_t *pieces, unsigned count) {
        struct child_write *w = malloc(sizeof(*w));
        int r = !w ? -ENOMEM : c->channel_ended || c->finished ? -EPIPE : 0;
        if (r == 0)
                r = uv_write(&w->request, (uv_stream_t *) &c->channel, pieces, count, on_written);
        if (r < 0) {
                free(w);
                free(bytes);
                return r;
        }
        w->bytes = bytes;
        w->body = body ? bulk_hold(body) : NULL;
        return 0;
}

int child_write(struct child *c, uint8_t *bytes, size_t count) {
        const uv_buf_t piece = uv_buf_init((char *) bytes, (unsigned) count);
        return write_pieces(c, bytes, NULL, &piece, 1);
}

int child_write_around(struct child *c, uint8_t *head, size_t head_count, struct bulk *body, const char *tail) {
        const uv_buf_t pieces[] = { uv_buf_init((char *) head, (unsigned) head_count),
                                    uv_buf_init(bulk_bytes(body), (unsigned) bulk_size(body)),
                                    uv_buf_init((char *) (uintptr_t) tail, (unsigned) strlen(tail)) };
        return write_pieces(c, head, body, pieces, 3);
}

static void on_kept_written(uv_write_t *request, int status) {
        (void) status;
        ((struct child *) request->data)->kept_unsent = false;
}

int child_write_kept(struct child *c, const uint8_t *bytes, size_t count) {
        if (c->channel_ended || c->finished)
                return -EPIPE;
        if (c->kept_unsent)
                return -EALREADY;
        /* libuv allocates for a write of more than four buffers, not for one. */
        uv_buf_t buffer = uv_buf_init((char *) bytes, (unsigned) count);
        c->kept.data = c;
        int r = uv_write(&c->kept, (uv_stream_t *) &c->channel, &buffer, 1, on_kept_written);
        c->kept_unsent = r == 0;
        return r;
}

size_t child_unsent_bytes(const struct child *c) {
        return uv_stream_get_write_queue_size((const uv_stream_t *) &c->channel);
}

const char *child_last_words(const struct child *c) {
        return c->words;
}

void child_exit_words(struct child_exit exit, char *out, size_t size) {
        const char *name = exit.signal > 0 ? sigabbrev_np(exit.signal) : NULL;
        if (name)
                (void) snprintf(out, size, "killed by SIG%s", name);
        else if (exit.signal > 0)
                (void) snprintf(out, size, "killed by signal %d", exit.signal);
        else if (exit.status != 0)
                (void) snprintf(out, size, "exit status %lld", (long long) exit.status);
        else
                out[0] = '\0';
}
