/*
 * tokens.h - what is asked of a model's vocabulary and template alone: a text as tokens, tokens as a text, and a conversation as the
 * text of its prompt.
 *
 * The fields are those that clients of llama-server and vLLM send. OUT, whose `max` is TOKENIZE_ANSWER_MAX, gets the answer
 * (docs/wire-protocol.md), *ret_count how many tokens it is about. 0; -EINVAL, -ENOMEM and *reterr.
 */
#ifndef HEADROOM_ENGINE_REQUEST_TOKENS_H
#define HEADROOM_ENGINE_REQUEST_TOKENS_H

#include "engine/base/strbuf.h"
#include "engine/request/request.h"

typedef int tokens_reader(struct request_rules *rules, const cJSON *body, struct text *out, uint32_t *ret_count,
                          struct request_error *reterr);

/*
 * A list of ids, or with `with_pieces` of objects: {"id","piece"}, where a piece that is no text is a list of its bytes. Of `content`
 * or `prompt`, which are texts, or of `messages` as in a chat.
 */
tokens_reader tokens_of_text;
/* The text of the list `tokens`, special ones spelled out. */
tokens_reader tokens_to_text;
/* The prompt of a chat; its tokens are not counted. */
tokens_reader tokens_of_template;

#endif
