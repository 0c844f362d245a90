/*
 * events.h - actions and other events with their reasons and the figures of the moment: the last EVENTS_MAX, numbered.
 *
 * Adding allocates nothing, so an action of an emergency is noted as it happens; it is logged afterwards, from here. An action is
 * noted when it is begun; how it ended, and what it really freed, is written into its event later. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_GOVERNOR_EVENTS_H
#define HEADROOM_DAEMON_GOVERNOR_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/bounds.h"
#include "policy/admission/loads.h"
#include "policy/policy.h"

enum event_kind {
        EVENT_ACTION,
        EVENT_RUNG,   /* another rung of the ladder */
        EVENT_HEAT,   /* another level of heat */
        EVENT_SENSOR, /* SENSOR is stuck, or moves again */
        EVENT_BLIND,  /* memory cannot be read */
        EVENT_SIGHT,  /* ... and again it can */
        EVENT_LOAD,   /* a model is loaded: BYTES is its account */
        EVENT_UNLOAD,
        EVENT_REFUSAL, /* of a load */
        EVENT_DEATH,   /* of an engine, or of its load */
        EVENT_STOP,    /* others have stopped an engine ... */
        EVENT_GO,      /* ... and let it go on */
        EVENT_TRACE,   /* the operator has a model traced */
        EVENT_TRACE_END,
};

enum event_result { EVENT_BEGUN, EVENT_DONE, EVENT_FAILED };

struct event {
        uint64_t number;  /* from 1, without gaps */
        uint64_t tick_ms; /* of the loop's clock */
        uint64_t unix_ms;
        enum event_kind kind;
        struct action action; /* EVENT_ACTION; of the others only its model, UINT32_MAX where it concerns none */
        enum reason because;
        enum rung rung;
        uint32_t heat_level, duty_permille;
        int64_t headroom_bytes;
        uint64_t exhaustion_ms;                    /* UINT64_MAX: never */
        int32_t millidegrees, margin_millidegrees; /* margin INT32_MAX: unknown */
        uint32_t sensor;                           /* key of the thermometer that they, or the event, are about; 0: none */
        bool emergency;
        enum event_result result;
        int error; /* -errno of EVENT_FAILED */
        bool verified;
        uint64_t freed_bytes; /* once verified */
        bool logged, verified_logged;
        /* EVENT_LOAD, EVENT_UNLOAD, EVENT_REFUSAL, EVENT_DEATH */
        uint32_t for_model; /* the model that needed the room; UINT32_MAX: none */
        uint64_t bytes;
        struct room room; /* of a refusal: the rule that refused, or RULE_NONE */
        /* The first few of the models that were considered where one had to leave; CONSIDERED counts all. */
        uint32_t considered, candidates_count;
        struct candidate candidates[EVENT_CANDIDATES_MAX];
};

struct events {
        uint64_t count; /* so far */
        struct event all[EVENTS_MAX];
};

/* An empty event with the next number, the numbers of PLAN, and the oldest one's room. */
struct event *events_add(struct events *e, enum event_kind kind, uint64_t tick_ms, const struct plan *plan);
/* The oldest that is kept with a number over AFTER; NULL when there is none. */
struct event *events_next(struct events *e, uint64_t after);
/* The latest action of that kind on that model which is not verified, at most AGE_MS old; NULL when there is none. */
struct event *events_find_action(struct events *e, enum action_kind kind, uint32_t model, uint64_t now_ms, uint64_t age_ms);
/* The latest of MODEL; NULL when there is none, or none that is at most AGE_MS old. */
const struct event *events_last_of(const struct events *e, uint32_t model, uint64_t now_ms, uint64_t age_ms);
/* "downshift", "rung", "heat", "sensor", "blind", "sight", "load", "unload", "refuse", "died", "stopped", "goes_on", "trace", "trace_end": for logs and JSON. */
const char *event_word(const struct event *e);

#endif
