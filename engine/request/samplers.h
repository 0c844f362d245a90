/*
 * samplers.h - what a client asks of samplers beyond the usual (engine/sampling/chain.h): in the words of llama-server and Ollama.
 *
 * Members with neutral values ask for nothing, since some clients send all of them always.
 */
#ifndef HEADROOM_ENGINE_REQUEST_SAMPLERS_H
#define HEADROOM_ENGINE_REQUEST_SAMPLERS_H

#include "engine/request/request.h"

/* R's sampling, whose numbers with a fraction have been read, gets the rest, and its note a sampler that is not known. 0, or -errno and *reterr. */
int request_read_samplers(const struct request_rules *rules, const cJSON *body, struct request *r, struct request_error *reterr);

#endif
