/*
 * prefill_pace.h - how many tokens of prompts a step may take, so that those whose answers are under way hardly notice.
 *
 * A step with prompts lasts at most PREFILL_STALL_US longer than one of the answers alone, whatever the machine: each
 * says by its time what the next may take. So it holds on a machine that makes ten tokens a second, and on one that has just been
 * slowed down, from the next step on. Two things are known beforehand, and heeded: a token costs more the more stand
 * before it, at most in proportion; and where no prompt was measured yet, no token of one costs more than one of an answer.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_PREFILL_PACE_H
#define HEADROOM_ENGINE_SCHEDULER_PREFILL_PACE_H

#include <stdint.h>

/* A step, planned or done. */
struct pace_step {
        uint32_t answers; /* that get one token each */
        uint32_t prompts; /* tokens of prompts */
        uint32_t depth;   /* tokens that stand before these, at most */
};

struct prefill_pace {
        double rate;       /* tokens of prompts in a microsecond; 0: not known */
        uint32_t depth;    /* at which that was measured */
        uint32_t answers;  /* of the last step that had answers alone ... */
        double answers_us; /* ... and what such a step takes; 0: there was none */
        uint32_t allowed;  /* by the last question ... */
        double limit_us;   /* ... for so long */
};

/* Tokens of prompts for STEP, whose own count is not looked at; steps are cut to STEP_US, if their own limits are not lower. */
uint32_t prefill_pace_allows(struct prefill_pace *p, const struct pace_step *step, double step_us);
/* STEP took so long. */
void prefill_pace_note(struct prefill_pace *p, const struct pace_step *step, uint64_t took_us);
/* The engine has PART of the threads that it had. */
void prefill_pace_scale(struct prefill_pace *p, double part);

#endif
