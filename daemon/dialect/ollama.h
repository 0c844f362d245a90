/*
 * ollama.h - answers of Ollama's API.
 *
 * A stream is lines of JSON, and a stream is what a client gets unless it says otherwise. Calls come whole, their arguments as an object;
 * an error is {"error":"text"}, in the middle of a stream too. Who asks with an empty prompt wants the model loaded, or gone.
 */
#ifndef HEADROOM_DAEMON_DIALECT_OLLAMA_H
#define HEADROOM_DAEMON_DIALECT_OLLAMA_H

#include "daemon/dialect/dialect.h"
#include "daemon/dialect/vectors.h"

extern const struct dialect dialect_ollama_chat;
extern const struct dialect dialect_ollama_generate; /* of a prompt that the model's template writes */
extern const struct dialect dialect_ollama_raw;      /* of a text that goes on */
/* What is answered there without a vector: failures, and loads. */
extern const struct dialect dialect_ollama_embed, dialect_ollama_embeddings;
extern const struct vectors_dialect vectors_ollama_embed, vectors_ollama_embeddings;

/* Seconds since 1970 as RFC 3339 has them, in quotes. */
void ollama_put_time(struct text *out, int64_t unix_s);

#endif
