/*
 * heat.c - die and heat sink as two masses, and sensors that tell of them, or tell nonsense, or nothing.
 *
 * The time constants are those of ordinary machines: seconds for the die, minutes for the sink.
 */
#include <math.h>

#include "tests/simulator/parts.h"

#define SECONDS         (STEP_MS / 1000.0)
#define ACTUATOR_MS     500u /* until a new duty is felt */
#define READ_EVERY_MS   1000u
#define POWER_LEAST     0.08 /* of full, by a box that does nothing */
#define THROTTLE_CHANCE 20

static double power(const struct heat *h) {
        return POWER_LEAST + (1 - POWER_LEAST) * h->busy * h->duty;
}

/* --- sensors --- */

static int32_t nonsense(struct dice *d) {
        static const int32_t seen_in_the_field[] = { 0, -127000, 127500, 255000, -99999999, -274000, 16800 };
        return seen_in_the_field[dice_below(d, sizeof(seen_in_the_field) / sizeof(seen_in_the_field[0]))];
}

static void sensor_read(struct world *w, struct sensor *s) {
        struct dice *d = &w->dice;
        bool faulty = w->now_ms >= s->fault_begin_ms && w->now_ms < s->fault_end_ms;
        double noise = dice_between(d, -0.5, 0.5);
        s->state = SENSOR_READ;
        s->millidegrees = (int32_t) lround(w->heat.die + noise) * 1000 + s->offset_millidegrees;
        if (dice_below(d, 1000) < s->nonsense_permille || (faulty && s->fault == SENSOR_NONSENSE && dice_percent(d, 40)))
                s->millidegrees = nonsense(d);
        if (s->fault >= SENSOR_NEVER)
                s->millidegrees = s->fixed_millidegrees;
        if (faulty && (s->fault == SENSOR_MISSING || s->fault == SENSOR_HANGING))
                s->state = SENSOR_MISSED;
        if (faulty && s->fault == SENSOR_SLEEPING)
                s->state = SENSOR_ASLEEP;
        s->missed = s->state == SENSOR_MISSED ? s->missed + 1 : 0;
        s->read_ms = w->now_ms;
}

/* From its first reading on; never the one that tells the truth about the die, without which nothing could be held. */
static void sensor_lie(struct world *w, struct sensor *s, struct dice *d) {
        static const int32_t nevers[] = { -49000, 0, -128000, 127500 };
        const int32_t stucks[] = { 100000, (int32_t) w->heat.critical * 1000, 40000 };
        bool is_stuck = dice_percent(d, 60);
        s->fault = is_stuck ? SENSOR_STUCK : SENSOR_NEVER;
        s->fixed_millidegrees = is_stuck ? stucks[dice_below(d, 3)] : nevers[dice_below(d, 4)];
        s->control = s->tells_critical = true;
        s->nonsense_permille = 0;
        s->fault_begin_ms = s->fault_end_ms = UINT64_MAX;
}

static void sensor_init(struct world *w, struct sensor *s, uint32_t index) {
        struct dice *d = &w->dice;
        s->key = (uint32_t) (dice_bits(d) >> 33);
        s->state = SENSOR_OLD; /* not read yet */
        s->control = index == 0 || dice_percent(d, 40);
        s->tells_critical = index == 0 || dice_percent(d, 70);
        s->offset_millidegrees = index == 0 ? 0 : -1000 * (int32_t) dice_below(d, 12);
        s->nonsense_permille = dice_percent(d, 50) ? 5 : 0;
        s->fault_begin_ms = s->fault_end_ms = UINT64_MAX;
        if (w->mood == MOOD_HOSTILE && dice_percent(d, 30)) {
                s->fault = (enum sensor_fault)(1 + dice_below(d, 4));
                /* A control sensor that is asleep is that of a device which is off: not the one that computes. */
                if (s->fault == SENSOR_SLEEPING && index == 0)
                        s->fault = SENSOR_MISSING;
                s->fault_begin_ms = (uint64_t) dice_between(d, 10000, 200000);
                s->fault_end_ms = dice_percent(d, 40) ? UINT64_MAX : s->fault_begin_ms + (uint64_t) dice_spread(d, 2000, 200000);
        }
        struct dice own; /* so that the rest of a world does not depend on who lies in it */
        dice_init(&own, s->key);
        if (w->mood == MOOD_HOSTILE && index > 0 && dice_percent(&own, 25))
                sensor_lie(w, s, &own);
}

/* --- the box --- */

/* The temperature at which the die settles with engines at DUTY for ever. */
double heat_settles_at(const struct heat *h, double duty) {
        double p = POWER_LEAST + (1 - POWER_LEAST) * duty;
        return h->ambient + p * (h->die_per_power + h->sink_per_power);
}

void heat_init(struct world *w) {
        struct dice *d = &w->dice;
        struct heat *h = &w->heat;
        h->duty = h->duty_pending = 1;
        h->duty_wanted_permille = 1000;
        h->critical = dice_percent(d, 50) ? 100 : 95;
        h->ambient = dice_between(d, 18, 32);
        h->die_seconds = dice_between(d, 4, 12);
        h->sink_seconds = dice_between(d, 120, 400);
        h->modelled = w->mood != MOOD_QUIET && dice_percent(d, 60);
        /* At full load between 25 degrees below critical and 25 above. */
        double rise = h->critical - h->ambient + (h->modelled ? dice_between(d, -25, 25) : -40);
        h->die_per_power = rise * dice_between(d, 0.2, 0.4);
        h->sink_per_power = rise - h->die_per_power;
        h->die = h->sink = h->ambient + 5;
        h->ambient_step_ms = h->modelled && dice_percent(d, 40) ? (uint64_t) dice_between(d, 30000, 600000) : UINT64_MAX;
        h->sensors_count = dice_percent(d, 85) ? 1 + dice_below(d, WORLD_SENSORS) : 0;
        for (uint32_t i = 0; i < h->sensors_count; i++)
                sensor_init(w, &h->sensors[i], i);
}

static void obey_duty(struct world *w) {
        struct heat *h = &w->heat;
        double wanted = h->duty_wanted_permille / 1000.0;
        if (wanted < h->duty_pending || wanted > h->duty_pending) {
                h->duty_pending = wanted;
                h->duty_wanted_ms = w->now_ms;
        }
        if (w->now_ms >= h->duty_wanted_ms + ACTUATOR_MS)
                h->duty = h->duty_pending;
}

void heat_step(struct world *w) {
        struct heat *h = &w->heat;
        bool runs = false;
        for (uint32_t i = 0; i < w->models_count; i++)
                runs = runs || model_computing(&w->models[i]) > 0;
        obey_duty(w);
        h->busy = runs ? 1 : 0;
        if (w->now_ms == h->ambient_step_ms)
                h->ambient += 10;
        double p = power(h);
        h->die += SECONDS / h->die_seconds * (h->sink + p * h->die_per_power - h->die);
        h->sink += SECONDS / h->sink_seconds * (h->ambient + p * h->sink_per_power - h->sink);
        if (h->die >= h->critical && dice_percent(&w->dice, THROTTLE_CHANCE))
                h->throttles++;
        for (uint32_t i = 0; i < h->sensors_count; i++) {
                if (w->now_ms % READ_EVERY_MS == (i * STEP_MS * 3) % READ_EVERY_MS)
                        sensor_read(w, &h->sensors[i]);
        }
}
