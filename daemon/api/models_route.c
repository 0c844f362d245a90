/*
 * models_route.c - GET /v1/models, /v1/props and /v1/slots: what there is to ask, whether loaded or not, and what editors want to know of a
 * model before they ask it. Never waits for anything, and loads nothing.
 */
#include <string.h>

#include "daemon/api/access.h"
#include "daemon/api/api_internal.h"
#include "daemon/api/model_json.h"
#include "daemon/base/bounds.h"
#include "daemon/state/lookup.h"
#include "engine/base/cleanup.h"

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
        if (m.inspected)
                cJSON_AddItemToObject(json, "capabilities", model_json_capabilities(m.inspected));
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

/* --- as llama-server tells it of one model --- */

/* Of ?model=, or of the model that is meant where none is named. */
static bool find_asked(struct api *api, const struct http_exchange *x, struct model_status *ret, struct failure *reterr) {
        const struct access_view view = access_view(api, x);
        char asked[API_NAME_MAX + 1];
        uint32_t index;

        if (http_query(x, "model", asked, sizeof asked)) {
                *reterr = bad_request("model", "'model' is no name");
                return false;
        }
        auto_free char *name = *asked ? strdup(asked) : api_default_model(api, reterr);
        if (!name)
                return false;
        if (!fleet_model_find(api->fleet, name, &index) && access_sees(&view, index)) {
                fleet_model_status(api->fleet, index, ret);
                if (ret->offered)
                        return true;
        }
        *reterr = error_not_found(api->fleet, name);
        return false;
}

static bool is_loaded(const struct model_status *m) {
        return m->state == MODEL_READY || m->state == MODEL_DRAINING;
}

/* Members that we do not know are left out. */
static cJSON *props_of(const struct model_status *m) {
        const char *slash = strrchr(m->path, '/');
        cJSON *json = cJSON_CreateObject(), *settings = cJSON_AddObjectToObject(json, "default_generation_settings"), *modalities;

        if (m->n_ctx)
                cJSON_AddNumberToObject(settings, "n_ctx", m->n_ctx);
        cJSON_AddNumberToObject(json, "total_slots", m->parallel);
        cJSON_AddStringToObject(json, "model_alias", m->id);
        cJSON_AddStringToObject(json, "model_path", slash ? slash + 1 : m->path);
        modalities = cJSON_AddObjectToObject(json, "modalities");
        cJSON_AddFalseToObject(modalities, "vision");
        cJSON_AddFalseToObject(modalities, "audio");
        cJSON_AddStringToObject(json, "build_info", "headroom " HEADROOM_VERSION);
        cJSON_AddBoolToObject(json, "is_sleeping", !is_loaded(m));
        return json;
}

/* The places of a model are alike: those that are taken come first. */
static cJSON *slots_of(const struct model_status *m) {
        cJSON *list = cJSON_CreateArray();

        for (uint32_t i = 0; is_loaded(m) && i < m->parallel; i++) {
                cJSON *slot = cJSON_CreateObject();
                cJSON_AddNumberToObject(slot, "id", i);
                cJSON_AddNumberToObject(slot, "n_ctx", m->n_ctx);
                cJSON_AddBoolToObject(slot, "is_processing", i < m->running);
                cJSON_AddItemToArray(list, slot);
        }
        return list;
}

static void answer_of_one(struct api *api, struct http_exchange *x, cJSON *describe_one(const struct model_status *m)) {
        struct model_status m;
        struct failure f;

        if (find_asked(api, x, &m, &f))
                api_answer_json(x, describe_one(&m));
        else
                error_answer(x, &f);
}

void handle_props(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        answer_of_one(api, x, props_of);
}

void handle_slots(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        answer_of_one(api, x, slots_of);
}
