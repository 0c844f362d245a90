/*
 * response_format.h - the form that a client wants its answer to have, to the grammar that the answer is held to.
 *
 * Four fields ask for one, of which a body may have one: `response_format` (text, json_object, json_schema), as clients of
 * llama-server know them `json_schema` (a schema) and `grammar` (GBNF; an empty one counts as absent), and a `tool_choice` that wants
 * a call. Reasoning is free: where the answer may begin with it, the form is that of what follows.
 */
#ifndef HEADROOM_ENGINE_REQUEST_RESPONSE_FORMAT_H
#define HEADROOM_ENGINE_REQUEST_RESPONSE_FORMAT_H

#include "engine/request/request.h"
#include "engine/request/tools.h"

/*
 * PARSER_SETUP is as the prompt has left it. 0 and *ret, NULL where none is asked for; the vocabulary's tree stands in RULES then. -EINVAL, -ENOMEM and
 * *reterr: a schema or grammar that cannot be held to is refused, with the keyword and its place, or with the line. But of a schema that does not
 * say that it is strict, what cannot be held is left out and listed in *ret_relaxed, which is the caller's; NULL: nothing is.
 */
int request_read_grammar(struct request_rules *rules, const cJSON *body, const struct request_tools *tools,
                         const struct chat_parser_setup *parser_setup, struct grammar **ret, char **ret_relaxed,
                         struct request_error *reterr);

#endif
