/* rerank.h - documents in the order of their scores, as clients of Cohere, Jina and llama-server know it. */
#ifndef HEADROOM_DAEMON_DIALECT_RERANK_H
#define HEADROOM_DAEMON_DIALECT_RERANK_H

#include "daemon/dialect/vectors.h"

/* Documents come as texts or as objects with a text; those that are repeated come in objects. */
extern const struct vectors_dialect vectors_rerank;

#endif
