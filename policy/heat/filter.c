/* filter.c - plausibility, slew gate, median, and the states of one sensor. */
#include "policy/heat/filter.h"

#include <assert.h>

static void miss(struct sensor_past *s, uint64_t now_ms) {
        s->missed_ms = now_ms;
        if (s->misses < SENSOR_MISSES_MAX)
                s->misses++;
        /* What was never seen cannot be lost. */
        if (!s->still.begun)
                s->health = SENSOR_HEALTH_NONE;
        else
                s->health = s->misses >= SENSOR_MISSES_MAX ? SENSOR_HEALTH_LOST : SENSOR_HEALTH_STALE;
}

static bool is_possible(const struct sensor_past *s, int32_t millidegrees, uint64_t now_ms) {
        if (millidegrees < SENSOR_LEAST_MILLIDEGREES || millidegrees > SENSOR_MOST_MILLIDEGREES)
                return false;
        if (s->count == 0)
                return true;
        int64_t change = (int64_t) millidegrees - s->values[s->count - 1];
        if (change < 0)
                change = -change;
        double allowed = (double) SENSOR_SLEW_PER_S * (double) (now_ms - s->read_ms) / 1000 + SENSOR_ROUNDING;
        return (double) change <= allowed;
}

static void believe(struct sensor_past *s, int32_t millidegrees, uint64_t now_ms) {
        if (s->count == MEDIAN_OF) {
                for (uint32_t i = 1; i < MEDIAN_OF; i++)
                        s->values[i - 1] = s->values[i];
                s->count--;
        }
        s->values[s->count++] = millidegrees;
        s->read_ms = now_ms;
        s->misses = 0;
        s->health = SENSOR_HEALTH_OK;
}

bool policy_filter(struct sensor_past *s, const struct sensor_view *v, uint64_t now_ms) {
        bool credible_trip =
                v->critical_millidegrees >= CRITICAL_LEAST_MILLIDEGREES && v->critical_millidegrees <= CRITICAL_MOST_MILLIDEGREES;
        s->control = v->control;
        s->trusted = v->trusted;
        s->critical_millidegrees = credible_trip ? v->critical_millidegrees : 0;
        s->seen_ms = now_ms;
        switch (v->state) {
        case SENSOR_READ:
                if (!is_possible(s, v->millidegrees, now_ms)) {
                        miss(s, now_ms);
                        return false;
                }
                /* After a loss the old values are of another time. */
                if (s->health == SENSOR_HEALTH_LOST)
                        s->count = 0;
                believe(s, v->millidegrees, now_ms);
                return true;
        case SENSOR_ASLEEP:
                s->health = SENSOR_HEALTH_ASLEEP;
                s->count = s->misses = 0;
                return false;
        case SENSOR_MISSED: miss(s, now_ms); return false;
        case SENSOR_OLD: return false;
        }
        return false;
}

void policy_filter_absent(struct sensor_past *s, uint64_t now_ms) {
        bool counted = s->health == SENSOR_HEALTH_STALE && now_ms - s->missed_ms < SENSOR_MISS_MS;
        if (s->health != SENSOR_HEALTH_ASLEEP && s->health != SENSOR_HEALTH_NONE && !counted)
                miss(s, now_ms);
}

int32_t policy_filter_millidegrees(const struct sensor_past *s) {
        assert(s->count > 0 && s->count <= MEDIAN_OF);
        int32_t sorted[MEDIAN_OF];
        for (uint32_t i = 0; i < s->count; i++) {
                uint32_t at = i;
                for (; at > 0 && sorted[at - 1] > s->values[i]; at--)
                        sorted[at] = sorted[at - 1];
                sorted[at] = s->values[i];
        }
        /* Of an even count the upper one: rather too hot than too cold. */
        return sorted[s->count / 2];
}
