/* throttle.c - see throttle.h. */
#include "engine/scheduler/throttle.h"

#include <assert.h>

void throttle_init(struct throttle *p, uint64_t now_us) {
        *p = (struct throttle){ .duty = THROTTLE_DUTY_FULL, .since_us = now_us };
}

void throttle_set_duty(struct throttle *p, uint32_t duty) {
        assert(duty >= THROTTLE_DUTY_LEAST && duty <= THROTTLE_DUTY_FULL);
        p->duty = duty;
        if (duty == THROTTLE_DUTY_FULL)
                p->owed_us = 0;
}

/* The time since the last look was rest. */
static void pay(struct throttle *p, uint64_t now_us) {
        if (now_us > p->since_us) {
                uint64_t rested = now_us - p->since_us, most = (uint64_t) (p->owed_us + (int64_t) THROTTLE_CREDIT_US_MAX);
                p->owed_us -= (int64_t) (rested < most ? rested : most);
                p->since_us = now_us;
        }
}

void throttle_worked(struct throttle *p, uint64_t begun_us, uint64_t ended_us) {
        pay(p, begun_us);
        if (ended_us <= p->since_us)
                return;
        uint64_t worked = ended_us - begun_us;
        uint64_t limit = THROTTLE_REST_US_MAX; /* anything longer rests as long: the product below cannot overflow */
        uint64_t rest =
                worked < limit ? worked * (THROTTLE_DUTY_FULL - p->duty) / p->duty : limit * (p->duty < THROTTLE_DUTY_FULL);
        p->owed_us += (int64_t) (rest < limit ? rest : limit);
        if (p->owed_us > (int64_t) limit)
                p->owed_us = (int64_t) limit;
        p->since_us = ended_us;
}

uint64_t throttle_rest_us(struct throttle *p, uint64_t now_us) {
        pay(p, now_us);
        return p->owed_us > 0 ? (uint64_t) p->owed_us : 0;
}
