/*
 * echo.h - a prompt that is told before its answer, with the log-probabilities of its tokens where they are asked for: each by what stands
 * before it, so of the first there is none.
 *
 * The text is that of the tokens. With log-probabilities it goes out as the prompt is computed, all of it by this sequence; else when that
 * is done.
 */
#ifndef HEADROOM_ENGINE_SCHEDULER_ECHO_H
#define HEADROOM_ENGINE_SCHEDULER_ECHO_H

#include "engine/scheduler/internal.h"

/*
 * ITEM of Q's prompt has been computed: what it says of the prompt is told. Where the item has hidden states its result becomes the logits of its
 * last token. 0 or -ENOMEM.
 */
int echo_tell(struct scheduler *s, struct sequence *q, struct transformer_item *item);

#endif
