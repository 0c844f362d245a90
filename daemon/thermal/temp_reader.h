/*
 * temp_reader.h - several thermometers read one after the other on a thread, any of which may hang.
 *
 * The round tells the loop how far it is by one atomic word. At any moment the thread owns only the reading that it stands
 * at: those before are done, and those behind it the loop may take back and give to another round.
 */
#ifndef HEADROOM_DAEMON_THERMAL_TEMP_READER_H
#define HEADROOM_DAEMON_THERMAL_TEMP_READER_H

#include <stdatomic.h>

#include "daemon/system/bg_thread.h"
#include "daemon/thermal/thermometer.h"

struct reading {
        struct thermometer thermometer;
        /* descriptors, or negative: not opened yet; opened and closed by the round */
        int input, status;
        bool is_critical_known;
        /* the result */
        int result; /* 0 or -errno */
        bool is_asleep;
        int32_t millidegrees, critical_millidegrees; /* critical 0: it does not tell */
};

struct temp_reader {
        uint32_t count;           /* fixed while it runs; 0: free for another round */
        uint64_t late_us;         /* the loop's: since when it has seen the thread late at where it is; 0 */
        uint32_t end, taken;      /* the loop's: how many are still this round's, and how many of those it has taken */
        _Atomic uint32_t step;    /* progress of the thread */
        _Atomic uint64_t step_us; /* since when, by CLOCK_MONOTONIC */
        struct reading readings[SENSORS_MAX];
};

extern const struct bg_thread_kind temp_reader_kind;

uint64_t heat_clock_us(void);

/* To be called before the errand starts, with count and readings set, end and taken 0. */
void temp_reader_begin(struct temp_reader *r);
/* Readings below this are done, and the loop's. */
uint32_t temp_reader_done(struct temp_reader *r);
/*
 * The thread stands at one reading for longer than the deadline: takes the rest from it. True, and which one it stands
 * at: that one stays the thread's until its errand is no longer running. Only at the second look that finds it so: where the
 * whole box stood still, the thread has to get a chance first.
 */
bool temp_reader_abandon(struct temp_reader *r, uint32_t *ret);

bool temp_reader_is_abandoned(struct temp_reader *r);

/* Takes a reading here and now. May hang. */
void reading_take(struct reading *r);
void reading_close(struct reading *r);

#endif
