/*
 * prefill.h - whether an answer begins a turn of its own, or goes on with the last message: `continue_final_message`, `add_generation_prompt`,
 * and `prefix` in the message.
 *
 * A last message of role assistant goes on unless the client says otherwise, as with the peers. One that calls tools does not.
 */
#ifndef HEADROOM_ENGINE_REQUEST_PREFILL_H
#define HEADROOM_ENGINE_REQUEST_PREFILL_H

#include "engine/chat/template.h"
#include "engine/request/request.h"

/* Of MESSAGES, a list that is not empty: sets add_generation and continues. 0, or -EINVAL and *reterr. */
int request_read_prefill(const cJSON *body, const cJSON *messages, struct chat_conversation *conversation,
                         struct request_error *reterr);

#endif
