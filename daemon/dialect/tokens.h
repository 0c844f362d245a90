/*
 * tokens.h - what a model's vocabulary and template say, as clients of llama-server and vLLM read it: POST /v1/tokenize, /v1/detokenize and
 * /v1/apply-template.
 */
#ifndef HEADROOM_DAEMON_DIALECT_TOKENS_H
#define HEADROOM_DAEMON_DIALECT_TOKENS_H

#include "daemon/dialect/dialect.h"

extern const struct dialect dialect_tokenize, dialect_detokenize, dialect_template;

#endif
