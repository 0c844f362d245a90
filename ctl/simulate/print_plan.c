/* print_plan.c - one look and its plan: as a sentence, as a row, as JSON. */
#include "ctl/simulate/print_plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>

#include "ctl/output/terminal.h"
#include "policy/record/field_text.h"

/* --- in words --- */

static void say(struct sentence *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct sentence *s, const char *format, ...) {
        va_list args;
        va_start(args, format);
        int n = vsnprintf(s->text + s->used, sizeof(s->text) - s->used, format, args);
        va_end(args);
        assert(n >= 0);
        s->used = s->used + (size_t) n < sizeof(s->text) ? s->used + (size_t) n : sizeof(s->text) - 1;
}

static void say_separator(struct sentence *s) {
        if (s->used > 0)
                say(s, "; ");
}

static void say_action(struct sentence *s, const struct action *a) {
        say_separator(s);
        say(s, "%s", policy_action_word(a->kind));
        if (a->model != UINT32_MAX)
                say(s, " %u", a->model);
        if (a->kind == ACTION_DOWNSHIFT || a->kind == ACTION_UPSHIFT)
                say(s, " to %s", policy_field_word(FIELD_LEVEL, a->level));
        else if (policy_action_has_value(a->kind))
                say(s, " to %u", a->value);
        say(s, " (%s", reason_info(a->because)->word);
        if (a->expected_bytes > 0)
                say(s, ", %s", human_bytes(a->expected_bytes).text);
        say(s, ")");
}

/* " considered: 1 idle 40 s leaves, 2 busy" */
static void say_candidates(struct sentence *s, const struct limits *limits, const struct snapshot *snapshot, const struct plan *p,
                           const struct load *load) {
        struct candidate all[ACCOUNTS_MAX];
        uint32_t count = policy_candidates(limits, snapshot, p, load, all);
        for (uint32_t i = 0; i < count; i++) {
                say(s, "%s %u", i == 0 ? "; considered:" : ",", all[i].model);
                if (all[i].idle_ms > 0)
                        say(s, " idle %s", human_duration_ms(all[i].idle_ms).text);
                say(s, " %s", policy_fate_word(all[i].fate));
        }
}

static void say_load(struct sentence *s, const struct limits *limits, const struct snapshot *snapshot, const struct plan *p,
                     const struct load *load) {
        say_separator(s);
        say(s, "%s %u",
            load->refused                    ? "refuse"
            : load->verdict == VERDICT_ADMIT ? "load"
                                             : policy_verdict_word(load->verdict),
            load->model);
        if (load->because != REASON_NONE)
                say(s, " (%s)", reason_info(load->because)->word);
        if (load->room.rule == RULE_NONE)
                return;
        say(s, ": %s needed, %s of %s used (%s)", human_bytes(load->room.needed_bytes).text,
            human_bytes(load->room.used_bytes).text, human_bytes(load->room.limit_bytes).text, policy_rule_word(load->room.rule));
        say_candidates(s, limits, snapshot, p, load);
}

static void say_unload(struct sentence *s, const struct unload *u) {
        say_separator(s);
        say(s, "unload %u (%s", u->model, reason_info(u->because)->word);
        if (u->for_model != UINT32_MAX)
                say(s, " for %u", u->for_model);
        say(s, ")");
}

void look_say(struct sentence *s, const struct limits *limits, const struct snapshot *snapshot, const struct plan *p) {
        *s = (struct sentence){ 0 };
        for (uint32_t i = 0; i < p->actions_count; i++)
                say_action(s, &p->actions[i]);
        for (uint32_t i = 0; i < p->unloads_count; i++)
                say_unload(s, &p->unloads[i]);
        for (uint32_t i = 0; i < p->loads_count; i++)
                say_load(s, limits, snapshot, p, &p->loads[i]);
        if (p->hold_loads || p->hold_growth || p->hold_batch) {
                say_separator(s);
                say(s, "hold%s%s%s", p->hold_loads ? " loads" : "", p->hold_growth ? " growth" : "",
                    p->hold_batch ? " batch" : "");
        }
        if (p->emergency) {
                say_separator(s);
                say(s, "emergency");
        }
        if (p->verified.kind != ACTION_NONE) {
                say_separator(s);
                say(s, "%s", policy_action_word(p->verified.kind));
                if (p->verified.model != UINT32_MAX)
                        say(s, " %u", p->verified.model);
                say(s, " freed %s", human_bytes(p->verified_freed_bytes).text);
        }
}

struct human look_time_left(uint64_t ms) {
        struct human never = { "-" };
        return ms == UINT64_MAX ? never : human_duration_ms(ms);
}

/* "q8_0" when all models have the same, else how many have which: "2 f16 1 q8_0". */
static struct human levels(const struct snapshot *snapshot) {
        uint32_t count[KV_TYPE_COUNT] = { 0 };
        struct human h = { "-" };
        size_t used = 0;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                count[snapshot->models[i].level]++;
        for (uint32_t l = 0; l < KV_TYPE_COUNT; l++) {
                if (count[l] == 0)
                        continue;
                if (count[l] == snapshot->models_count)
                        snprintf(h.text, sizeof(h.text), "%s", policy_field_word(FIELD_LEVEL, l));
                else
                        used += (size_t) snprintf(h.text + used, sizeof(h.text) - used, "%s%u %s", used ? " " : "", count[l],
                                                  policy_field_word(FIELD_LEVEL, l));
        }
        return h;
}

/* --- for people --- */

#define ROW_FORMAT "%10s %10s %9s  %s%-9s%s %-11s %-12s %6s %5s  %s\n"

void look_print_heading(FILE *out) {
        fprintf(out, ROW_FORMAT, "SECONDS", "HEADROOM", "GONE IN", "", "RUNG", "", "WHY", "KV", "HEAT", "DUTY", "ACTS");
}

static enum tint rung_tint(enum rung rung) {
        return rung == RUNG_CALM ? TINT_GOOD : rung < RUNG_EVICT ? TINT_NONE : rung < RUNG_SUSPEND ? TINT_WARN : TINT_BAD;
}

void look_print(const struct limits *limits, const struct snapshot *snapshot, const struct plan *p, bool colours, FILE *out) {
        struct sentence actions;
        struct human heat = { "-" }, seconds, duty;
        look_say(&actions, limits, snapshot, p);
        snprintf(seconds.text, sizeof(seconds.text), "%" PRIu64 ".%03u", snapshot->now_ms / 1000,
                 (unsigned) (snapshot->now_ms % 1000));
        snprintf(duty.text, sizeof(duty.text), "%u%%", p->duty_permille / 10);
        if (p->margin_millidegrees != INT32_MAX)
                snprintf(heat.text, sizeof(heat.text), "%.1f C", p->millidegrees / 1000.0);
        enum tint tint = rung_tint(p->rung);
        fprintf(out, ROW_FORMAT, seconds.text, human_signed_bytes(p->headroom_bytes).text, look_time_left(p->exhaustion_ms).text,
                terminal_tint(colours, tint), policy_rung_word(p->rung), terminal_plain(colours, tint),
                p->because == REASON_NONE ? "-" : reason_info(p->because)->word, levels(snapshot).text, heat.text, duty.text,
                actions.text);
}

/* --- as JSON --- */

static void add_time(cJSON *object, const char *key, uint64_t ms) {
        if (ms == UINT64_MAX)
                (void) cJSON_AddNullToObject(object, key);
        else
                (void) cJSON_AddNumberToObject(object, key, (double) ms);
}

static void add_reason(cJSON *object, const char *key, enum reason reason) {
        if (reason == REASON_NONE)
                (void) cJSON_AddNullToObject(object, key);
        else
                (void) cJSON_AddStringToObject(object, key, reason_info(reason)->word);
}

static cJSON *action_json(const struct action *a) {
        cJSON *o = cJSON_CreateObject();
        (void) cJSON_AddStringToObject(o, "act", policy_action_word(a->kind));
        if (a->model != UINT32_MAX)
                (void) cJSON_AddNumberToObject(o, "model", a->model);
        if (a->kind == ACTION_DOWNSHIFT || a->kind == ACTION_UPSHIFT)
                (void) cJSON_AddStringToObject(o, "level", policy_field_word(FIELD_LEVEL, a->level));
        if (policy_action_has_value(a->kind))
                (void) cJSON_AddNumberToObject(o, "value", a->value);
        (void) cJSON_AddNumberToObject(o, "expected_bytes", (double) a->expected_bytes);
        add_reason(o, "because", a->because);
        return o;
}

static void add_room(cJSON *o, const struct room *room) {
        (void) cJSON_AddStringToObject(o, "rule", policy_rule_word(room->rule));
        (void) cJSON_AddNumberToObject(o, "needed_bytes", (double) room->needed_bytes);
        (void) cJSON_AddNumberToObject(o, "used_bytes", (double) room->used_bytes);
        (void) cJSON_AddNumberToObject(o, "limit_bytes", (double) room->limit_bytes);
}

static void add_candidates(cJSON *o, const struct limits *limits, const struct snapshot *snapshot, const struct plan *p,
                           const struct load *load) {
        struct candidate all[ACCOUNTS_MAX];
        uint32_t count = policy_candidates(limits, snapshot, p, load, all);
        cJSON *array = cJSON_AddArrayToObject(o, "considered");
        for (uint32_t i = 0; i < count; i++) {
                cJSON *item = cJSON_CreateObject();
                (void) cJSON_AddNumberToObject(item, "model", all[i].model);
                (void) cJSON_AddStringToObject(item, "fate", policy_fate_word(all[i].fate));
                (void) cJSON_AddNumberToObject(item, "bytes", (double) all[i].bytes);
                (void) cJSON_AddNumberToObject(item, "idle_ms", (double) all[i].idle_ms);
                cJSON_AddItemToArray(array, item);
        }
}

static void add_loads(cJSON *o, const struct limits *limits, const struct snapshot *snapshot, const struct plan *p) {
        cJSON *loads = cJSON_AddArrayToObject(o, "loads"), *unloads = cJSON_AddArrayToObject(o, "unloads");
        for (uint32_t i = 0; i < p->loads_count; i++) {
                const struct load *load = &p->loads[i];
                cJSON *item = cJSON_CreateObject();
                (void) cJSON_AddNumberToObject(item, "model", load->model);
                (void) cJSON_AddStringToObject(item, "verdict", policy_verdict_word(load->verdict));
                (void) cJSON_AddBoolToObject(item, "refused", load->refused);
                add_reason(item, "because", load->because);
                (void) cJSON_AddNumberToObject(item, "form", load->form);
                add_room(item, &load->room);
                add_candidates(item, limits, snapshot, p, load);
                cJSON_AddItemToArray(loads, item);
        }
        for (uint32_t i = 0; i < p->unloads_count; i++) {
                const struct unload *u = &p->unloads[i];
                cJSON *item = cJSON_CreateObject();
                (void) cJSON_AddNumberToObject(item, "model", u->model);
                add_reason(item, "because", u->because);
                cJSON_AddItemToObject(item, "for",
                                      u->for_model == UINT32_MAX ? cJSON_CreateNull() : cJSON_CreateNumber(u->for_model));
                cJSON_AddItemToArray(unloads, item);
        }
}

static void add_models(cJSON *o, const struct snapshot *snapshot) {
        cJSON *models = cJSON_AddArrayToObject(o, "models");
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                cJSON *item = cJSON_CreateObject();
                (void) cJSON_AddNumberToObject(item, "id", m->id);
                (void) cJSON_AddStringToObject(item, "state", policy_field_word(FIELD_STATE, m->state));
                (void) cJSON_AddStringToObject(item, "level", policy_field_word(FIELD_LEVEL, m->level));
                cJSON_AddItemToArray(models, item);
        }
}

static void add_heat(cJSON *o, const struct plan *p) {
        bool sensed = p->margin_millidegrees != INT32_MAX;
        (void) cJSON_AddNumberToObject(o, "heat_level", p->heat_level);
        (void) cJSON_AddNumberToObject(o, "duty_permille", p->duty_permille);
        (void) cJSON_AddNumberToObject(o, "threads_permille", p->threads_permille);
        add_reason(o, "heat_because", p->heat_because);
        cJSON_AddItemToObject(o, "millidegrees", sensed ? cJSON_CreateNumber(p->millidegrees) : cJSON_CreateNull());
        cJSON_AddItemToObject(o, "margin_millidegrees", sensed ? cJSON_CreateNumber(p->margin_millidegrees) : cJSON_CreateNull());
}

cJSON *look_json(const struct limits *limits, const struct snapshot *snapshot, const struct plan *p) {
        cJSON *o = cJSON_CreateObject();
        (void) cJSON_AddNumberToObject(o, "time_ms", (double) snapshot->now_ms);
        (void) cJSON_AddNumberToObject(o, "headroom_bytes", (double) p->headroom_bytes);
        (void) cJSON_AddNumberToObject(o, "slope_bytes_per_s", (double) p->slope_bytes_per_s);
        add_time(o, "exhaustion_ms", p->exhaustion_ms);
        add_time(o, "cliff_ms", p->cliff_ms);
        (void) cJSON_AddStringToObject(o, "rung", policy_rung_word(p->rung));
        add_reason(o, "because", p->because);
        (void) cJSON_AddBoolToObject(o, "hold_loads", p->hold_loads);
        (void) cJSON_AddBoolToObject(o, "hold_growth", p->hold_growth);
        (void) cJSON_AddBoolToObject(o, "hold_batch", p->hold_batch);
        (void) cJSON_AddBoolToObject(o, "emergency", p->emergency);
        cJSON *actions = cJSON_AddArrayToObject(o, "acts");
        for (uint32_t i = 0; i < p->actions_count; i++)
                cJSON_AddItemToArray(actions, action_json(&p->actions[i]));
        add_loads(o, limits, snapshot, p);
        if (p->verified.kind != ACTION_NONE) {
                cJSON_AddItemToObject(o, "verified", action_json(&p->verified));
                (void) cJSON_AddNumberToObject(o, "verified_freed_bytes", (double) p->verified_freed_bytes);
        }
        (void) cJSON_AddNumberToObject(o, "stall_permille", p->stall_permille);
        (void) cJSON_AddNumberToObject(o, "refaults_per_s", (double) p->refaults_per_s);
        (void) cJSON_AddNumberToObject(o, "swapins_per_s", (double) p->swapins_per_s);
        add_heat(o, p);
        add_models(o, snapshot);
        add_time(o, "look_again_ms", p->look_again_ms);
        return o;
}
