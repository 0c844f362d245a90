/* error.h - a failure as a client sees it: its text, its status, and when to try again. */
#ifndef HEADROOM_DAEMON_API_ERROR_H
#define HEADROOM_DAEMON_API_ERROR_H

#include "daemon/dialect/dialect.h"
#include "daemon/translate/translate.h"
#include "daemon/requests/submit.h"
#include "daemon/http/exchange.h"
#include "engine/base/strbuf.h"

struct fleet;

/* The whole answer in the words of DIALECT. The exchange is over. */
void error_answer_as(const struct dialect *dialect, struct http_exchange *x, const struct failure *failure);
/* In OpenAI's: {"error":{"message","type","param","code"}}, with advice where there is some, and n_prompt_tokens and n_ctx where a prompt is too long. */
void error_answer(struct http_exchange *x, const struct failure *failure);

/* A 404: no model of FLEET is called NAME. */
struct failure error_not_found(const struct fleet *fleet, const char *name);
/* The same as Ollama says it: some clients know it by its words. */
struct failure error_not_pulled(const struct fleet *fleet, const char *name);

#endif
