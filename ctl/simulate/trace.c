/* trace.c - keeps what a plot needs of a replay. */
#include "ctl/simulate/trace.h"

#include <assert.h>
#include <stdlib.h>

/* Room for one more of SIZE bytes. */
static void *grown(void *array, size_t count, size_t *room, size_t size) {
        if (count < *room)
                return array;
        *room = *room ? *room * 2 : 64;
        array = realloc(array, *room * size);
        assert(array);
        return array;
}

static void add_level(struct trace *t, struct trace_level level) {
        t->levels = grown(t->levels, t->levels_count, &t->levels_room, sizeof(*t->levels));
        t->levels[t->levels_count++] = level;
}

static const struct model_view *find(const struct snapshot *snapshot, uint32_t id) {
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                if (snapshot->models[i].id == id)
                        return &snapshot->models[i];
        return NULL;
}

static bool is_known_as(const struct trace *t, const struct model_view *m) {
        for (uint32_t i = 0; i < t->known_count; i++)
                if (t->known[i].id == m->id)
                        return t->known[i].level == m->level;
        return false;
}

static void add_levels(struct trace *t, const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < t->known_count; i++)
                if (!find(snapshot, t->known[i].id))
                        add_level(t, (struct trace_level){ .time_ms = snapshot->now_ms, .model = t->known[i].id, .gone = true });
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                if (!is_known_as(t, m))
                        add_level(t, (struct trace_level){ snapshot->now_ms, m->id, false, m->level });
        }
        t->known_count = snapshot->models_count;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                t->known[i].id = snapshot->models[i].id;
                t->known[i].level = snapshot->models[i].level;
        }
}

static void add_actions(struct trace *t, uint64_t now_ms, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                if (t->actions_count == TRACE_ACTIONS_MAX) {
                        t->actions_left_out++;
                        continue;
                }
                t->actions = grown(t->actions, t->actions_count, &t->actions_room, sizeof(*t->actions));
                t->actions[t->actions_count++] = (struct trace_action){ now_ms, plan->actions[i].model, plan->actions[i].kind };
        }
}

void trace_add(struct trace *t, const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan) {
        bool sensed = plan->margin_millidegrees != INT32_MAX;
        t->reserve_bytes = limits->reserve_bytes;
        t->margin_target_millidegrees = limits->margin_target_millidegrees;
        t->looks = grown(t->looks, t->looks_count, &t->looks_room, sizeof(*t->looks));
        t->looks[t->looks_count++] = (struct trace_look){
                .time_ms = snapshot->now_ms,
                .exhaustion_ms = plan->exhaustion_ms,
                .headroom_bytes = plan->headroom_bytes,
                .millidegrees = sensed ? plan->millidegrees : INT32_MAX,
                .critical_millidegrees =
                        sensed ? (int32_t) ((int64_t) plan->millidegrees + plan->margin_millidegrees) : INT32_MAX,
                .duty_permille = (uint16_t) (plan->duty_permille < 1000 ? plan->duty_permille : 1000),
                .rung = (uint8_t) plan->rung,
                .heat_level = (uint8_t) plan->heat_level,
        };
        add_levels(t, snapshot);
        add_actions(t, snapshot->now_ms, plan);
}

void trace_done(struct trace *t) {
        free(t->looks);
        free(t->levels);
        free(t->actions);
        *t = (struct trace){ 0 };
}
