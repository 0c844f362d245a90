/* throughput.c - see throughput.h. */
#include "engine/scheduler/throughput.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static uint32_t depth_of(uint64_t stored) {
        uint32_t depth = 0;
        while (stored >>= 1)
                depth++;
        return depth < THROUGHPUT_DEPTHS ? depth : THROUGHPUT_DEPTHS - 1;
}

static void learn_first(struct throughput_usual *u, float us) {
        /* Kept in order, so that the middle is the median. */
        uint32_t i = u->samples_count++;
        while (i > 0 && u->samples[i - 1] > us) {
                u->samples[i] = u->samples[i - 1];
                i--;
        }
        u->samples[i] = us;
        if (u->samples_count == THROUGHPUT_SAMPLES_FIRST)
                u->us = u->samples[THROUGHPUT_SAMPLES_FIRST / 2];
}

static void learn(struct throughput_usual *u, float us) {
        if (u->samples_count < THROUGHPUT_SAMPLES_FIRST) {
                learn_first(u, us);
                return;
        }
        double usual = (double) u->us, gain = us > u->us * (float) THROUGHPUT_FAR ? THROUGHPUT_GAIN_FAR : THROUGHPUT_GAIN;
        usual *= us > u->us ? 1 + gain : us < u->us ? 1 - gain : 1;
        u->us = (float) usual;
}

void throughput_note(struct throughput *s, const struct throughput_step *step, uint64_t now_us) {
        assert(step->batch >= 1 && step->batch <= WIRE_PARALLEL_MAX);
        struct throughput_usual *u = &s->usual[step->batch - 1][depth_of(step->stored)];
        float us = step->took_us > 0 ? (float) step->took_us : 1;
        s->tokens = THROUGHPUT_MEMORY * s->tokens + step->made;
        s->us = THROUGHPUT_MEMORY * s->us + (double) us;
        s->known_us *= THROUGHPUT_MEMORY;
        s->usual_us *= THROUGHPUT_MEMORY;
        if (u->us > 0) { /* judged by what was usual before it */
                s->known_us += (double) us;
                s->usual_us += (double) u->us;
        }
        learn(u, us);
        s->last_us = now_us;
}

void throughput_forget(struct throughput *s) {
        memset(s, 0, sizeof(*s));
}

double throughput_now(const struct throughput *s, uint64_t now_us) {
        bool fresh = s->last_us && (now_us < s->last_us || now_us - s->last_us < THROUGHPUT_FRESH_US);
        return fresh && s->us > 0 ? s->tokens * 1e6 / s->us : 0;
}

double throughput_usual(const struct throughput *s) {
        /* The rest says too little where most of the last steps have nothing to be compared with. */
        return s->usual_us > 0 && s->known_us * 2 > s->us ? s->tokens * 1e6 / s->us * s->known_us / s->usual_us : 0;
}
