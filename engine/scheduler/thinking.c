/* thinking.c - see thinking.h. */
#include "engine/scheduler/thinking.h"

/*
 * A model that writes in channels chooses the next one itself where it might call a tool; one that chooses to reason once more is
 * sent to its answer.
 */
static void begin_closing(struct thinking *t, const struct request *r) {
        bool chooses = r->parser_setup.calls && t->closings == 0;
        t->closings++;
        t->at = 0;
        t->end = chooses ? r->closing_alone : (uint32_t) r->closing.count;
}

int32_t thinking_next(struct thinking *t, const struct request *r, const struct output_stream *output) {
        bool reasons = output_stream_reasons(output);
        bool spent = reasons && r->reasoning_budget != REASONING_UNLIMITED && t->tokens >= r->reasoning_budget;
        t->tokens += reasons;
        if (t->at == t->end && spent && output_stream_between_characters(output))
                begin_closing(t, r);
        return t->at < t->end ? r->closing.ids[t->at++] : TOKEN_NONE;
}

void thinking_give_up(struct thinking *t) {
        t->at = t->end;
}
