/* check_plan.c - what a plan must never say. */
#include <stddef.h>

#include "tests/simulator/check_internal.h"

#define STALL_SETTLE_CHECK_MS 15000u /* counters lag after a stall */
#define NEAR_S                6.0    /* stacking is allowed under 3 s; we do not know better than by half */
#define NEAR_MS               1000u  /* ... nor that it is over sooner than that, when much came back at once */
#define FAR_S                 12.0   /* no reason to cut an answer */
#define LITTLE_PART           256.0  /* of the memory: 4 MiB of 1 GiB are no reason to cut an answer */
#define LASTS_S               0.4    /* what is gone sooner than that was in vain ... */
#define YOUNG_PART            4.0 /* ... but where it is so much of what others hold: such a growth may be over as soon as it came */
#define EVICTIONS_A_MINUTE    3u /* by the governor, of one model */
#define MISSES                3u
#define MISS_MS               750u /* looks that are nearer may tell of one reading twice */
#define BUSY_ALL_THE_TIME     0.95
#define CHANGES_AN_HOUR       80.0
#define CHANGES_AT_FIRST      16.0
#define LOOK_AGAIN_MAX_MS     10000u
#define FOLLOWED_MS           5000u /* rest or work for so long shows in any thermometer; at the third change it must be known */
#define CHANGES_TO_SHOW       3u

static bool frees(enum action_kind kind) {
        return kind == ACTION_TRIM || kind == ACTION_EVICT || kind == ACTION_DOWNSHIFT || kind == ACTION_SUSPEND ||
               kind == ACTION_END;
}

/* Whoever leaves for a load is neither pinned nor on its way already. */
static void check_unloads(struct check *c, const struct world *w, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->unloads_count; i++) {
                const struct model *m = &w->models[plan->unloads[i].model];
                if (m->pinned)
                        check_fire(c, "pinned", "model %u is pinned, and was to leave for another", plan->unloads[i].model);
                if (!model_is_loaded(m))
                        check_fire(c, "shape", "model %u is to leave, and is not loaded", plan->unloads[i].model);
        }
        for (uint32_t i = 0; i < plan->loads_count; i++)
                if (plan->loads[i].refused && plan->loads[i].because == REASON_NONE)
                        check_fire(c, "shape", "model %u is refused without a reason", plan->loads[i].model);
}

static void check_victim(struct check *c, const struct world *w, const struct action *a) {
        const struct model *m = &w->models[a->model];
        bool leaves = a->kind == ACTION_EVICT || a->kind == ACTION_END;
        if (leaves && m->pinned)
                check_fire(c, "pinned", "model %u is pinned, and was to leave (%s)", a->model, policy_action_word(a->kind));
        if (a->kind == ACTION_EVICT && (model_running(m) > 0 || m->waiting_count > 0))
                check_fire(c, "busy", "model %u is busy, and was to leave", a->model);
        if (m->lacks & ACTION_BIT(a->kind))
                check_fire(c, "lacks", "the engine of model %u has no verb for %s", a->model, policy_action_word(a->kind));
}

/* An answer was cut: for how much, for how long, and did it make the difference? */
static void check_in_vain(struct check *c, const struct world *w, const struct action *a) {
        const struct model *m = &w->models[a->model];
        double frees = (double) model_bytes(m), way = (double) world_headroom(w) + (double) w->limits.reserve_bytes;
        double pace = check_pace(c), to_come = hogs_to_come(w);
        bool saves = way < to_come && way + frees >= to_come;
        if (frees < (double) w->memory.ram_bytes / LITTLE_PART)
                check_fire(c, "in_vain", "model %u was to be ended in the middle of an answer for %.1f MiB", a->model,
                           frees / MIB);
        bool young = frees > hogs_bytes(w) / YOUNG_PART;
        if (pace > 0 && frees / pace < LASTS_S && !saves && !young)
                check_fire(
                        c, "in_vain",
                        "model %u was to be ended in the middle of an answer: %.1f MiB, which last %.2f s, and %.1f MiB are to come",
                        a->model, frees / MIB, frees / pace, to_come / MIB);
        if (way > frees && check_seconds_left(c, (double) w->limits.reserve_bytes) > FAR_S)
                check_fire(c, "in_vain", "model %u was to be ended in the middle of an answer for %.1f MiB, with %.1f MiB left",
                           a->model, frees / MIB, way / MIB);
}

static void check_violence(struct check *c, const struct world *w, const struct action *a) {
        uint32_t model;
        const struct model *m = &w->models[a->model];
        if ((a->kind != ACTION_SUSPEND && a->kind != ACTION_END) || check_stands_still(w, m))
                return;
        if (a->kind == ACTION_END && model_running(m) + model_suspended(m) == 0)
                return; /* nobody loses an answer */
        if (a->kind == ACTION_END)
                check_in_vain(c, w, a);
        const char *milder = check_milder_means(c, w, a->kind == ACTION_END, &model);
        if (milder)
                check_fire(c, "milder", "%s %u because %s, though %s: model %u", policy_action_word(a->kind), a->model,
                           reason_info(a->because)->word, milder, model);
}

bool check_has_shown(const struct world *w, const struct ordered *o) {
        const struct model *m = &w->models[o->model];
        if (m->generation != o->generation || m->life == LIFE_ABSENT || m->life == LIFE_WAITING)
                return true;
        switch (o->kind) {
        case ACTION_TRIM: return model_prefix_bytes(m) <= 0.4 * o->before;
        case ACTION_DOWNSHIFT: return m->level >= o->level && check_to_convert_bytes(m, o->level) <= 0.4 * o->before;
        case ACTION_SUSPEND: return model_suspended(m) > 0 || model_running(m) == 0;
        default: return false;
        }
}

static void check_settling(struct check *c, const struct world *w, const struct plan *plan) {
        const struct action *some = NULL;
        bool stall = false;
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                some = frees(plan->actions[i].kind) ? &plan->actions[i] : some;
                stall = stall || (frees(plan->actions[i].kind) && plan->actions[i].kind != ACTION_TRIM &&
                                  plan->actions[i].because == REASON_STALL);
        }
        if (check_seconds_left(c, 0) < NEAR_S || (c->below_zero_ms > 0 && check_seconds_left(c, 1e18) < 1e9))
                c->near_ms = w->now_ms;
        bool near = c->near_ms > 0 && w->now_ms - c->near_ms < NEAR_MS;
        for (uint32_t i = 0; some && i < c->ordered_count && !near; i++)
                if (w->now_ms - c->ordered_ms < SETTLE_CHECK_MS && !c->ordered[i].shown)
                        check_fire(
                                c, "settle",
                                "%s %u because %s, but %llu ms ago: %s %u, which has not shown yet, and the end is %.1f s away",
                                policy_action_word(some->kind), some->model, reason_info(some->because)->word,
                                (unsigned long long) (w->now_ms - c->ordered_ms), policy_action_word(c->ordered[i].kind),
                                c->ordered[i].model, check_seconds_left(c, 0));
        if (stall && c->stall_ms > 0 && w->now_ms - c->stall_ms < STALL_SETTLE_CHECK_MS && !near && c->below_zero_ms == 0)
                check_fire(c, "settle", "two acts against one stall, %llu ms apart",
                           (unsigned long long) (w->now_ms - c->stall_ms));
        if (stall)
                c->stall_ms = w->now_ms;
}

static void note_actions(struct check *c, const struct world *w, const struct plan *plan) {
        bool first = true;
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                if (a->model == UINT32_MAX)
                        continue;
                const struct model *m = &w->models[a->model];
                c->tried_ms[a->model][a->kind] = w->now_ms;
                if (a->kind == ACTION_END)
                        c->ended_ms = w->now_ms;
                for (unsigned l = 0; a->kind == ACTION_DOWNSHIFT && l <= a->level; l++)
                        c->shifted_ms[a->model][l] = w->now_ms; /* in a hurry more than one level at a time */
                if (a->kind == ACTION_EVICT)
                        c->evictions_ms[a->model][c->evictions_count[a->model]++ % LOADS_KEPT] = w->now_ms;
                if (!frees(a->kind))
                        continue;
                if (first) {
                        c->ordered_count = 0;
                        c->ordered_ms = w->now_ms;
                        first = false;
                }
                double before = a->kind == ACTION_TRIM        ? model_prefix_bytes(m)
                                : a->kind == ACTION_DOWNSHIFT ? check_to_convert_bytes(m, a->level)
                                                              : 0;
                c->ordered[c->ordered_count++] =
                        (struct ordered){ a->kind, a->model, m->generation, w->now_ms, a->level, before, false };
        }
}

static void check_evictions(struct check *c, const struct world *w, uint32_t i) {
        uint32_t lately = 0;
        for (uint32_t k = 0; k < c->evictions_count[i] && k < LOADS_KEPT; k++)
                lately += w->now_ms - c->evictions_ms[i][k] < 60000;
        if (lately > EVICTIONS_A_MINUTE)
                check_fire(c, "flapping", "the governor made model %u leave %u times in a minute", i, lately);
}

static void check_quiet(struct check *c, const struct world *w, const struct plan *plan) {
        if (w->mood != MOOD_QUIET)
                return;
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                if (!check_is_pool_order(a)) /* requests make pools grow on the quietest box */
                        check_fire(c, "quiet", "nothing was wrong, and yet: %s %d because %s", policy_action_word(a->kind),
                                   (int) a->model, reason_info(a->because)->word);
        }
        if (plan->hold_loads || plan->hold_growth || plan->hold_batch || plan->rung != RUNG_CALM)
                check_fire(c, "quiet", "nothing was wrong, and yet it holds, on rung %s because %s", policy_rung_word(plan->rung),
                           reason_info(plan->because)->word);
}

/* A thermometer that does not move is obeyed until the load has changed under it. */
static bool may_obey_stuck(struct check *c, const struct world *w) {
        bool works = w->heat.busy > 0;
        if (works == c->works) {
                c->works_ms = w->now_ms;
        } else if (w->now_ms - c->works_ms >= FOLLOWED_MS) {
                c->works = works;
                c->works_ms = w->now_ms;
                c->changes++;
        }
        for (uint32_t i = 0; i < w->heat.sensors_count && c->changes < CHANGES_TO_SHOW; i++)
                if (w->heat.sensors[i].fault == SENSOR_STUCK)
                        return true;
        return false;
}

static void check_sensors(struct check *c, const struct world *w, const struct snapshot *snapshot, const struct plan *plan) {
        for (uint32_t i = 0; i < snapshot->sensors_count; i++) {
                const struct sensor *s = &w->heat.sensors[i];
                enum sensor_state state = snapshot->sensors[i].state;
                if (state != SENSOR_OLD && state != SENSOR_MISSED)
                        c->told_misses[i] = 0;
                if (state == SENSOR_MISSED && w->now_ms >= c->missed_ms[i] + MISS_MS) {
                        c->missed_ms[i] = w->now_ms;
                        c->told_misses[i]++;
                }
                c->fault_seen = c->fault_seen || (s->control && s->fault != SENSOR_GOOD && s->fault < SENSOR_NEVER &&
                                                  w->now_ms >= s->fault_begin_ms);
                if (s->control && c->told_misses[i] >= MISSES && plan->heat_level != HEAT_LEVELS - 1)
                        check_fire(c, "fail_hot", "control sensor %u was missed %u times, and the level of heat is %u", s->key,
                                   c->told_misses[i], plan->heat_level);
        }
        bool cold = c->hottest < w->heat.critical - MARGIN_DEGREES - 6 && !c->fault_seen && w->heat.throttles == 0;
        if (cold && !may_obey_stuck(c, w) && plan->heat_level != 0)
                check_fire(c, "cold", "it was never hotter than %.1f degrees, and the level of heat is %u because %s", c->hottest,
                           plan->heat_level, reason_info(plan->heat_because)->word);
        /* The promise is about sustained load; each burst may ask for another level. */
        if (plan->heat_level != c->heat_level && c->busy > BUSY_ALL_THE_TIME)
                c->heat_changes++;
        c->heat_level = plan->heat_level;
        double hours = (double) w->now_ms / 3600000;
        /* A control sensor that comes and goes may pull the level down each time. */
        if (!c->fault_seen && c->heat_changes > CHANGES_AN_HOUR * hours + CHANGES_AT_FIRST)
                check_fire(c, "restless", "%u changes of the level of heat in %.2f hours", c->heat_changes, hours);
}

static void check_shape(struct check *c, const struct snapshot *snapshot, const struct plan *plan) {
        if (plan->look_again_ms <= snapshot->now_ms || plan->look_again_ms > snapshot->now_ms + LOOK_AGAIN_MAX_MS)
                check_fire(c, "shape", "the next look is to be at %llu", (unsigned long long) plan->look_again_ms);
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                bool known = a->kind == ACTION_DROP_FILES && a->model == UINT32_MAX;
                for (uint32_t k = 0; k < snapshot->models_count; k++)
                        known = known || snapshot->models[k].id == a->model;
                if (!known)
                        check_fire(c, "shape", "%s names model %u, which is not there", policy_action_word(a->kind), a->model);
        }
}

void check_plan(struct check *c, const struct world *w, const struct snapshot *snapshot, const struct plan *plan) {
        check_shape(c, snapshot, plan);
        if (c->who)
                return;
        for (uint32_t i = 0; i < plan->actions_count; i++)
                if (plan->actions[i].model != UINT32_MAX)
                        check_victim(c, w, &plan->actions[i]);
        check_unloads(c, w, plan);
        check_settling(c, w, plan);
        note_actions(c, w, plan);
        for (uint32_t i = 0; i < plan->actions_count; i++)
                if (plan->actions[i].model != UINT32_MAX)
                        check_violence(c, w, &plan->actions[i]);
        for (uint32_t i = 0; i < w->models_count; i++)
                check_evictions(c, w, i);
        check_pool_orders(c, w, plan);
        check_quiet(c, w, plan);
        check_sensors(c, w, snapshot, plan);
        if (snapshot->memory_blind)
                c->seen_blind_ms = w->now_ms;
}
