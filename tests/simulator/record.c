/* record.c - by the same tables as the daemon's flight recorder: everything at first, then what has changed. */
#include "tests/simulator/record.h"

#include "policy/record/field_text.h"
#include "policy/record/snapshot_lists.h"

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

static void record_list(struct record *r, const struct snapshot_list *l, const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < policy_list_count(l, &r->before); i++)
                if (!policy_list_find(l, snapshot, policy_list_id(l, &r->before, i)))
                        fprintf(r->out, "  gone %s %u\n", l->word, policy_list_id(l, &r->before, i));
        for (uint32_t i = 0; i < policy_list_count(l, snapshot); i++) {
                uint32_t id = policy_list_id(l, snapshot, i);
                const void *item = policy_list_at(l, snapshot, i), *before = policy_list_find(l, &r->before, id);
                if (before && !differs(l->fields, item, before))
                        continue;
                fprintf(r->out, "  %s %u", l->word, id);
                print_fields(r->out, l->fields, item, before);
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
                if (policy_action_has_value(a->kind))
                        fprintf(out, " to %u", a->value);
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
        for (unsigned i = 0; i < LIST_COUNT; i++)
                record_list(r, &policy_lists[i], snapshot);
        record_plan(r->out, plan);
        r->begun = true;
        r->before = *snapshot;
}
