/*
 * past.h - the memory of policy between two looks. Written by policy alone; all zero is "nothing yet".
 *
 * Each part here belongs to the file of the same name, which
 * alone writes it. Everything is of fixed size, so that a recorded past can be copied, compared and replayed.
 */
#ifndef HEADROOM_POLICY_STATE_PAST_H
#define HEADROOM_POLICY_STATE_PAST_H

#include "policy/state/plan.h"
#include "policy/state/snapshot.h"

/* An exponentially weighted slope with the noise around it (memory/forecast.c). */
struct slope {
        double per_ms;      /* bytes */
        double noise;       /* variance that H gathers in 1 ms by chance, as a random walk: bytes squared */
        double last;        /* the last sample, bytes per ms ... */
        double interval_ms; /* ... and over how long it was taken; 0: none yet */
};

/* A drop that the next looks have to confirm before it counts as a slope; none where per_ms is 0. */
struct step {
        double per_ms;
        bool jump;
        int64_t from;      /* the course before it */
        uint32_t looks;    /* since, that confirmed it ... */
        double fallen, ms; /* ... and what they saw */
};

struct forecast_past {
        bool begun;
        uint64_t at_ms;    /* of the last sample ... */
        uint64_t asked_ms; /* ... and when the next one was asked for */
        uint64_t available_bytes, loading_bytes;
        struct slope fast, slow;
        struct step step;
        /* The sum of all changes but those of our own book-keeping, in bytes; where it began does not matter. */
        int64_t course;
        /* The moment that is going on: when it began, the course then; and by how much it fell in the one before. */
        uint64_t lately_ms;
        int64_t lately_course;
        double lately_per_ms;
        /* The decline that is going on, if any. */
        bool falling;
        int64_t begins_at;    /* the course before a decline that would begin at this look */
        int64_t falling_from; /* the course before it, and its lowest since */
        int64_t falling_to;
        uint64_t last_fall_ms; /* when it was last seen to fall */
        uint64_t flat_ms;      /* since when nothing falls */
        /* Lowest course of the minutes before: this period and the one before it. */
        uint64_t low_ms;
        int64_t low_now, low_before;
        int64_t low_then; /* ... as it was when the decline began */
};

/* Counters at the beginning of the window, and what the last whole window said (memory/pressure.c). */
struct pressure_window {
        uint64_t stall_us, pages;
        uint32_t stall_permille;
        uint64_t pages_per_s;
        uint32_t stalled_windows; /* in a row */
};

struct pressure_past {
        bool begun;
        uint64_t at_ms;
        struct pressure_window host, own;
        uint64_t refaults, swapins;
        uint64_t refaults_per_s, swapins_per_s;
};

#define TRANSITIONS_MAX 4u

struct model_past {
        bool used;
        uint32_t id, generation;
        uint64_t seen_ms;
        struct pressure_window window;
        bool window_begun;
        uint64_t high_events, oom_kills;
        uint32_t silent_windows;                  /* in a row, running and without a token */
        uint32_t slow_windows;                    /* in a row, far below its usual speed while it stalls */
        uint32_t livelock_windows;                /* in a row */
        double pages_lately;                      /* pages that came back over about 10 s */
        uint64_t leaving_since_ms;                /* when it was last seen not to be stopping */
        uint64_t refused_until_ms[ACTION_COUNT];  /* an action did not free what it should have */
        uint64_t transitions_ms[TRANSITIONS_MAX]; /* latest changes of precision, oldest first; 0: none */
};

struct ladder {
        enum rung rung;
        enum reason because;
        uint32_t breach_looks;
        uint64_t breach_ms; /* since when the reserve is eaten */
        uint32_t scarce_looks;
        uint64_t scarce_ms;     /* the last look that was counted */
        uint64_t demand_ms;     /* when there was last a reason to stay; 0: never */
        uint64_t calm_ms;       /* since when the rung is calm */
        uint64_t given_back_ms; /* the last action that gave something back */
};

/* The effect that a planned action should have, kept until it is judged (memory/verification.c). */
struct expected_effect {
        struct action action;
        uint32_t generation;
        uint64_t at_ms, due_ms;
        uint64_t bytes_before; /* of what the action is to reduce */
        uint64_t units_before; /* KV: how much is stored, whatever its precision */
        uint64_t freed_bytes, freed_at_due_bytes;
        bool judged; /* only waits to be told */
        int64_t headroom_before;
        double slope_per_ms;
};

struct settling {
        uint64_t until_ms;       /* no further action before this, or before all expected effects have come ... */
        uint64_t stall_until_ms; /* ... and none that answers to a stall before this, kept or not */
        uint64_t files_refused_until_ms;
        uint32_t expected_count;
        struct expected_effect expected[PLAN_ACTIONS_MAX];
};

/* Health of one sensor (heat/filter.c). NONE: it never gave a value that could be believed. */
enum sensor_health { SENSOR_HEALTH_NONE, SENSOR_HEALTH_OK, SENSOR_HEALTH_STALE, SENSOR_HEALTH_LOST, SENSOR_HEALTH_ASLEEP };

#define MEDIAN_OF 5u

/* Whether a sensor follows the load (heat/stuck.c): for how long its value has been the same to the last digit, and what the load did. */
struct stillness {
        bool begun, moved; /* moved: ever, since it is known */
        int32_t millidegrees;
        uint64_t since_ms;
        uint32_t load_permille, other_permille; /* before the last change of load that counted; and the last reading's ... */
        uint32_t other_readings;                /* ... that was like it, for so many readings in a row */
        uint32_t swings;                        /* changes of load that counted */
};

struct sensor_past {
        bool used, control, trusted;
        uint32_t key;
        enum sensor_health health;
        uint64_t seen_ms;   /* in a snapshot */
        uint64_t read_ms;   /* last value that was believed ... */
        uint64_t missed_ms; /* ... and last miss that was counted */
        uint32_t misses;    /* in a row */
        uint32_t count;     /* of the values below */
        int32_t values[MEDIAN_OF], critical_millidegrees;
        struct stillness still;
};

struct thermal {
        bool begun;
        double speed;    /* part of full speed that the controller gives: 1 is all */
        double integral; /* ... and what it would give without an error */
        uint64_t run_ms; /* when it last ran */
        uint32_t level;
        uint64_t level_ms; /* when it changed last */
        uint64_t throttles;
        uint64_t override_ms; /* lowest level until then */
        enum reason override_because;
        uint32_t override_sensor; /* key; 0: none in particular */
        bool batch_held;
        uint64_t batch_ms;    /* since when it is held, or is not */
        uint32_t stuck_count; /* control sensors that were stuck at the last look */
        struct sensor_past sensors[SENSORS_MAX];
};

/* Loads that only other programs stand in the way of (admission/loads.c), and since when. */
struct loads_past {
        uint32_t shorts_count;
        struct {
                uint32_t id;
                uint64_t since_ms;
        } shorts[WANTS_MAX];
};

struct past {
        uint64_t looks;
        uint64_t last_ms;
        struct forecast_past forecast;
        struct pressure_past pressure;
        struct ladder ladder;
        struct settling settling;
        struct thermal thermal;
        struct loads_past loads;
        struct model_past models[ACCOUNTS_MAX];
};

#endif
