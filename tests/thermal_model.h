/*
 * thermal_model.h - a processor and its heat sink as two nodes, and a sensor that rounds, is noisy and sometimes lies.
 *
 *     C_die  dT_die/dt  = P - (T_die - T_sink) / R_die
 *     C_sink dT_sink/dt = (T_die - T_sink) / R_die - (T_sink - T_ambient) / R_sink
 *
 * Power is that at rest plus what work adds, in proportion to the speed that is given, after a delay of the actuator. The
 * constants are plausible, not measured: three boxes whose cooler is too weak for full speed.
 */
#ifndef HEADROOM_TESTS_THERMAL_MODEL_H
#define HEADROOM_TESTS_THERMAL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define THERMAL_STEP_MS  100u
#define THERMAL_DELAY_MS 500u

/* The cooled body, and its cooling. */
struct thermal_box {
        double rest_watts, work_watts;
        double die_joules, sink_joules;   /* per degree */
        double die_degrees, sink_degrees; /* per watt */
};

/* clang-format off */
static const struct thermal_box thermal_desktop = { 10, 55, 30, 450, 0.35, 0.67 }, /* 10 s and 5 min; 16 degrees too hot at the end */
                                thermal_laptop  = { 4, 36, 12, 120, 0.60, 1.30 },  /* 7 s and 2.5 min */
                                thermal_server  = { 40, 260, 120, 900, 0.09, 0.15 }; /* 11 s and 2 min */
/* clang-format on */

struct thermal_world {
        const struct thermal_box *box;
        double ambient, die, sink; /* degrees */
        double speed;              /* 0..1, in effect */
        double speed_wanted;       /* ... and from when on */
        uint64_t speed_from_ms;
        uint64_t now_ms;
        uint32_t seed;
        uint32_t lies_permille; /* of the readings are nonsense */
};

static inline void thermal_world_init(struct thermal_world *w, const struct thermal_box *box, double ambient, uint32_t seed) {
        *w = (struct thermal_world){ .box = box, .ambient = ambient, .seed = seed, .lies_permille = 10 };
        w->sink = ambient + w->box->rest_watts * w->box->sink_degrees;
        w->die = w->sink + w->box->rest_watts * w->box->die_degrees;
}

static inline void thermal_world_ask(struct thermal_world *w, double speed) {
        if (speed == w->speed_wanted)
                return;
        w->speed_wanted = speed;
        w->speed_from_ms = w->now_ms + THERMAL_DELAY_MS;
}

/* One step of THERMAL_STEP_MS; LOAD: how much of the speed that is given the work uses. */
static inline void thermal_world_step(struct thermal_world *w, double load) {
        if (w->now_ms >= w->speed_from_ms)
                w->speed = w->speed_wanted;
        double s = THERMAL_STEP_MS / 1000.0;
        double watts = w->box->rest_watts + w->box->work_watts * w->speed * load;
        double to_sink = (w->die - w->sink) / w->box->die_degrees;
        double to_air = (w->sink - w->ambient) / w->box->sink_degrees;
        w->die += s * (watts - to_sink) / w->box->die_joules;
        w->sink += s * (to_sink - to_air) / w->box->sink_joules;
        w->now_ms += THERMAL_STEP_MS;
}

/* The speed, if any, at which the die is at TARGET after the next step: what no real controller can know. */
static inline double thermal_world_ideal(const struct thermal_world *w, double target) {
        double s = THERMAL_STEP_MS / 1000.0;
        double watts = (target - w->die) * w->box->die_joules / s + (w->die - w->sink) / w->box->die_degrees;
        double speed = (watts - w->box->rest_watts) / w->box->work_watts;
        return speed < 0 ? 0 : speed > 1 ? 1 : speed;
}

static inline uint32_t thermal_world_random(struct thermal_world *w) {
        w->seed = w->seed * 1664525 + 1013904223;
        return w->seed >> 8;
}

/* The reading of the sensor: whole degrees, a little noise, now and then one of the lies that are on record. */
static inline int32_t thermal_world_read(struct thermal_world *w) {
        static const int32_t lies[] = { 0, -127000, 127500, 255000, -99999999, 16000, 120000 };
        if (thermal_world_random(w) % 1000 < w->lies_permille)
                return lies[thermal_world_random(w) % (sizeof(lies) / sizeof(lies[0]))];
        double noise = ((double) (thermal_world_random(w) % 1000) + (double) (thermal_world_random(w) % 1000)) / 1000 - 1;
        return (int32_t) (w->die + noise + 0.5) * 1000;
}

#endif
