/* model_json.h - a model as JSON, for the control surface and for lists. */
#ifndef HEADROOM_DAEMON_API_MODEL_JSON_H
#define HEADROOM_DAEMON_API_MODEL_JSON_H

#include <cjson/cJSON.h>

#include "daemon/config/config.h"
#include "daemon/models/fleet.h"
#include "daemon/worker/inspection.h"

/* All that is known; what does not apply is null. */
cJSON *model_json(const struct config *config, const struct model_status *m, uint32_t index);
/* INDEX is only a guess at where the configuration has it. */
cJSON *model_json_aliases(const struct config *config, const char *id, uint32_t index);

/* A list of words: completion, embedding, rerank, tools, thinking. */
cJSON *model_json_capabilities(const struct inspected *what);

/* TEXT, or null where there is none; what is no UTF-8 in it is made so. */
void model_json_text(cJSON *json, const char *key, const char *text);

/* Adds its members to JSON. */
void model_json_trace(cJSON *json, const struct trace_info *t);

#endif
