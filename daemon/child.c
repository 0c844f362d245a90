/*
 * child.c - starting, hearing and reaping one child process on the libuv loop.
 *
 * Four handles belong to a child: the process, the channel, the pipe of its standard error and a timer. All are
 * embedded, so it is freed when the last close callback has run. "Exited" is told only when the process is reaped and
 * both pipes have ended, or a moment later if something else holds a pipe open: the last frame before an exit matters.
 */
#include "daemon/child.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bounds.h"

extern char **environ;

#define CHILD_HANDLES 4

struct child {
        uv_process_t process;
        uv_pipe_t channel;
        uv_pipe_t errors;
        uv_timer_t linger;
        struct child_events events;
        void *user;
        struct child_exit exit;
        bool exited, channel_ended, errors_ended, finished;
        uint32_t handles_open;
        uv_write_t kept; /* of child_write_kept */
        bool kept_unsent;
        size_t words_used;
        char words[CHILD_WORDS_MAX + 1];
        uint8_t chunk[CHILD_READ_BYTES];
};

struct child_write {
        uv_write_t request;
        uint8_t *bytes;
};

static void on_closed(uv_handle_t *handle) {
        struct child *c = handle->data;
        if (--c->handles_open == 0)
                free(c);
}

static void close_all(struct child *c) {
        uv_handle_t *all[CHILD_HANDLES] = { (uv_handle_t *) &c->process, (uv_handle_t *) &c->channel, (uv_handle_t *) &c->errors,
                                            (uv_handle_t *) &c->linger };
        for (uint32_t i = 0; i < CHILD_HANDLES; i++)
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

static void on_process_exit(uv_process_t *process, int64_t status, int signal_number) {
        struct child *c = process->data;
        c->exited = true;
        c->exit = (struct child_exit){ status, signal_number };
        finish_if_over(c);
        if (!c->finished)
                (void) uv_timer_start(&c->linger, on_linger, CHILD_LINGER_MS, 0);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret) {
        (void) suggested;
        struct child *c = handle->data;
        *ret = uv_buf_init((char *) c->chunk, sizeof(c->chunk));
}

static void on_channel(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
        struct child *c = stream->data;
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
        if (c->exited || c->process.pid <= 0)
                return;
        /* Detached: its process group carries its number. The group first, so that nothing it started outlives it. */
        (void) kill(-(pid_t) c->process.pid, SIGKILL);
        (void) kill((pid_t) c->process.pid, SIGKILL);
}

static int spawn(uv_loop_t *loop, struct child *c, const struct child_spec *spec, uv_stdio_container_t *stdio,
                 char **environment) {
        bool both_ways = spec->channel == CHILD_CHANNEL_SOCKET;
        stdio[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
        stdio[2].data.stream = (uv_stream_t *) &c->errors;
        stdio[spec->channel].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE | (both_ways ? UV_READABLE_PIPE : 0);
        stdio[spec->channel].data.stream = (uv_stream_t *) &c->channel;
        for (uint32_t i = 0; i < spec->fds_count; i++) {
                stdio[CHILD_FDS_FIRST + i].flags = UV_INHERIT_FD;
                stdio[CHILD_FDS_FIRST + i].data.fd = spec->fds[i];
        }
        uv_process_options_t options = {
                .exit_cb = on_process_exit,
                .file = spec->path,
                .args = (char **) spec->arguments,
                .env = environment,
                .flags = UV_PROCESS_DETACHED,
                .stdio_count = (int) (CHILD_FDS_FIRST + spec->fds_count),
                .stdio = stdio,
        };
        return uv_spawn(loop, &c->process, &options);
}

static int start(uv_loop_t *loop, struct child *c, const struct child_spec *spec, uv_stdio_container_t *stdio,
                 char **environment) {
        (void) uv_pipe_init(loop, &c->channel, 0);
        (void) uv_pipe_init(loop, &c->errors, 0);
        (void) uv_timer_init(loop, &c->linger);
        int r = spawn(loop, c, spec, stdio, environment);
        c->handles_open = CHILD_HANDLES;
        c->process.data = c->channel.data = c->errors.data = c->linger.data = c;
        if (r == 0)
                r = uv_read_start((uv_stream_t *) &c->channel, on_allocate, on_channel);
        if (r == 0)
                r = uv_read_start((uv_stream_t *) &c->errors, on_allocate, on_errors);
        if (r < 0) {
                child_kill(c);
                c->finished = true;
                close_all(c);
        }
        return r;
}

int child_start(uv_loop_t *loop, const struct child_spec *spec, const struct child_events *events, void *user,
                struct child **ret) {
        struct child *c = calloc(1, sizeof(*c));
        uv_stdio_container_t *stdio = calloc(CHILD_FDS_FIRST + spec->fds_count, sizeof(*stdio));
        char **environment = environment_new();
        int r = -ENOMEM;
        if (c && stdio && environment) {
                c->events = *events;
                c->user = user;
                r = start(loop, c, spec, stdio, environment);
                if (r == 0)
                        *ret = c;
        } else {
                free(c);
        }
        free(stdio);
        free(environment);
        return r;
}

pid_t child_pid(const struct child *c) {
        return (pid_t) c->process.pid;
}

static void on_written(uv_write_t *request, int status) {
        (void) status; /* a broken channel shows as its end */
        struct child_write *w = (struct child_write *) request;
        free(w->bytes);
        free(w);
}

int child_write(struct child *c, uint8_t *bytes, size_t count) {
        struct child_write *w = malloc(sizeof(*w));
        int r = -ENOMEM;
        if (w) {
                w->bytes = bytes;
                uv_buf_t buffer = uv_buf_init((char *) bytes, (unsigned) count);
                r = c->channel_ended || c->finished ? -EPIPE
                                                    : uv_write(&w->request, (uv_stream_t *) &c->channel, &buffer, 1, on_written);
        }
        if (r < 0) {
                free(w);
                free(bytes);
        }
        return r;
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
