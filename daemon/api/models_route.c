/* models_route.c - GET /v1/models: what there is to ask, whether loaded or not. Never waits for anything. */
#include <string.h>

#include "daemon/api/access.h"
#include "daemon/api/api_internal.h"
#include "daemon/api/model_json.h"
#include "daemon/state/lookup.h"

/* NULL: this client is not told of it. */
static cJSON *describe(const struct api *api, const struct access_view *view, uint32_t index) {
        struct model_status m;

        fleet_model_status(api->fleet, index, &m);
        if (!m.offered || !access_sees(view, index))
                return NULL;
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "id", m.id);
        cJSON_AddStringToObject(json, "object", "model");
        cJSON_AddNumberToObject(json, "created", (double) m.created_s);
        cJSON_AddStringToObject(json, "owned_by", "headroom");
        cJSON_AddItemToObject(json, "aliases", model_json_aliases(api->config, m.id, index));
        cJSON_AddStringToObject(json, "status", model_state_name(m.state));
        if (m.n_ctx)
                cJSON_AddNumberToObject(json, "context_length", m.n_ctx);
        return json;
}

void handle_models(struct api *api, struct http_exchange *x, const char *rest) {
        const struct access_view view = access_view(api, x);
        cJSON *json = cJSON_CreateObject();

        (void) rest;
        cJSON_AddStringToObject(json, "object", "list");
        cJSON *data = cJSON_AddArrayToObject(json, "data");
        for (uint32_t i = 0; i < fleet_models_count(api->fleet); i++) {
                cJSON *one = describe(api, &view, i);
                if (one)
                        cJSON_AddItemToArray(data, one);
        }
        api_answer_json(x, json);
}

void handle_model(struct api *api, struct http_exchange *x, const char *name) {
        const struct access_view view = access_view(api, x);
        uint32_t index;
        cJSON *json = fleet_model_find(api->fleet, name, &index) ? NULL : describe(api, &view, index);

        if (!json) {
                struct failure f = error_not_found(api->fleet, name);
                error_answer(x, &f);
                return;
        }
        api_answer_json(x, json);
}
