/* stuck.c - counts changes of load under one unmoved value. */
#include "policy/heat/stuck.h"

void policy_stuck_void(struct stillness *s, uint64_t now_ms) {
        s->since_ms = now_ms;
        s->swings = 0;
}

static void begin(struct stillness *s, int32_t millidegrees, uint32_t load_permille, uint64_t now_ms) {
        *s = (struct stillness){
                .begun = true, .moved = s->begun, .millidegrees = millidegrees, .since_ms = now_ms, .load_permille = load_permille
        };
}

static bool is_swing(uint32_t a_permille, uint32_t b_permille) {
        uint32_t less = a_permille < b_permille ? a_permille : b_permille,
                 more = a_permille < b_permille ? b_permille : a_permille;
        return less <= STUCK_REST_PERMILLE && more - less > STUCK_SWING_PERMILLE;
}

/* A change counts when it has lasted for some readings: a die follows within a second, and one reading may be a moment's. */
static void note_load(struct stillness *s, uint32_t load_permille) {
        if (!is_swing(s->load_permille, load_permille) || (s->other_readings > 0 && is_swing(s->other_permille, load_permille)))
                s->other_readings = 0;
        if (!is_swing(s->load_permille, load_permille))
                return;
        s->other_permille = load_permille;
        if (++s->other_readings < STUCK_READINGS)
                return;
        s->load_permille = load_permille;
        s->other_readings = 0;
        if (s->swings < STUCK_MOVED_SWINGS)
                s->swings++;
}

void policy_stuck_note(struct stillness *s, int32_t millidegrees, uint32_t load_permille, uint64_t now_ms) {
        if (!s->begun || s->millidegrees != millidegrees)
                begin(s, millidegrees, load_permille, now_ms);
        else if (s->load_permille == LOAD_UNKNOWN)
                s->load_permille = load_permille;
        else if (load_permille != LOAD_UNKNOWN)
                note_load(s, load_permille);
}

bool policy_is_stuck(const struct sensor_past *s) {
        const struct stillness *still = &s->still;
        if (s->trusted || !still->begun)
                return false;
        if (!still->moved)
                return still->swings >= STUCK_SWINGS || (still->swings > 0 && s->read_ms >= still->since_ms + STUCK_UNMOVED_MS);
        return still->swings >= STUCK_MOVED_SWINGS && s->read_ms >= still->since_ms + STUCK_MOVED_MS;
}
