/*
 * thinking.h - whether a client wants reasoning before the answer, how much, and how many tokens it may take.
 *
 * Clients say it in the words of many: `reasoning_effort` (OpenAI), `enable_thinking` (Qwen and those who serve it), `thinking` (a switch,
 * or Anthropic's object), `think` (Ollama); tokens in `reasoning_budget`, `thinking_budget` or Anthropic's object. A model that knows
 * none of it is not an error. The budget is held to in any case: where it is spent, the tokens that close
 * reasoning in the model's format are put in place of what the model would have said.
 */
#ifndef HEADROOM_ENGINE_REQUEST_THINKING_H
#define HEADROOM_ENGINE_REQUEST_THINKING_H

#include "engine/request/request.h"

/* *ret points into BODY; *ret_budget gets the tokens, REASONING_UNLIMITED where none are named. 0, or -EINVAL and *reterr. */
int request_read_thinking(const cJSON *body, struct chat_thinking *ret, int64_t *ret_budget, struct request_error *reterr);

/* R, whose prompt has been read, gets the tokens that close its reasoning, where it has a budget. 0, or -ENOMEM and *reterr. */
int request_prepare_closing(const struct request_rules *rules, struct request *r, struct request_error *reterr);

#endif
