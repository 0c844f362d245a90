/* bounds.h - every limit of the policy folder, and why it has that value. */
#ifndef HEADROOM_POLICY_BOUNDS_H
#define HEADROOM_POLICY_BOUNDS_H

/* Engines alive or promised at once. Each is a process of at least tens of MiB; 64 fill any one box. */
#define ACCOUNTS_MAX 64u

/* Sets of victims are compared one by one up to this many candidates (2^12 sets, well under a millisecond); beyond it, greedily. */
#define VICTIMS_EXACT_MAX 12u

/* An idle model is worth keeping for about as long as loading it again would take, but at least this long:
 * the pause of one client between two requests. */
#define IDLE_GRACE_MIN_MS 250u

/* A waiter may not turn a busy model out sooner than this, however short the residency is set. */
#define TURN_MIN_MS 2000u

/* A waiter of lower priority than the busy model waits this many turns. */
#define TURNS_OF_PRIORITY 4u

/* Loads shorter than this count as this long: below it the time is process start, not the model. */
#define RELOAD_FLOOR_MS 500u

/* Forms in which a model may be loaded: as configured, with the least KV pool, and that in each lower precision. */
#define FORMS_MAX 4u

/* Backoff after repeated deaths: 10 s doubling to 5 min, forgotten after a minute of health. */
#define BACKOFF_FIRST_MS   10000u
#define BACKOFF_MAX_MS     300000u
#define BACKOFF_HEALTHY_MS 60000u

/* What is learned about scratch and overhead, in thousandths of the prediction: never under half (a short
 * life shows too little), never over 4 times: beyond, an engine has grown, which its measured account holds against it
 * while it lives, but which must not keep it out for ever afterwards. */
#define LEARNED_MIN     500u
#define LEARNED_NEUTRAL 1000u
#define LEARNED_MAX     4000u

/* The governor: forecasts of exhaustion at which a rung is entered, and how long an act has before it is judged. */
#define EXHAUSTION_HOLD_MS      60000u
#define EXHAUSTION_EVICT_MS     20000u
#define EXHAUSTION_DOWNSHIFT_MS 10000u
#define EXHAUSTION_LAST_MS      3000u

/* Levels of heat: 0 is full speed. Eight, quantised with hysteresis: 65 changes an hour in simulation, 253 without. */
#define HEAT_LEVELS 8u

#endif
