/* prefill_pace.c - see prefill_pace.h. */
#include "engine/scheduler/prefill_pace.h"

#include "engine/base/bounds.h"
#include "engine/kv/cache.h"

#define STEP_TOKENS_MIN   16u /* alone: fewer would read all weights for too little */
#define STEP_TOKENS_FIRST 64u /* alone, while nothing is known of this model's speed */

static double least(double a, double b) {
        return a < b ? a : b;
}

static double most(double a, double b) {
        return a > b ? a : b;
}

/* A prompt token shares the weights with its neighbours, and costs no more than the one token of an answer. */
static double first_guess(const struct prefill_pace *p, double limit_us) {
        if (p->answers_us <= 0)
                return STEP_TOKENS_MIN;
        return least(limit_us * p->answers / p->answers_us, STEP_TOKENS_FIRST);
}

static double beside_answers(const struct prefill_pace *p, const struct pace_step *step, double limit_us) {
        if (p->rate <= 0)
                return first_guess(p, limit_us);
        double measured = most(p->depth, KV_BLOCK_TOKENS), deeper = most(step->depth, measured);
        return limit_us * p->rate * measured / deeper;
}

uint32_t prefill_pace_allows(struct prefill_pace *p, const struct pace_step *step, double step_us) {
        double tokens;
        p->limit_us = least(step->answers ? PREFILL_STALL_US : PREFILL_ALONE_US, step_us);
        if (step->answers)
                tokens = most(beside_answers(p, step, p->limit_us), 1);
        else
                tokens = p->rate > 0 ? most(p->limit_us * p->rate, STEP_TOKENS_MIN) : STEP_TOKENS_FIRST;
        p->allowed = (uint32_t) least(tokens, PREFILL_CHUNK_MAX);
        return p->allowed;
}

/* One step that was disturbed is no measure of those to come. */
static void note_answers(struct prefill_pace *p, uint32_t answers, double us) {
        p->answers_us = p->answers_us > 0 ? least(us, 2 * p->answers_us) : us;
        p->answers = answers;
}

/* A step that was not full says only when it was too much: the time of a few tokens is that of everything else. */
void prefill_pace_note(struct prefill_pace *p, const struct pace_step *step, uint64_t took_us) {
        double us = took_us > 0 ? (double) took_us : 1;
        if (!step->prompts) {
                note_answers(p, step->answers, us);
                return;
        }
        double own_us = most(us - (step->answers ? p->answers_us : 0), 1);
        if (step->prompts >= p->allowed || own_us > p->limit_us || p->rate <= 0) {
                p->rate = least(step->prompts / own_us, 2 * step->prompts / p->limit_us);
                p->depth = step->depth;
        }
}

void prefill_pace_scale(struct prefill_pace *p, double part) {
        p->rate *= part;
}
