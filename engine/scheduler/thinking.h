/*
 * thinking.h - the tokens of an answer's reasoning: their count, and their end where the request's budget is spent.
 *
 * A token counts when the text before it ends within reasoning, so the closing mark does and the opening one does not. The end is put
 * in place of what the model would have said, token by token, between two whole characters; the model goes on behind it.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_THINKING_H
#define HEADROOM_ENGINE_SCHEDULER_THINKING_H

#include "engine/scheduler/output_stream.h"

struct thinking { /* all zero at first */
        uint32_t tokens;
        uint32_t at, end;  /* of the closing tokens: the next one, and behind the last */
        uint32_t closings; /* begun so far */
};

/* Called once before each token of the answer, all earlier ones being taken out of OUTPUT: the token that must come, or TOKEN_NONE. */
int32_t thinking_next(struct thinking *t, const struct request *r, const struct output_stream *output);
/* It cannot come: what the model says does. */
void thinking_give_up(struct thinking *t);

#endif
