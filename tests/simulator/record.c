/* record.c - by the same tables as the daemon's flight recorder: everything at first, then what has changed. */
#include "tests/simulator/record.h"

#include "policy/record/field_text.h"

static void print_fields(FILE *out, const struct field *fields, const void *object, const void *before) {
        char text[FIELD_TEXT_MAX];
        for (const struct field *f = fields; f->name; f++)
                if (!before || policy_field_get(f, object) != policy_field_get(f, before)) {
                        (void) policy_field_print(f, object, text);
                        fprintf(out, " %s", text);
                }
}

static bool differs(const struct field *fields, const void *object, const void *before) {
        for (const struct field *f = fields; f->name; f++)
                if (policy_field_get(f, object) != policy_field_get(f, before))
                        return true;
        return false;
}

static const struct model_view *find_model(const struct snapshot *snapshot, uint32_t id) {
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                if (snapshot->models[i].id == id)
                        return &snapshot->models[i];
        return NULL;
}

static void record_models(struct record *r, const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < r->before.models_count; i++)
                if (!find_model(snapshot, r->before.models[i].id))
                        fprintf(r->out, "  gone model %u\n", r->before.models[i].id);
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i], *before = find_model(&r->before, m->id);
                if (before && !differs(policy_model_fields, m, before))
                        continue;
                fprintf(r->out, "  model %u", m->id);
                print_fields(r->out, policy_model_fields, m, before);
                fputc('\n', r->out);
        }
}

static const struct want *find_want(const struct snapshot *snapshot, uint32_t id) {
        for (uint32_t i = 0; i < snapshot->wants_count; i++)
                if (snapshot->wants[i].id == id)
                        return &snapshot->wants[i];
        return NULL;
}

static void record_wants(struct record *r, const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < r->before.wants_count; i++)
                if (!find_want(snapshot, r->before.wants[i].id))
                        fprintf(r->out, "  gone want %u\n", r->before.wants[i].id);
        for (uint32_t i = 0; i < snapshot->wants_count; i++) {
                const struct want *w = &snapshot->wants[i], *before = find_want(&r->before, w->id);
                if (before && !differs(policy_want_fields, w, before))
                        continue;
                fprintf(r->out, "  want %u", w->id);
                print_fields(r->out, policy_want_fields, w, before);
                fputc('\n', r->out);
        }
}

static void record_sensors(struct record *r, const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < snapshot->sensors_count; i++) {
                const struct sensor_view *s = &snapshot->sensors[i], *before = r->begun ? &r->before.sensors[i] : NULL;
                if (before && !differs(policy_sensor_fields, s, before))
                        continue;
                fprintf(r->out, "  sensor %u", s->key);
                print_fields(r->out, policy_sensor_fields, s, before);
                fputc('\n', r->out);
        }
}

static void record_plan(FILE *out, const struct plan *plan) {
        fprintf(out, "  expect rung %s\n  expect acts %u\n  expect heat_level %u\n  expect loads %u\n  expect unloads %u\n",
                policy_rung_word(plan->rung), plan->actions_count, plan->heat_level, plan->loads_count, plan->unloads_count);
        for (uint32_t i = 0; i < plan->actions_count && i < 32; i++) {
                const struct action *a = &plan->actions[i];
                fprintf(out, "  expect %s", policy_action_word(a->kind));
                if (a->model != UINT32_MAX)
                        fprintf(out, " %u", a->model);
                fprintf(out, " because %s\n", reason_info(a->because)->word);
        }
}

void record_limits(struct record *r, const char *title, const struct limits *limits) {
        if (!r->out)
                return;
        fprintf(r->out, "# %s\nlimits", title);
        print_fields(r->out, policy_limits_fields, limits, NULL);
        fputc('\n', r->out);
}

void record_look(struct record *r, const struct snapshot *snapshot, const struct plan *plan) {
        if (!r->out)
                return;
        fprintf(r->out, "at %llums", (unsigned long long) snapshot->now_ms);
        print_fields(r->out, policy_snapshot_fields, snapshot, r->begun ? &r->before : NULL);
        fputc('\n', r->out);
        record_models(r, snapshot);
        record_wants(r, snapshot);
        record_sensors(r, snapshot);
        record_plan(r->out, plan);
        r->begun = true;
        r->before = *snapshot;
}
