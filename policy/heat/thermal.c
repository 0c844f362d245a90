/* thermal.c - sensors to margin, margin to speed, speed to level. */
#include "policy/heat/thermal.h"

#include "policy/heat/filter.h"
#include "policy/heat/stuck.h"

/*
 * The speed and threads of each level. Speed falls by an eighth of the whole from level to level; in the lower half some of it is
 * taken from the threads, since decode is bound by memory and loses less speed by that than it loses heat.
 */
static const struct {
        uint32_t duty_permille, threads_permille;
} levels[HEAT_LEVELS] = {
        { 1000, 1000 }, { 875, 1000 }, { 750, 1000 }, { 625, 1000 }, { 500, 1000 }, { 500, 750 }, { 500, 500 }, { 250, 500 },
};

static const double slowest = 1.0 / HEAT_LEVELS;

/* The place of a sensor; a new one takes a free place or that of the one that was seen longest ago. */
static struct sensor_past *place_of(struct thermal *t, uint32_t key, uint64_t now_ms) {
        struct sensor_past *oldest = &t->sensors[0];
        for (uint32_t k = 0; k < SENSORS_MAX; k++) {
                struct sensor_past *s = &t->sensors[k];
                if (s->used && s->key == key)
                        return s;
                if (!s->used || (oldest->used && s->seen_ms < oldest->seen_ms))
                        oldest = s;
        }
        *oldest = (struct sensor_past){ .used = true, .key = key, .seen_ms = now_ms };
        return oldest;
}

/* Readings of all control sensors taken together. */
struct reading {
        bool fresh;  /* at least one new value */
        bool lost;   /* at least one cannot be read any more */
        bool works;  /* at least one can */
        bool asleep; /* at least one is, which is cold */
        int32_t margin_millidegrees, millidegrees;
        uint32_t hottest, lost_one; /* keys; 0: none */
};

static bool is_listed(const struct snapshot *snapshot, uint32_t key) {
        for (uint32_t i = 0; i < snapshot->sensors_count; i++) {
                if (snapshot->sensors[i].key == key)
                        return true;
        }
        return false;
}

static void take(struct reading *r, const struct sensor_past *s, const struct limits *limits) {
        r->lost = r->lost || s->health == SENSOR_HEALTH_LOST;
        r->lost_one = s->health == SENSOR_HEALTH_LOST ? s->key : r->lost_one;
        r->asleep = r->asleep || s->health == SENSOR_HEALTH_ASLEEP;
        if (s->health != SENSOR_HEALTH_OK && s->health != SENSOR_HEALTH_STALE)
                return;
        r->works = r->works || s->health == SENSOR_HEALTH_OK;
        if (s->count < VALUES_AT_FIRST)
                return;
        int32_t critical =
                s->critical_millidegrees > 0 ? s->critical_millidegrees : (int32_t) limits->critical_default_millidegrees;
        int32_t millidegrees = policy_filter_millidegrees(s);
        if (critical - millidegrees < r->margin_millidegrees) {
                r->margin_millidegrees = critical - millidegrees;
                r->millidegrees = millidegrees;
                r->hottest = s->key;
        }
}

/* Of one sensor; true where it brought something for the controller. */
static bool read_sensor(struct sensor_past *s, const struct sensor_view *v, const struct snapshot *snapshot, bool throttled) {
        bool fresh = policy_filter(s, v, snapshot->now_ms);
        if (fresh)
                policy_stuck_note(&s->still, v->millidegrees, (uint32_t) snapshot->load_permille, snapshot->now_ms);
        if (throttled)
                policy_stuck_void(&s->still, snapshot->now_ms);
        return fresh && s->control;
}

static struct reading read_sensors(struct thermal *t, const struct limits *limits, const struct snapshot *snapshot,
                                   bool throttled, struct heat *heat) {
        struct reading r = { .margin_millidegrees = INT32_MAX };
        for (uint32_t i = 0; i < snapshot->sensors_count && i < SENSORS_MAX; i++) {
                struct sensor_past *s = place_of(t, snapshot->sensors[i].key, snapshot->now_ms);
                r.fresh = read_sensor(s, &snapshot->sensors[i], snapshot, throttled) || r.fresh;
        }
        for (uint32_t k = 0; k < SENSORS_MAX; k++) {
                struct sensor_past *s = &t->sensors[k];
                if (s->used && !is_listed(snapshot, s->key))
                        policy_filter_absent(s, snapshot->now_ms);
                if (s->used && s->control && policy_is_stuck(s))
                        heat->stuck[heat->stuck_count++] = s->key;
                else if (s->used && s->control)
                        take(&r, s, limits);
        }
        return r;
}

/* Hardware that was taken out is no reason to crawl for ever, as long as something else tells the temperature. */
static void forget_absent(struct thermal *t, const struct snapshot *snapshot, bool works) {
        for (uint32_t k = 0; k < SENSORS_MAX && works; k++) {
                if (t->sensors[k].used && snapshot->now_ms - t->sensors[k].seen_ms >= SENSOR_FORGOTTEN_MS)
                        t->sensors[k] = (struct sensor_past){ 0 };
        }
}

static double clamp(double x, double low, double high) {
        return x < low ? low : x > high ? high : x;
}

/* Degrees above target, positive while there is room; nothing within the deadband. */
static double error_of(const struct limits *limits, int32_t margin_millidegrees) {
        double error = ((double) margin_millidegrees - (double) limits->margin_target_millidegrees) / 1000;
        if (error > HEAT_DEADBAND)
                return error - HEAT_DEADBAND;
        return error < -HEAT_DEADBAND ? error + HEAT_DEADBAND : 0;
}

/*
 * One step of the PI. The integral is moved only while the output can follow (else it would wind up), faster where it is
 * too hot; the output is slow to rise.
 */
static void control(struct thermal *t, const struct limits *limits, int32_t margin_millidegrees, uint64_t now_ms) {
        uint64_t elapsed_ms = now_ms - t->run_ms;
        if (t->run_ms > 0 && elapsed_ms < HEAT_PERIOD_MS)
                return;
        double s = (double) (elapsed_ms < HEAT_PERIOD_MAX_MS ? elapsed_ms : HEAT_PERIOD_MAX_MS) / 1000;
        double error = error_of(limits, margin_millidegrees);
        double wanted = t->integral + HEAT_GAIN * error;
        bool can_follow = error < 0 ? wanted > slowest : wanted < 1;
        if (can_follow)
                t->integral = clamp(t->integral + (error < 0 ? HEAT_GAIN_HOT_PER_S : HEAT_GAIN_PER_S) * error * s, slowest, 1);
        wanted = clamp(t->integral + HEAT_GAIN * error, slowest, 1);
        t->speed += clamp(wanted - t->speed, -HEAT_DOWN_PER_S * s, HEAT_UP_PER_S * s);
        t->run_ms = now_ms;
}

/* Down at once; up again only after a while, since a load of bursts would change it with each. */
static void quantise(struct thermal *t, uint64_t now_ms) {
        uint32_t before = t->level;
        double exact = (1 - t->speed) * HEAT_LEVELS;
        double away = exact - (double) t->level;
        if (away > HEAT_HYSTERESIS_DOWN || away < -HEAT_HYSTERESIS_UP)
                t->level = (uint32_t) (exact + 0.5);
        if (t->level >= HEAT_LEVELS)
                t->level = HEAT_LEVELS - 1;
        if (t->level < before && now_ms - t->level_ms < HEAT_DWELL_MS)
                t->level = before;
        if (t->level != before)
                t->level_ms = now_ms;
}

static bool is_throttled(struct thermal *t, const struct snapshot *snapshot) {
        bool moved = t->begun && snapshot->throttles > t->throttles;
        t->throttles = snapshot->throttles;
        t->begun = true;
        return moved;
}

static void override(struct thermal *t, uint64_t now_ms, enum reason because, uint32_t sensor) {
        t->override_ms = now_ms + HEAT_OVERRIDE_MS;
        t->override_because = because;
        t->override_sensor = sensor;
}

static void override_if(struct thermal *t, const struct reading *r, bool throttled, uint64_t now_ms) {
        if (r->lost)
                override(t, now_ms, REASON_SENSOR_LOST, r->lost_one);
        else if (throttled)
                override(t, now_ms, REASON_THROTTLED, 0);
        else if (r->margin_millidegrees < HEAT_OVERRIDE_MILLIDEGREES)
                override(t, now_ms, REASON_HEAT, r->hottest);
}

/* A sensor is found to be stuck: what was held for its sake is let go of. Another one that is really hot takes hold in the same look. */
static void forget_stuck(struct thermal *t, const struct heat *heat) {
        if (heat->stuck_count > t->stuck_count && t->override_because != REASON_THROTTLED) {
                t->override_ms = 0;
                t->speed = t->integral = 1;
                t->level = 0;
                t->batch_held = false;
                t->batch_ms = 0;
        }
        t->stuck_count = heat->stuck_count;
}

static bool hold_batch(struct thermal *t, uint64_t now_ms) {
        uint64_t for_ms = now_ms - t->batch_ms;
        bool change;
        if (t->batch_held)
                change = for_ms >= HEAT_BATCH_HELD_MS || (t->level <= HEAT_BATCH_FREE && for_ms >= HEAT_BATCH_WINDOW_MS);
        else
                change = t->level >= HEAT_BATCH_HELD && (t->batch_ms == 0 || for_ms >= HEAT_BATCH_WINDOW_MS);
        if (change) {
                t->batch_held = !t->batch_held;
                t->batch_ms = now_ms;
        }
        return t->batch_held;
}

struct heat policy_thermal(struct thermal *t, const struct limits *limits, const struct snapshot *snapshot) {
        if (!t->begun)
                t->speed = t->integral = 1;
        bool throttled = is_throttled(t, snapshot);
        struct heat heat = { .duty_permille = 1000, .threads_permille = 1000 };
        struct reading r = read_sensors(t, limits, snapshot, throttled, &heat);
        forget_absent(t, snapshot, r.works);
        heat.margin_millidegrees = r.margin_millidegrees;
        heat.millidegrees = r.millidegrees;
        heat.sensor = r.hottest;
        if (limits->heat_ignored)
                return heat;
        forget_stuck(t, &heat);
        if (r.fresh)
                control(t, limits, r.margin_millidegrees, snapshot->now_ms);
        else if (r.asleep && r.margin_millidegrees == INT32_MAX)
                control(t, limits, (int32_t) limits->critical_default_millidegrees, snapshot->now_ms);
        override_if(t, &r, throttled, snapshot->now_ms);
        bool overridden = snapshot->now_ms < t->override_ms;
        if (overridden)
                t->speed = slowest;
        quantise(t, snapshot->now_ms);
        heat.level = t->level;
        heat.duty_permille = levels[t->level].duty_permille;
        heat.threads_permille = levels[t->level].threads_permille;
        heat.hold_batch = hold_batch(t, snapshot->now_ms);
        heat.because = t->level == 0 ? REASON_NONE : overridden ? t->override_because : REASON_HEAT;
        heat.sensor = overridden ? t->override_sensor : heat.sensor;
        return heat;
}
