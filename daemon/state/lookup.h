/* lookup.h - finding a model by what a client calls it, a request by what its engine calls it. */
#ifndef HEADROOM_DAEMON_STATE_LOOKUP_H
#define HEADROOM_DAEMON_STATE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct fleet;
struct model;

/*
 * By id or alias, or by the last part of an id, in other letters of case too where one model alone is called so; by any of these with
 * ".gguf" or ":latest" behind it, or with a colon for a dash: qwen3:8b for qwen3-8b. -ENOENT.
 */
int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index); /* into f->models, until the loop turns */
/* The model of that number; NULL: there is none any more. */
struct model *fleet_model(const struct fleet *f, uint32_t number);
/* Whether clients are told of it: what has been found in the models directory may turn out to be no model. */
bool model_is_offered(const struct model *m);
/* For a client that asked for NAME in vain: why, or which name is near. Who watches for new models hears of it. */
void fleet_model_missing(const struct fleet *f, const char *name, char *out, size_t size);
/* The request with that id on the wire; NULL: it has left. */
struct request *requests_running(const struct model *m, uint64_t id);

#endif
