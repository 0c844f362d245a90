/* error.h - a failure as a client sees it: {"error":{...}} in the shape of OpenAI's API, its status, and when to try again. */
#ifndef HEADROOM_DAEMON_API_ERROR_H
#define HEADROOM_DAEMON_API_ERROR_H

#include "daemon/requests/submit.h"
#include "daemon/http/exchange.h"
#include "engine/base/strbuf.h"

struct fleet;

/*
 * {"error":{"message","type","param","code"}}, with advice where there is some, and with n_prompt_tokens and n_ctx where a
 * prompt is too long. No newline.
 */
void error_describe(struct text *out, const struct failure *failure);
/* The whole answer. The exchange is over. */
void error_answer(struct http_exchange *x, const struct failure *failure);

/* A 400 about PARAM (NULL: about none). */
struct failure error_bad_request(const char *param, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A 404: no model of FLEET is called NAME. */
struct failure error_not_found(const struct fleet *fleet, const char *name);

#endif
