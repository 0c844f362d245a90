/* forecast.c - the slopes, what of them is sure, and whether it is news. */
#include "policy/memory/forecast.h"

#include "policy/base/sat.h"

/* Without libm: policy calls nothing. Twice as exact with each round; good to the last bit of a few digits from any start. */
static double root(double x) {
        if (!(x > 0))
                return 0;
        double r = x > 1 ? x : 1;
        for (int i = 0; i < ROOT_ROUNDS_MAX && r * r > x * 1.0001; i++)
                r = 0.5 * (r + x / r);
        return r;
}

/* The slope that noise alone would feign, one standard deviation: a walk averaged over twice the memory. */
static double noise_of_slope(const struct slope *s, double memory_ms) {
        return root(s->noise / (2 * memory_ms + s->interval_ms));
}

/*
 * One sample. A rise is cut off at the size that noise makes usual, so that an eviction of gigabytes does not hide for
 * seconds that a hog goes on growing.
 */
static void slope_feed(struct slope *s, double per_ms, double interval_ms, double memory_ms) {
        double usual = root(s->noise / interval_ms);
        if (per_ms > usual)
                per_ms = usual;
        double weight = interval_ms / (interval_ms + memory_ms);
        double previous_interval = s->interval_ms > 0 ? s->interval_ms : interval_ms;
        double difference = per_ms - s->last;
        double walk = difference * difference / (1 / interval_ms + 1 / previous_interval);
        s->noise += weight * (walk - s->noise);
        s->per_ms += weight * (per_ms - s->per_ms);
        s->last = per_ms;
        s->interval_ms = interval_ms;
}

static double slope_sure(const struct slope *s, double memory_ms) {
        double sure = s->per_ms + FORECAST_SURE * noise_of_slope(s, memory_ms);
        return sure < 0 ? sure : 0;
}

/*
 * The next looks after a step: do they go on like that? It is a slope only if all of them fall, and at half its pace together; then the
 * decline began where the step did, and has gone on until now.
 */
static bool confirm_step(struct forecast_past *f, double per_ms, double interval_ms) {
        struct step *step = &f->step;
        if (per_ms > step->per_ms / 4) {
                *step = (struct step){ 0 };
                return false;
        }
        step->fallen += per_ms * interval_ms;
        step->ms += interval_ms;
        if (++step->looks < STEP_LOOKS)
                return true;
        double pace = step->fallen / step->ms;
        if (pace < step->per_ms / 2 && pace < f->fast.per_ms) {
                f->fast.per_ms = f->fast.last = pace;
                f->begins_at = step->from;
                f->lately_ms = f->at_ms + (uint64_t) interval_ms;
                f->lately_course = f->course;
                f->lately_per_ms = -pace;
        }
        *step = (struct step){ 0 };
        return true;
}

/*
 * A step far larger than looks usually differ is kept from the fast slope until the next looks go on in the same
 * direction; the slow one takes everything.
 */
static void take_sample(struct forecast_past *f, int64_t course_before, double interval_ms, double ram_bytes) {
        double per_ms = (double) (f->course - course_before) / interval_ms;
        f->begins_at = f->course;
        slope_feed(&f->slow, per_ms, interval_ms, SLOPE_SLOW_MS);
        double surprise = (f->fast.per_ms - per_ms) * interval_ms;
        if (f->step.per_ms < 0 && confirm_step(f, per_ms, interval_ms)) {
                /* Taken care of. */
        } else if (surprise > ram_bytes * STEP_PERMILLE / 1000) {
                bool jump = surprise > ram_bytes * JUMP_PERMILLE / 1000;
                f->step = (struct step){ .per_ms = per_ms, .jump = jump, .from = course_before };
        } else {
                slope_feed(&f->fast, per_ms, interval_ms, SLOPE_FAST_MS);
        }
}

static void begin_decline(struct forecast_past *f, int64_t from, uint64_t now_ms) {
        f->falling = true;
        f->last_fall_ms = now_ms;
        f->falling_from = from;
        f->falling_to = f->course;
        f->low_then = f->low_now < f->low_before ? f->low_now : f->low_before;
}

/* A decline ends when it pauses for a while, or when half of what it cost is back: the next tooth of a saw is another one. */
static void follow_decline(struct forecast_past *f, bool falls, uint64_t now_ms) {
        if (!f->falling) {
                if (falls)
                        begin_decline(f, f->begins_at, now_ms);
                return;
        }
        f->last_fall_ms = falls ? now_ms : f->last_fall_ms;
        f->falling_to = f->course < f->falling_to ? f->course : f->falling_to;
        bool recovered = f->course - f->falling_to > (f->falling_from - f->falling_to) / 2;
        if (now_ms - f->last_fall_ms >= DECLINE_ENDS_MS || (recovered && !falls)) {
                f->falling = false;
                f->flat_ms = now_ms;
        } else if (recovered) {
                begin_decline(f, f->course, now_ms);
        }
}

uint64_t policy_material_bytes(const struct snapshot *snapshot) {
        return u64_min(snapshot->ram_bytes / DECLINE_MATERIAL_PART, DECLINE_MATERIAL_BYTES);
}

/* Is it as the slope says: in this moment, as soon as a fall of that pace would have cost something in it, until then in the one before? */
static bool goes_on(struct forecast_past *f, const struct snapshot *snapshot, double sure_per_ms) {
        uint64_t ms = snapshot->now_ms - f->lately_ms;
        double fallen = (double) (f->lately_course - f->course), least_per_ms = -sure_per_ms * LATELY_PERMILLE / 1000;
        double expected = least_per_ms * (double) ms, material = (double) policy_material_bytes(snapshot);
        bool tells = fallen >= material || expected >= material;
        bool falls = tells ? fallen > expected : f->lately_per_ms > least_per_ms;
        if (ms >= LATELY_MS) {
                f->lately_per_ms = fallen / (double) ms;
                f->lately_ms = snapshot->now_ms;
                f->lately_course = f->course;
        }
        return sure_per_ms < 0 && falls;
}

/* The course of headroom of late. Below zero it was trouble, and is no level to be used to. */
static void remember_low(struct forecast_past *f, int64_t headroom, uint64_t now_ms) {
        if (headroom < 0) {
                f->low_before = f->low_now = INT64_MAX / 2;
                f->low_ms = now_ms;
        } else if (now_ms - f->low_ms >= LOW_PERIOD_MS) {
                f->low_before = f->low_now;
                f->low_now = f->course;
                f->low_ms = now_ms;
        } else if (f->course < f->low_now) {
                f->low_now = f->course;
        }
}

uint64_t policy_time_left(int64_t bytes, double per_ms) {
        if (bytes <= 0)
                return 0;
        if (per_ms >= 0)
                return UINT64_MAX;
        double ms = (double) bytes / -per_ms;
        return ms < (double) FORECAST_FURTHEST_MS ? (uint64_t) ms : UINT64_MAX;
}

static bool is_news(const struct forecast_past *f, const struct snapshot *snapshot, uint64_t cliff_ms) {
        if (!f->falling || f->course >= f->falling_from)
                return false;
        int64_t material = (int64_t) policy_material_bytes(snapshot);
        if (f->falling_from - f->course < material)
                return false;
        return f->course < f->low_then - material || cliff_ms < EXHAUSTION_DOWNSHIFT_MS;
}

static void begin(struct forecast_past *f, const struct snapshot *snapshot, const struct headroom *headroom) {
        f->begun = true;
        f->flat_ms = f->low_ms = f->lately_ms = snapshot->now_ms;
        f->low_before = INT64_MAX / 2;
        f->low_now = headroom->bytes < 0 ? INT64_MAX / 2 : f->course;
}

/*
 * A load takes what was promised to it, and a little more, since the two are not told at the same instant: that is no
 * decline. At the look that brings a new promise the load has begun to take already. Weights that are counted anew are not
 * looked at here.
 */
static double fall_or_rise(const struct forecast_past *f, const struct snapshot *snapshot) {
        double change = (double) snapshot->available_bytes - (double) f->available_bytes;
        if (change >= 0)
                return change;
        if (snapshot->loading_bytes > f->loading_bytes)
                return 0;
        change += (double) sat_sub(f->loading_bytes, snapshot->loading_bytes) * LOAD_EXCESS_PERMILLE / 1000;
        return change < 0 ? change : 0;
}

/* The course stays within what sums and differences can bear. */
static void take_course(struct forecast_past *f, double change) {
        int64_t by = change < 0 ? -(int64_t) sat_from_double(-change) : (int64_t) sat_from_double(change);
        if (f->course > -(INT64_MAX / 4) && f->course < INT64_MAX / 4)
                f->course += by;
}

/* All looks at a step together take a small part of what it would leave before the cliff, if it went on like that. */
static uint64_t confirm_after(const struct forecast_past *f, const struct headroom *headroom) {
        uint64_t ms = policy_time_left(headroom->cliff_bytes, f->step.per_ms) / (STEP_LOOKS * STEP_PART);
        return u64_max(LOOK_STEP_MS, u64_min(ms, LOOK_SOON_MS));
}

/* The forecast that the slopes give for this headroom. */
static struct forecast look_ahead(struct forecast_past *f, const struct snapshot *snapshot, const struct headroom *headroom,
                                  struct forecast out) {
        double fast = slope_sure(&f->fast, SLOPE_FAST_MS), slow = slope_sure(&f->slow, SLOPE_SLOW_MS);
        out.unconfirmed = f->step.per_ms < 0;
        out.confirm_ms = confirm_after(f, headroom);
        out.jump = f->step.jump;
        out.slope_per_ms = f->fast.per_ms;
        out.sure_per_ms = fast < slow ? fast : slow;
        out.goes_on = goes_on(f, snapshot, out.sure_per_ms);
        follow_decline(f, out.goes_on, snapshot->now_ms);
        out.exhaustion_ms = policy_time_left(headroom->bytes, out.sure_per_ms);
        out.cliff_ms = policy_time_left(headroom->cliff_bytes, out.sure_per_ms);
        out.news = is_news(f, snapshot, out.cliff_ms);
        out.fallen_bytes = f->falling && f->course < f->falling_from ? (uint64_t) (f->falling_from - f->course) : 0;
        out.flat_ms = f->falling ? 0 : snapshot->now_ms - f->flat_ms;
        remember_low(f, headroom->bytes, snapshot->now_ms);
        return out;
}

/*
 * Closer than LOOK_LEAST_MS a slope is all noise. And a look that was made for loads says nothing before its time: seen fifty times
 * a second, a drop of any size that takes a tenth of it looks like a slope.
 */
static bool is_too_soon(const struct forecast_past *f, const struct snapshot *snapshot) {
        bool own_load = snapshot->loading_bytes != f->loading_bytes;
        return snapshot->now_ms - f->at_ms < LOOK_LEAST_MS ||
               (snapshot->for_loads && snapshot->now_ms < f->asked_ms && !own_load);
}

struct forecast policy_forecast(struct forecast_past *f, const struct snapshot *snapshot, const struct headroom *headroom) {
        struct forecast out = { .exhaustion_ms = UINT64_MAX, .cliff_ms = UINT64_MAX };
        if (snapshot->memory_blind)
                return out;
        uint64_t interval_ms = snapshot->now_ms - f->at_ms;
        if (!f->begun) {
                begin(f, snapshot, headroom);
        } else if (is_too_soon(f, snapshot)) {
                return look_ahead(f, snapshot, headroom, out);
        } else {
                int64_t before = f->course;
                take_course(f, fall_or_rise(f, snapshot));
                take_sample(f, before, (double) interval_ms, (double) snapshot->ram_bytes);
        }
        f->at_ms = snapshot->now_ms;
        f->available_bytes = snapshot->available_bytes;
        f->loading_bytes = snapshot->loading_bytes;
        return look_ahead(f, snapshot, headroom, out);
}
