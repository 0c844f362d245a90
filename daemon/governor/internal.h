/*
 * internal.h - the governor itself, for its own files alone.
 *
 *      governor.c              its life
 *      tick.c                  observe, decide, act, record
 *      note.c                  what was done and what happened becomes events
 *      log_plan.c              events to the log and to systemd, after the actions
 *      api/governor_json.c     status and events for the control socket
 *      api/explain.c           one model's story in sentences
 */
#ifndef HEADROOM_DAEMON_GOVERNOR_INTERNAL_H
#define HEADROOM_DAEMON_GOVERNOR_INTERNAL_H

#include "daemon/governor/events.h"
#include "daemon/governor/governor.h"
#include "daemon/governor/recorder.h"
#include "daemon/sensors/sensors.h"
#include "daemon/state/outcome.h"

struct governor {
        uv_loop_t *loop;
        const struct config *config;
        struct fleet *fleet;
        struct sensors *sensors;
        uv_idle_t after; /* logs what the tick did, when it is over */
        uint32_t handles_open;
        bool closing;
        void (*on_closed)(void *user);
        void *on_closed_user;

        struct limits limits;
        struct snapshot snapshot;
        struct past past;
        struct plan plan;
        struct events events;
        struct candidate candidates[ACCOUNTS_MAX]; /* while an event is noted: no room is made in an emergency */
        struct recorder *recorder;

        uint64_t looks, looked_ms;
        bool pressure;      /* the kernel has told of it since the last look */
        uint64_t logged;    /* number of the last event that was logged */
        bool notes_pending; /* results or verifications to log */
        bool blind;
        enum rung rung;                           /* as the last event told */
        uint32_t heat_level;                      /* likewise */
        uint32_t stuck_count, stuck[SENSORS_MAX]; /* likewise */

        char status[288]; /* as systemd was told last */
        uint64_t status_ms;
        uint64_t sources_ms;                                    /* when degraded sources were last looked for */
        uint32_t sources_told_count, sources_told[SOURCES_MAX]; /* hashes of the names of those that were said to be degraded */
        bool is_mlocked;
        char mlock_error[160];
};

/* tick.c */
void governor_tick(void *user, uint64_t now_ms);
void governor_observe(struct governor *g, uint64_t now_ms);
/* The part of a tick that may be an emergency: observe, decide, act, record. FOR_LOADS: sooner than policy asked for. */
void governor_look(struct governor *g, uint64_t now_ms, bool for_loads);

/* note.c: of the plan's actions; of what else it changed; and what the fleet tells (models/apply.h) */
void governor_note_actions(struct governor *g);
void governor_note_changes(struct governor *g);
void governor_on_action(void *user, const struct action *action, int result);
void governor_on_note(void *user, const struct note *note);
void governor_on_trace(void *user, uint32_t model, bool runs, enum reason because);

/* governor.c: says what the tick did, when it is over */
void governor_on_after(uv_idle_t *idle);

/* log_plan.c */
void governor_log(struct governor *g);
void governor_tell_systemd(struct governor *g);
void governor_log_sources(struct governor *g);
const char *governor_model_name(const struct governor *g, uint32_t model); /* "" for none */
/* A word and its number: "1.2 GiB", "never", "8.3 s". For people. */
struct governor_words {
        char text[40];
};
/* "coretemp Package id 0 (sensor 1a2b3c4d) is at 96.0 degrees, 4.0 below critical"; "" where nothing is known of heat. */
struct governor_heat {
        char text[SENSOR_NAME_MAX + 96];
};
struct governor_heat governor_heat(const struct governor *g);
struct governor_words governor_bytes(int64_t bytes);
struct governor_words governor_time(uint64_t ms);
/* BEFORE, then the candidates of E: "chat idle 40.0 s 1.2 GiB leaves, code 4.1 GiB busy, and 3 more". "" where there are none. */
void governor_candidates(const struct governor *g, const struct event *e, const char *before, char *out, size_t size);

#endif
