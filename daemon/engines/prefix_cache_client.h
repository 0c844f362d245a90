/* prefix_cache_client.h - prefixes of prompts on disk. */
#ifndef HEADROOM_DAEMON_ENGINES_PREFIX_CACHE_CLIENT_H
#define HEADROOM_DAEMON_ENGINES_PREFIX_CACHE_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct model;
struct request;

void prefix_client_tick(struct model *m);
/* Whether M, which has nothing to do any more and is to leave, still has something to save. */
bool prefix_client_delay_leaving(struct model *m);
void prefix_client_forget(struct model *m); /* the engine is gone */
/* Each: false when it is not what its type says, or untimely. */
bool prefix_client_take_save_candidate(struct model *m, uint64_t id, const cJSON *frame);
bool prefix_client_take_saved(struct model *m, uint64_t id, const cJSON *frame);
bool prefix_client_take_lookup(struct model *m, struct request *request, const cJSON *frame);
bool prefix_client_take_corrupt(struct model *m, struct request *request, const cJSON *frame);

#endif
