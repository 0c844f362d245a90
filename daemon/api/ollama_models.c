/* ollama_models.c - what Ollama's clients ask about models: tags, show, ps. Looking wakes nothing and resets no time. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/api/access.h"
#include "daemon/api/api_internal.h"
#include "daemon/api/model_json.h"
#include "daemon/base/bounds.h"
#include "daemon/dialect/ollama.h"
#include "daemon/state/lookup.h"
#include "daemon/worker/inspection.h"
#include "policy/base/splitmix64.h"

#define FOR_EVER_S 9223372036 /* as far away as Ollama says it is: 292 years */

static const struct inspected nothing_known;

static const struct inspected *facts_of(const struct model_status *m) {
        return m->inspected ? m->inspected : &nothing_known;
}

static void add_time(cJSON *json, const char *name, int64_t unix_s) {
        struct text time = { 0 };

        ollama_put_time(&time, unix_s);
        cJSON_AddRawToObject(json, name, text_string(&time));
        text_done(&time);
}

/* Clients add :latest to a name without a tag, and look for that among the names that they were told. */
static void add_name(cJSON *json, const struct model_status *m) {
        char name[MODEL_ID_MAX + sizeof ":latest"];

        (void) snprintf(name, sizeof name, "%s%s", m->id, strchr(m->id, ':') ? "" : ":latest");
        cJSON_AddStringToObject(json, "name", name);
        cJSON_AddStringToObject(json, "model", name);
}

/* Of its files' names, sizes and times: another one where they are others. */
static void add_digest(cJSON *json, const struct model_status *m) {
        uint64_t state = m->file_key;
        char digest[65];

        for (unsigned i = 0; i < 64; i += 16)
                (void) snprintf(digest + i, 17, "%016llx", (unsigned long long) splitmix64(&state));
        cJSON_AddStringToObject(json, "digest", digest);
}

/* "8.0B", "494.03M" */
static void add_parameters(cJSON *json, uint64_t count) {
        char size[32];
        double n = (double) count;

        if (n >= 1e9)
                (void) snprintf(size, sizeof size, "%.1fB", n / 1e9);
        else if (n >= 1e6)
                (void) snprintf(size, sizeof size, "%.2fM", n / 1e6);
        else
                (void) snprintf(size, sizeof size, "%.2fK", n / 1e3);
        cJSON_AddStringToObject(json, "parameter_size", size);
}

static void add_details(cJSON *json, const struct model_status *m) {
        cJSON *details = cJSON_AddObjectToObject(json, "details");
        const struct inspected *i = facts_of(m);

        cJSON_AddStringToObject(details, "parent_model", "");
        cJSON_AddStringToObject(details, "format", "gguf");
        cJSON_AddStringToObject(details, "family", i->architecture);
        cJSON_AddItemToArray(cJSON_AddArrayToObject(details, "families"), cJSON_CreateString(i->architecture));
        add_parameters(details, i->parameters);
        cJSON_AddStringToObject(details, "quantization_level", i->quantization);
}

/* --- lists --- */

/* FILTER: whether a model is in it. DESCRIBE adds to what all lists tell of one. */
static void answer_list(struct api *api, struct http_exchange *x, bool filter(const struct model_status *m),
                        void describe(cJSON *json, const struct model_status *m)) {
        const struct access_view view = access_view(api, x);
        cJSON *json = cJSON_CreateObject(), *models = cJSON_AddArrayToObject(json, "models");
        struct model_status m;

        for (uint32_t i = 0; i < fleet_models_count(api->fleet); i++) {
                fleet_model_status(api->fleet, i, &m);
                if (!filter(&m) || !access_sees(&view, i))
                        continue;
                cJSON *one = cJSON_CreateObject();
                add_name(one, &m);
                describe(one, &m);
                add_digest(one, &m);
                add_details(one, &m);
                cJSON_AddItemToArray(models, one);
        }
        api_answer_json(x, json);
}

static bool is_offered(const struct model_status *m) {
        return m->offered;
}

static void describe_file(cJSON *json, const struct model_status *m) {
        add_time(json, "modified_at", m->created_s);
        cJSON_AddNumberToObject(json, "size", (double) m->file_bytes);
}

void handle_ollama_tags(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        answer_list(api, x, is_offered, describe_file);
}

static bool is_loaded(const struct model_status *m) {
        return m->state == MODEL_READY || m->state == MODEL_DRAINING;
}

/* What is on its way out has expired. */
static void describe_loaded(cJSON *json, const struct model_status *m) {
        int64_t left_s = m->state == MODEL_DRAINING ? 0 : m->expires_in_ms < 0 ? FOR_EVER_S : m->expires_in_ms / 1000;

        cJSON_AddNumberToObject(json, "size", (double) (m->measured_bytes ? m->measured_bytes : m->predicted_bytes));
        cJSON_AddNumberToObject(json, "size_vram", 0);
        add_time(json, "expires_at", time(NULL) + (left_s < FOR_EVER_S ? left_s : FOR_EVER_S));
        cJSON_AddNumberToObject(json, "context_length", m->n_ctx);
}

void handle_ollama_ps(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        answer_list(api, x, is_loaded, describe_loaded);
}

/* --- one model --- */

/* Under the architecture's name, as the file itself has it. */
static void add_info(cJSON *json, const struct inspected *i) {
        const struct {
                const char *key;
                uint32_t value;
        } all[] = {
                { "context_length", i->n_ctx_train },  { "embedding_length", i->n_embd },           { "block_count", i->n_layer },
                { "attention.head_count", i->n_head }, { "attention.head_count_kv", i->n_head_kv }, { "vocab_size", i->n_vocab }
        };
        cJSON *info = cJSON_AddObjectToObject(json, "model_info");
        char key[sizeof i->architecture + 32];

        cJSON_AddStringToObject(info, "general.architecture", i->architecture);
        cJSON_AddStringToObject(info, "general.basename", i->name);
        cJSON_AddNumberToObject(info, "general.parameter_count", (double) i->parameters);
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
                (void) snprintf(key, sizeof key, "%s.%s", i->architecture, all[k].key);
                cJSON_AddNumberToObject(info, key, all[k].value);
        }
}

/* The places that there are, in the language that clients look for them in; what is really written is the model's own template. */
static void add_template(cJSON *json, const struct inspected *i) {
        cJSON_AddStringToObject(json, "template",
                                i->takes_tools ? "{{ .System }}{{ .Tools }}{{ .Prompt }}{{ .Response }}"
                                               : "{{ .System }}{{ .Prompt }}{{ .Response }}");
}

static cJSON *show(const struct model_status *m) {
        cJSON *json = cJSON_CreateObject();
        char text[MODEL_ID_MAX + 32];

        (void) snprintf(text, sizeof text, "FROM %s\n", m->id);
        cJSON_AddStringToObject(json, "modelfile", text);
        (void) snprintf(text, sizeof text, "num_ctx                        %u", m->n_ctx);
        cJSON_AddStringToObject(json, "parameters", m->n_ctx ? text : "");
        add_template(json, facts_of(m));
        add_details(json, m);
        add_info(json, facts_of(m));
        cJSON_AddItemToObject(json, "capabilities", model_json_capabilities(facts_of(m)));
        add_time(json, "modified_at", m->created_s);
        return json;
}

static void show_named(struct api *api, struct http_exchange *x, const struct body *body) {
        const struct access_view view = access_view(api, x);
        char name[API_NAME_MAX + 1];
        struct model_status m;
        uint32_t index;

        (void) json_string_copy(body->facts.members[MEMBER_MODEL], name, sizeof name);
        if (fleet_model_find(api->fleet, name, &index) == 0 && access_sees(&view, index))
                fleet_model_status(api->fleet, index, &m);
        else
                m.offered = false;
        if (!m.offered) {
                struct failure f = error_not_pulled(api->fleet, name);
                error_answer_as(&dialect_ollama_chat, x, &f);
                return;
        }
        api_answer_json(x, show(&m));
}

void handle_ollama_show(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_ollama_chat, translate_ollama_name };

        (void) rest;
        api_read_body_as(api, x, &as, show_named);
}
