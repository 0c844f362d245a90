/*
 * infill.h - the prompt of a request that fills a gap: `prompt` stands before it, `suffix` behind it, and with `input_extra` other texts
 * of the same project before both.
 *
 * As the model was taught: [repository, files] prefix-token PROMPT suffix-token SUFFIX middle-token, and the answer is what belongs between
 * them. Nothing in the texts becomes a control token. With `input_extra` (maybe empty), as editors send it, what is far from the gap is
 * left out where the context has no room for all; without, a text that is too long is refused.
 */
#ifndef HEADROOM_ENGINE_REQUEST_INFILL_H
#define HEADROOM_ENGINE_REQUEST_INFILL_H

#include "engine/request/request.h"

bool infill_is_asked(const cJSON *body);
/* MAX_TOKENS: of the answer. 0, -EINVAL or -ENOMEM and *reterr. LIST is the caller's to release either way. */
int infill_read(const struct request_rules *rules, const cJSON *body, uint32_t max_tokens, uint32_t tokens_max,
                struct token_list *list, struct request_error *reterr);

#endif
