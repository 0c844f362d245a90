/* governor_json.c - the governor on the control socket: its present figures, and its actions. null is "does not apply". */
#include "daemon/base/bounds.h"
#include "daemon/models/apply.h"
#include "daemon/governor/internal.h"
#include "daemon/state/tick.h"

#include <errno.h>
#include <string.h>

static void add_time(cJSON *json, const char *key, uint64_t ms) {
        if (ms == UINT64_MAX)
                cJSON_AddNullToObject(json, key);
        else
                cJSON_AddNumberToObject(json, key, (double) ms);
}

static void add_known(cJSON *json, const char *key, bool known, double value) {
        if (known)
                cJSON_AddNumberToObject(json, key, value);
        else
                cJSON_AddNullToObject(json, key);
}

static cJSON *gate_json(const struct plan *p) {
        cJSON *holds = cJSON_CreateArray();
        if (p->hold_loads)
                cJSON_AddItemToArray(holds, cJSON_CreateString("loads"));
        if (p->hold_growth)
                cJSON_AddItemToArray(holds, cJSON_CreateString("growth"));
        if (p->hold_batch)
                cJSON_AddItemToArray(holds, cJSON_CreateString("batch"));
        return holds;
}

static cJSON *heat_json(const struct governor *g) {
        const struct plan *p = &g->plan;
        cJSON *heat = cJSON_CreateObject();
        bool known = p->margin_millidegrees != INT32_MAX;
        cJSON_AddNumberToObject(heat, "level", p->heat_level);
        cJSON_AddNumberToObject(heat, "levels", HEAT_LEVELS);
        cJSON_AddNumberToObject(heat, "duty_permille", p->duty_permille);
        cJSON_AddNumberToObject(heat, "threads_permille", p->threads_permille);
        cJSON_AddStringToObject(heat, "because", reason_info(p->heat_because)->word);
        add_known(heat, "millidegrees", known, p->millidegrees);
        add_known(heat, "margin_millidegrees", known, p->margin_millidegrees);
        cJSON_AddStringToObject(heat, "sensor", p->heat_sensor ? sensors_name(g->sensors, p->heat_sensor).text : "");
        return heat;
}

static cJSON *sources_json(struct governor *g) {
        const struct sensors_source *rows;
        uint32_t count = sensors_sources(g->sensors, &rows);
        cJSON *sources = cJSON_CreateArray();
        for (uint32_t i = 0; i < count; i++) {
                cJSON *source = cJSON_CreateObject();
                cJSON_AddStringToObject(source, "name", rows[i].name);
                cJSON_AddBoolToObject(source, "works", rows[i].works);
                cJSON_AddStringToObject(source, "detail", rows[i].detail);
                cJSON_AddItemToArray(sources, source);
        }
        return sources;
}

cJSON *governor_status_json(struct governor *g) {
        const struct plan *p = &g->plan;
        cJSON *json = cJSON_CreateObject();
        uint64_t now_ms = g->snapshot.now_ms;
        cJSON_AddBoolToObject(json, "enabled", g->config->governor_enabled);
        cJSON_AddStringToObject(json, "rung", policy_rung_word(p->rung));
        cJSON_AddStringToObject(json, "because", reason_info(p->because)->word);
        cJSON_AddNumberToObject(json, "headroom_bytes", (double) p->headroom_bytes);
        cJSON_AddNumberToObject(json, "slope_bytes_per_s", (double) p->slope_bytes_per_s);
        add_time(json, "exhaustion_ms", p->exhaustion_ms);
        add_time(json, "cliff_ms", p->cliff_ms);
        cJSON_AddNumberToObject(json, "stall_permille", p->stall_permille);
        cJSON_AddNumberToObject(json, "refaults_per_s", (double) p->refaults_per_s);
        cJSON_AddNumberToObject(json, "swapins_per_s", (double) p->swapins_per_s);
        cJSON_AddBoolToObject(json, "memory_blind", g->snapshot.memory_blind);
        cJSON_AddItemToObject(json, "holds", gate_json(p));
        cJSON_AddItemToObject(json, "heat", heat_json(g));
        cJSON_AddNumberToObject(json, "looks", (double) g->looks);
        cJSON_AddNumberToObject(json, "look_again_in_ms", p->look_again_ms > now_ms ? (double) (p->look_again_ms - now_ms) : 0);
        cJSON_AddNumberToObject(json, "last_tick_ms_ago", (double) governor_tick_age_ms(g));
        cJSON_AddNumberToObject(json, "events", (double) g->events.count);
        cJSON_AddBoolToObject(json, "resident", g->is_mlocked);
        cJSON_AddStringToObject(json, "not_resident_because", g->mlock_error);
        cJSON_AddItemToObject(json, "sources", sources_json(g));
        return json;
}

/* --- events --- */

static void add_result(cJSON *json, const struct event *e) {
        static const char *const words[] = { [EVENT_BEGUN] = "begun", [EVENT_DONE] = "done", [EVENT_FAILED] = "failed" };
        cJSON_AddNumberToObject(json, "expected_bytes", (double) e->action.expected_bytes);
        cJSON_AddStringToObject(json, "result", words[e->result]);
        if (e->result == EVENT_FAILED)
                cJSON_AddStringToObject(json, "error", strerror(-e->error));
        add_known(json, "freed_bytes", e->verified, (double) e->freed_bytes);
        if (e->action.kind == ACTION_DOWNSHIFT || e->action.kind == ACTION_UPSHIFT)
                cJSON_AddStringToObject(json, "to", kv_type_name(e->action.level));
        else if (policy_action_has_value(e->action.kind))
                cJSON_AddNumberToObject(json, "to", e->action.value);
        cJSON_AddBoolToObject(json, "emergency", e->emergency);
}

static void add_candidates(cJSON *json, const struct governor *g, const struct event *e) {
        cJSON *list = cJSON_AddArrayToObject(json, "considered");
        cJSON_AddNumberToObject(json, "considered_count", e->considered);
        for (uint32_t i = 0; i < e->candidates_count; i++) {
                const struct candidate *c = &e->candidates[i];
                cJSON *item = cJSON_CreateObject();
                cJSON_AddStringToObject(item, "model", governor_model_name(g, c->model));
                cJSON_AddStringToObject(item, "fate", policy_fate_word(c->fate));
                cJSON_AddNumberToObject(item, "bytes", (double) c->bytes);
                cJSON_AddNumberToObject(item, "idle_ms", (double) c->idle_ms);
                cJSON_AddItemToArray(list, item);
        }
}

/* Of a load, an unload, a refusal, a death. */
static void add_life(cJSON *json, const struct governor *g, const struct event *e) {
        cJSON_AddNumberToObject(json, "bytes", (double) e->bytes);
        if (e->for_model != UINT32_MAX)
                cJSON_AddStringToObject(json, "for", governor_model_name(g, e->for_model));
        if (e->room.rule == RULE_NONE)
                return;
        cJSON_AddStringToObject(json, "rule", policy_rule_word(e->room.rule));
        cJSON_AddNumberToObject(json, "needed_bytes", (double) e->room.needed_bytes);
        cJSON_AddNumberToObject(json, "used_bytes", (double) e->room.used_bytes);
        cJSON_AddNumberToObject(json, "limit_bytes", (double) e->room.limit_bytes);
}

static bool is_of_life(const struct event *e) {
        return e->kind == EVENT_LOAD || e->kind == EVENT_UNLOAD || e->kind == EVENT_REFUSAL || e->kind == EVENT_DEATH;
}

static cJSON *event_json(const struct governor *g, const struct event *e) {
        cJSON *json = cJSON_CreateObject();
        bool heat_known = e->margin_millidegrees != INT32_MAX;
        cJSON_AddNumberToObject(json, "number", (double) e->number);
        cJSON_AddNumberToObject(json, "unix_ms", (double) e->unix_ms);
        cJSON_AddNumberToObject(json, "ms_ago", (double) (fleet_clock_ms() - e->tick_ms));
        cJSON_AddStringToObject(json, "what", event_word(e));
        if (e->action.model != UINT32_MAX)
                cJSON_AddStringToObject(json, "model", governor_model_name(g, e->action.model));
        else
                cJSON_AddNullToObject(json, "model");
        cJSON_AddStringToObject(json, "reason", reason_info(e->because)->word);
        cJSON_AddStringToObject(json, "sentence", reason_info(e->because)->sentence);
        cJSON_AddStringToObject(json, "rung", policy_rung_word(e->rung));
        cJSON_AddNumberToObject(json, "headroom_bytes", (double) e->headroom_bytes);
        add_time(json, "exhaustion_ms", e->exhaustion_ms);
        cJSON_AddNumberToObject(json, "heat_level", e->heat_level);
        cJSON_AddNumberToObject(json, "duty_permille", e->duty_permille);
        add_known(json, "millidegrees", heat_known || e->kind == EVENT_SENSOR, e->millidegrees);
        add_known(json, "margin_millidegrees", heat_known, e->margin_millidegrees);
        if (e->sensor)
                cJSON_AddStringToObject(json, "sensor", sensors_name(g->sensors, e->sensor).text);
        if (e->kind == EVENT_ACTION)
                add_result(json, e);
        if (is_of_life(e))
                add_life(json, g, e);
        if (e->considered > 0)
                add_candidates(json, g, e);
        return json;
}

cJSON *governor_events_json(struct governor *g, uint64_t after, const char *model) {
        cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "events");
        for (struct event *e = events_next(&g->events, after); e; e = events_next(&g->events, e->number)) {
                if (!model || !strcmp(governor_model_name(g, e->action.model), model) ||
                    !strcmp(governor_model_name(g, e->for_model), model))
                        cJSON_AddItemToArray(list, event_json(g, e));
        }
        cJSON_AddNumberToObject(json, "last", (double) g->events.count);
        return json;
}
