/* model_json.c - see model_json.h. */
#include "daemon/api/model_json.h"

#include <string.h>

#include "engine/base/cleanup.h"
#include "engine/base/strbuf.h"

static const struct config_model *find(const struct config *config, const char *id, uint32_t index) {
        if (index < config->models_count && !strcmp(config->models[index].id, id))
                return &config->models[index];
        for (uint32_t i = 0; i < config->models_count; i++)
                if (!strcmp(config->models[i].id, id))
                        return &config->models[i];
        return NULL;
}

cJSON *model_json_aliases(const struct config *config, const char *id, uint32_t index) {
        const struct config_model *m = find(config, id, index);
        cJSON *aliases = cJSON_CreateArray();

        for (uint32_t i = 0; m && i < m->aliases_count; i++)
                cJSON_AddItemToArray(aliases, cJSON_CreateString(m->aliases[i]));
        return aliases;
}

cJSON *model_json_capabilities(const struct inspected *what) {
        const struct {
                bool has;
                const char *word;
        } all[] = { { what->makes_text, "completion" }, { what->embeds, "embedding" },
                    { what->ranks, "rerank" },          { what->takes_tools, "tools" },
                    { what->reasons, "thinking" },      { what->makes_text && what->fills_gaps, "insert" } };
        cJSON *list = cJSON_CreateArray();

        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
                if (all[i].has)
                        cJSON_AddItemToArray(list, cJSON_CreateString(all[i].word));
        return list;
}

/* The last words of a dying engine may be any bytes, and JSON is UTF-8. */
void model_json_text(cJSON *json, const char *key, const char *text) {
        auto_free char *copy = text && *text ? strdup(text) : NULL;

        if (!copy) {
                cJSON_AddNullToObject(json, key);
                return;
        }
        bool is_utf8 = text_is_utf8(copy, strlen(copy));
        for (char *c = copy; *c && !is_utf8; c++)
                if ((unsigned char) *c >= 0x80)
                        *c = '?';
        cJSON_AddStringToObject(json, key, copy);
}

/* A number where it is known, else null. */
static void add_known(cJSON *json, const char *key, bool is_known, double number) {
        if (is_known)
                cJSON_AddNumberToObject(json, key, number);
        else
                cJSON_AddNullToObject(json, key);
}

static void add_memory(cJSON *json, const struct model_status *m) {
        bool is_sized = m->predicted_bytes > 0, is_running = m->pid > 0;

        add_known(json, "predicted_bytes", is_sized, (double) m->predicted_bytes);
        add_known(json, "weights_bytes", is_sized, (double) m->weights_bytes);
        add_known(json, "kv_bytes", is_sized, (double) m->kv_bytes);
        add_known(json, "scratch_bytes", is_sized, (double) m->scratch_bytes);
        add_known(json, "overhead_bytes", is_sized, (double) m->overhead_bytes);
        add_known(json, "measured_bytes", is_running, (double) m->measured_bytes);
        add_known(json, "peak_bytes", m->peak_bytes > 0, (double) m->peak_bytes);
        add_known(json, "n_ctx", m->n_ctx > 0, m->n_ctx);
        add_known(json, "kv_tokens", m->kv_tokens > 0, m->kv_tokens);
        model_json_text(json, "kv_type", m->kv_type);
        model_json_text(json, "kv_now", m->kv_now);
        add_known(json, "kv_used_bytes", is_running, (double) m->kv_used_bytes);
        add_known(json, "tokens_proposed", is_running, (double) m->tokens_proposed);
        add_known(json, "tokens_accepted", is_running, (double) m->tokens_accepted);
        add_known(json, "made_room", is_running, (double) m->made_room);
        add_known(json, "context_now", m->context_now > 0, m->context_now);
        add_known(json, "duty_permille", is_running, m->duty_permille);
}

static void add_history(cJSON *json, const struct model_status *m) {
        add_known(json, "loaded_ms_ago", m->loaded_ms_ago >= 0, (double) m->loaded_ms_ago);
        add_known(json, "idle_ms", m->idle_ms >= 0, (double) m->idle_ms);
        add_known(json, "expires_in_ms", m->expires_in_ms >= 0, (double) m->expires_in_ms);
        cJSON_AddNumberToObject(json, "loads", (double) m->loads);
        cJSON_AddNumberToObject(json, "deaths", (double) m->deaths);
        cJSON_AddNumberToObject(json, "requests", (double) m->requests);
        model_json_text(json, "last_error", m->last_error);
        model_json_text(json, "last_exit", m->last_exit);
        model_json_text(json, "last_stderr", m->last_stderr);
        cJSON_AddNumberToObject(json, "cooldown_ms", (double) m->cooldown_ms);
}

void model_json_trace(cJSON *json, const struct trace_info *t) {
        model_json_text(json, "path", t->path);
        cJSON_AddNumberToObject(json, "begun_unix_ms", (double) t->begun_unix_ms);
        cJSON_AddNumberToObject(json, "until_unix_ms", (double) t->until_unix_ms);
        cJSON_AddNumberToObject(json, "lines", (double) t->lines);
        cJSON_AddNumberToObject(json, "dropped", (double) t->dropped);
        cJSON_AddNumberToObject(json, "bytes", (double) t->bytes);
}

static void add_trace(cJSON *json, const struct trace_info *t) {
        if (!t->path) {
                cJSON_AddNullToObject(json, "trace");
                return;
        }
        cJSON *trace = cJSON_AddObjectToObject(json, "trace");
        model_json_trace(trace, t);
}

cJSON *model_json(const struct config *config, const struct model_status *m, uint32_t index) {
        cJSON *json = cJSON_CreateObject();

        cJSON_AddStringToObject(json, "id", m->id);
        cJSON_AddStringToObject(json, "path", m->path);
        cJSON_AddItemToObject(json, "aliases", model_json_aliases(config, m->id, index));
        if (m->inspected)
                cJSON_AddItemToObject(json, "capabilities", model_json_capabilities(m->inspected));
        else
                cJSON_AddNullToObject(json, "capabilities");
        cJSON_AddStringToObject(json, "state", model_state_name(m->state));
        cJSON_AddBoolToObject(json, "retired", m->retired);
        cJSON_AddBoolToObject(json, "stopped", m->stopped);
        cJSON_AddBoolToObject(json, "pinned", m->pinned);
        cJSON_AddNumberToObject(json, "priority", m->priority);
        add_known(json, "pid", m->pid > 0, m->pid);
        cJSON_AddNumberToObject(json, "running", m->running);
        cJSON_AddNumberToObject(json, "waiting", m->waiting);
        add_known(json, "expected_ms", m->expected_ms != UINT64_MAX, (double) m->expected_ms);
        add_known(json, "protected_ms", m->protected_ms > 0, (double) m->protected_ms);
        add_known(json, "service_ms", m->service_ms > 0, (double) m->service_ms);
        add_known(json, "load_ms", m->load_ms > 0, (double) m->load_ms);
        cJSON_AddNumberToObject(json, "suspended", m->suspended);
        add_memory(json, m);
        add_history(json, m);
        add_trace(json, &m->trace);
        return json;
}
