/*
 * psi_notify.h - a descriptor of psi_trigger.h in the loop: each event is a call, at most one per ALARM_PAUSE_MS.
 *
 * The kernel answers EPOLLERR with EPOLLPRI for a PSI file that has been removed, and libuv then calls back without a
 * pause and with status 0: 2 million times a second, measured. So at every event the descriptor is asked itself, and
 * closed when its file is gone; and no alarm is listened to for a while after it rang, whatever it may be.
 */
#ifndef HEADROOM_DAEMON_SENSORS_PSI_NOTIFY_H
#define HEADROOM_DAEMON_SENSORS_PSI_NOTIFY_H

#include <stdbool.h>
#include <uv.h>

struct pressure_alarm {
        uv_poll_t poll;
        uv_timer_t pause;
        int fd;
        bool is_stream;
        enum { ALARM_SILENT, ALARM_ARMED, ALARM_CLOSING } state;
        void (*on_event)(void *user); /* pressure */
        void (*on_lost)(void *user);  /* the alarm is silent from now on: its file or the other side is gone */
        void *user;
        void (*on_closed)(void *user);
        bool is_ending, is_pause_closed;
};

/* The callbacks and user are set. From then on it has to be closed. */
void pressure_alarm_init(struct pressure_alarm *a, uv_loop_t *loop);
/* Takes FD over, also when it fails. It must be silent. 0, or -errno. */
int pressure_alarm_arm(struct pressure_alarm *a, int fd, bool is_stream);
/* Silent some time after; on_lost is not called. */
void pressure_alarm_disarm(struct pressure_alarm *a);
/* ON_CLOSED(user) when the loop has let go of it. */
void pressure_alarm_close(struct pressure_alarm *a, void (*on_closed)(void *user));

#endif
