/* psi_notify.c - armed, ringing, pausing; and both handles closed before the owner may go. */
#include "daemon/sensors/psi_notify.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "daemon/base/sensor_bounds.h"

static void finish(struct pressure_alarm *a) {
        if (a->is_ending && a->is_pause_closed && a->state == ALARM_SILENT)
                a->on_closed(a->user);
}

static void on_poll_closed(uv_handle_t *handle) {
        struct pressure_alarm *a = handle->data;
        (void) close(a->fd);
        a->fd = -1;
        a->state = ALARM_SILENT;
        finish(a);
}

void pressure_alarm_disarm(struct pressure_alarm *a) {
        if (a->state != ALARM_ARMED)
                return;
        a->state = ALARM_CLOSING;
        (void) uv_timer_stop(&a->pause);
        uv_close((uv_handle_t *) &a->poll, on_poll_closed);
}

static void lose(struct pressure_alarm *a) {
        pressure_alarm_disarm(a);
        a->on_lost(a->user);
}

/* Whether what rang is still there. */
static bool is_gone(const struct pressure_alarm *a) {
        struct pollfd p = { .fd = a->fd, .events = a->is_stream ? POLLIN : POLLPRI };
        return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLNVAL);
}

/* Reads a stream empty, since any byte is an alarm and none has a meaning. False: the stream has ended. */
static bool drain(const struct pressure_alarm *a) {
        char bytes[4096];
        for (int i = 0; i < ALARM_READS_MAX; i++) {
                ssize_t count = read(a->fd, bytes, sizeof(bytes));
                if (count == 0)
                        return false;
                if (count < 0)
                        return errno == EAGAIN || errno == EINTR;
        }
        return true;
}

static void on_poll(uv_poll_t *poll_handle, int status, int events);

static int listen_again(struct pressure_alarm *a) {
        return uv_poll_start(&a->poll, a->is_stream ? UV_READABLE : UV_PRIORITIZED, on_poll);
}

static void on_pause_over(uv_timer_t *timer) {
        struct pressure_alarm *a = timer->data;
        if (a->state == ALARM_ARMED && listen_again(a) < 0)
                lose(a);
}

static void on_poll(uv_poll_t *poll_handle, int status, int events) {
        struct pressure_alarm *a = poll_handle->data;
        (void) events;
        if (a->state != ALARM_ARMED)
                return;
        if (status < 0 || is_gone(a) || (a->is_stream && !drain(a))) {
                lose(a);
                return;
        }
        (void) uv_poll_stop(&a->poll);
        (void) uv_timer_start(&a->pause, on_pause_over, ALARM_PAUSE_MS, 0);
        a->on_event(a->user);
}

void pressure_alarm_init(struct pressure_alarm *a, uv_loop_t *loop) {
        a->fd = -1;
        a->state = ALARM_SILENT;
        a->is_ending = a->is_pause_closed = false;
        (void) uv_timer_init(loop, &a->pause); /* never fails */
        a->pause.data = a;
        uv_unref((uv_handle_t *) &a->pause);
}

int pressure_alarm_arm(struct pressure_alarm *a, int fd, bool is_stream) {
        assert(a->state == ALARM_SILENT);
        int r = uv_poll_init(a->pause.loop, &a->poll, fd);
        if (r < 0) {
                (void) close(fd);
                return r;
        }
        a->fd = fd;
        a->is_stream = is_stream;
        a->poll.data = a;
        a->state = ALARM_ARMED;
        uv_unref((uv_handle_t *) &a->poll);
        r = listen_again(a);
        if (r < 0)
                pressure_alarm_disarm(a);
        return r;
}

static void on_pause_closed(uv_handle_t *handle) {
        struct pressure_alarm *a = handle->data;
        a->is_pause_closed = true;
        finish(a);
}

void pressure_alarm_close(struct pressure_alarm *a, void (*on_closed)(void *user)) {
        a->on_closed = on_closed;
        a->is_ending = true;
        pressure_alarm_disarm(a);
        uv_close((uv_handle_t *) &a->pause, on_pause_closed);
}
