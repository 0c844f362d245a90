/*
 * fuzz_scenario.c - libFuzzer's door to the reader of scenarios, and through it to the policy: whatever a scenario can say
 * must be decided without a crash, an overflow or a plan that breaks its own header.
 *
 * `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/simulate/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
        struct scenario scenario;
        struct past past;
        struct plan plan;
        struct deeds deeds;
} replay;

static const struct model_view *find(const struct snapshot *snapshot, uint32_t id) {
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                if (snapshot->models[i].id == id)
                        return &snapshot->models[i];
        return NULL;
}

/* policy.h: a plan never names a model that is not in the snapshot, never evicts a pinned one. */
static void check_plan(const struct snapshot *snapshot, const struct plan *plan) {
        if (plan->actions_count > PLAN_ACTIONS_MAX || plan->rung >= RUNG_COUNT || plan->because >= REASON_COUNT ||
            plan->heat_because >= REASON_COUNT || plan->heat_level >= HEAT_LEVELS || plan->duty_permille > 1000 ||
            plan->threads_permille > 1000 || plan->look_again_ms < snapshot->now_ms)
                abort();
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                if (a->kind == ACTION_NONE || a->kind >= ACTION_COUNT || a->because >= REASON_COUNT || a->level >= KV_TYPE_COUNT)
                        abort();
                const struct model_view *m = find(snapshot, a->model);
                if ((a->kind == ACTION_DROP_FILES) != (a->model == UINT32_MAX) || (a->kind != ACTION_DROP_FILES && !m))
                        abort();
                if ((a->kind == ACTION_EVICT || a->kind == ACTION_END) && m->pinned)
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *copy = malloc(size ? size : 1); /* exactly its size: a sanitizer sees each byte too far */
        memcpy(copy, data, size);
        memset(&replay, 0, sizeof(replay));
        scenario_init(&replay.scenario, copy, size);
        while (scenario_next(&replay.scenario) > 0) {
                const struct scenario *s = &replay.scenario;
                policy_decide(&s->limits, &s->snapshot, &replay.past, &replay.plan);
                check_plan(&s->snapshot, &replay.plan);
                (void) deeds_add(&replay.deeds, &replay.plan);
                for (uint32_t i = 0; i < s->expectations_count; i++)
                        (void) expectation_holds(&s->expectations[i], &s->snapshot, &replay.plan, &replay.deeds);
        }
        free(copy);
        return 0;
}
