/*
 * throttle.h - token pacing: how long to rest after a step, so that only a share of the time is spent computing.
 *
 * Heat is made by work per second, so a step that took T owes a rest of T * (1000 - duty) / duty. The debt is paid by time
 * in which nothing is computed, whatever it was spent on: waiting for the timer, for a frame, for a client. A rest that
 * came out a little too long, as timers do, is remembered to the next step's credit; an idle hour is not.
 *
 * No clock and no sleep of its own: the worker gives it the time and waits in poll, where a frame wakes it.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_THROTTLE_H
#define HEADROOM_ENGINE_SCHEDULER_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_DUTY_FULL  1000u /* thousandths of the time */
#define THROTTLE_DUTY_LEAST 50u   /* less is no service: a token of 100 ms would come every 2 s and more */
/* No rest is longer: a client that sees nothing for longer gives up. Reached by steps over 260 ms at the least duty. */
#define THROTTLE_REST_US_MAX 5000000u
/* A timer's lateness that the next rest makes up for; an idle time earns no more than this. */
#define THROTTLE_CREDIT_US_MAX 5000u
/* While pacing, a prompt is computed in steps no longer than this: so pauses are short too (under a second at the least duty). */
#define THROTTLE_STEP_US 50000u

struct throttle {
        uint32_t duty; /* THROTTLE_DUTY_LEAST .. THROTTLE_DUTY_FULL */
        int64_t owed_us;
        uint64_t since_us; /* up to when rest has been counted */
};

void throttle_init(struct throttle *p, uint64_t now_us);
/* Sets the duty. Rest that is owed from before stays owed, except at full duty, which forgives it. */
void throttle_set_duty(struct throttle *p, uint32_t duty);
static inline bool throttle_is_on(const struct throttle *p) {
        return p->duty < THROTTLE_DUTY_FULL;
}
/* Notes work from BEGUN_US to ENDED_US. */
void throttle_worked(struct throttle *p, uint64_t begun_us, uint64_t ended_us);
/* How much longer to rest; 0: a step may be made. */
uint64_t throttle_rest_us(struct throttle *p, uint64_t now_us);

#endif
