/* hours.c - see hours.h. Counted from their first minute, the hours that go over midnight are like any others. */
#include "policy/admission/hours.h"

#include "policy/base/bounds.h"

static uint32_t minutes_between(uint32_t from, uint32_t to) {
        return (to + MINUTES_OF_DAY - from) % MINUTES_OF_DAY;
}

uint64_t policy_hours_open_in_ms(const struct limits *limits, uint32_t minute) {
        uint32_t from = limits->batch_from_minute % MINUTES_OF_DAY, until = limits->batch_until_minute % MINUTES_OF_DAY;
        if (from == until || minute >= MINUTES_OF_DAY || minutes_between(from, minute) < minutes_between(from, until))
                return 0;
        return (uint64_t) minutes_between(minute, from) * 60000;
}
