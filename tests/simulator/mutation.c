/* mutation.c - the table of broken policies. */
#include "tests/simulator/mutation.h"

#include <stddef.h>
#include <string.h>

static void add_action(struct plan *plan, enum action_kind kind, uint32_t model, enum reason because) {
        if (plan->actions_count < PLAN_ACTIONS_MAX)
                plan->actions[plan->actions_count++] = (struct action){ .kind = kind, .model = model, .because = because };
}

/* --- pinned means nothing --- */

static void nobody_is_pinned(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                snapshot->models[i].pinned = false;
}

/* --- every look acts, whatever the last one did --- */

static void forget_promises(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) snapshot;
        memset(&past->settling, 0, sizeof(past->settling));
}

/* --- pressure is enough --- */

static void act_on_pressure(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        bool pressure = snapshot->stall_us > m->stall_us + 50000;
        m->stall_us = snapshot->stall_us;
        for (uint32_t i = 0; pressure && i < snapshot->models_count; i++)
                if (snapshot->models[i].state == ACCOUNT_IDLE && !snapshot->models[i].pinned) {
                        add_action(plan, ACTION_EVICT, snapshot->models[i].id, REASON_STALL);
                        return;
                }
}

/* --- it waits until it hurts: memory that is there is believed to stay --- */

static void see_no_decline(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m;
        memset(&past->forecast, 0, sizeof(past->forecast));
        memset(&past->ladder, 0, sizeof(past->ladder));
        if (snapshot->available_bytes > 0 && snapshot->available_bytes < snapshot->ram_bytes / 2)
                snapshot->available_bytes = snapshot->ram_bytes / 2;
}

/* --- whoever works is the largest --- */

static void take_the_busy(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m;
        for (uint32_t k = 0; k < plan->actions_count; k++) {
                for (uint32_t i = 0; plan->actions[k].kind == ACTION_EVICT && i < snapshot->models_count; i++)
                        if (snapshot->models[i].state == ACCOUNT_BUSY && !snapshot->models[i].pinned)
                                plan->actions[k].model = snapshot->models[i].id;
        }
}

/* --- violence first --- */

static void end_at_once(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m;
        for (uint32_t i = 0; plan->rung >= RUNG_EVICT && i < snapshot->models_count; i++)
                if (snapshot->models[i].running > 0 && !snapshot->models[i].pinned && snapshot->models[i].state == ACCOUNT_BUSY) {
                        plan->actions_count = 0;
                        add_action(plan, ACTION_END, snapshot->models[i].id, REASON_FORECAST);
                        return;
                }
}

/* --- any engine will do --- */

static const struct model_view *least_of_the_busy(const struct snapshot *snapshot) {
        const struct model_view *least = NULL;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                if (m->running > 0 && !m->pinned && m->state == ACCOUNT_BUSY && (!least || m->bytes < least->bytes))
                        least = m;
        }
        return least;
}

static void end_for_little(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m;
        const struct model_view *least = least_of_the_busy(snapshot);
        if (plan->cliff_ms < 2000 && least)
                add_action(plan, ACTION_END, least->id, REASON_FORECAST);
}

/* --- the last resort is never taken --- */

static void end_nobody(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m, (void) snapshot;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < plan->actions_count; k++)
                if (plan->actions[k].kind != ACTION_END)
                        plan->actions[kept++] = plan->actions[k];
        plan->actions_count = kept;
}

/* --- not seeing the temperature is taken for cool --- */

static void miss_nothing(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->sensors_count; i++)
                if (snapshot->sensors[i].state == SENSOR_MISSED)
                        snapshot->sensors[i].state = SENSOR_OLD;
}

static void stay_at_full_speed(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m, (void) snapshot;
        plan->heat_level = 0;
        plan->duty_permille = plan->threads_permille = 1000;
}

/* --- one reading is believed, whatever it says --- */

static void believe_a_sensor(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m;
        for (uint32_t i = 0; i < snapshot->sensors_count; i++) {
                const struct sensor_view *s = &snapshot->sensors[i];
                if (s->state == SENSOR_READ && s->control && s->millidegrees > 95000)
                        plan->heat_level = HEAT_LEVELS - 1;
        }
}

/* --- a temperature is obeyed though it does not move, whatever the load --- */

static void see_no_load(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        snapshot->load_permille = 0;
}

/* --- percentages --- */

static void fear_percentages(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m;
        if (snapshot->available_bytes < snapshot->ram_bytes / 5)
                plan->hold_loads = plan->hold_growth = plan->hold_batch = true;
        plan->batch_because = REASON_MEMORY_HELD;
}

/* --- MemAvailable is taken at its word: mapped weights are free --- */

static void weights_are_free(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                snapshot->models[i].weights_bytes = 0;
                snapshot->models[i].refaults = snapshot->models[i].stall_us = 0;
        }
        snapshot->refaults = 0;
}

/* --- every engine is taken for one that can do all --- */

static void nobody_lacks(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                snapshot->models[i].lacks = 0;
}

/* --- what is held once is held for ever --- */

static void hold_for_ever(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) snapshot;
        m->held = m->held || plan->hold_loads;
        plan->hold_loads = plan->hold_loads || m->held;
}

static void give_nothing_back(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m, (void) snapshot;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < plan->actions_count; k++)
                if (plan->actions[k].because != REASON_CALM)
                        plan->actions[kept++] = plan->actions[k];
        plan->actions_count = kept;
}

/* --- engines are stopped from computing --- */

static void stand_still(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m, (void) snapshot;
        plan->duty_permille = 0;
}

/* --- pools --- */

static void count_no_growth(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                snapshot->models[i].pool_token_bytes = 0;
}

static bool is_pool_order(const struct action *a) {
        return a->kind == ACTION_POOL || a->kind == ACTION_TURN_OUT;
}

static struct model_view *view_of(struct mutant *m, uint32_t id) {
        for (uint32_t i = 0; i < m->snapshot.models_count; i++)
                if (m->snapshot.models[i].id == id)
                        return &m->snapshot.models[i];
        return NULL;
}

static void take_what_runs(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) snapshot;
        for (uint32_t k = 0; k < plan->actions_count; k++) {
                const struct model_view *v = view_of(m, plan->actions[k].model);
                if (is_pool_order(&plan->actions[k]) && plan->actions[k].value < v->pool)
                        plan->actions[k].value = v->pool_floor;
        }
}

/* Whoever came first waits for all others. */
static void turn_out_the_oldest(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                snapshot->models[i].pool_since_ms = snapshot->now_ms - snapshot->models[i].pool_since_ms;
}

static void grow_never(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) snapshot;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < plan->actions_count; k++) {
                const struct action *a = &plan->actions[k];
                if (!is_pool_order(a) || a->value < view_of(m, a->model)->pool)
                        plan->actions[kept++] = *a;
        }
        plan->actions_count = kept;
}

/* What was asked for is forgotten, and what an engine has still to answer: it is asked again at each look. */
static void forget_orders(struct mutant *m, struct snapshot *snapshot, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                snapshot->models[i].pool_asked = snapshot->models[i].pool;
                snapshot->models[i].pool_told = false;
        }
}

static void order_of_all(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                if (snapshot->models[i].pool == 0 && snapshot->models[i].state == ACCOUNT_BUSY)
                        add_action(plan, ACTION_POOL, snapshot->models[i].id, REASON_REQUEST);
}

static void order_twice(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) m, (void) snapshot;
        uint32_t count = plan->actions_count;
        for (uint32_t k = 0; k < count && plan->actions_count < PLAN_ACTIONS_MAX; k++)
                if (is_pool_order(&plan->actions[k]))
                        plan->actions[plan->actions_count++] = plan->actions[k];
}

static void grow_beyond_all(struct mutant *m, const struct snapshot *snapshot, struct plan *plan) {
        (void) snapshot;
        for (uint32_t k = 0; k < plan->actions_count; k++)
                if (is_pool_order(&plan->actions[k]))
                        plan->actions[k].value = view_of(m, plan->actions[k].model)->pool_full + 1;
}

const struct mutation mutations[] = {
        { "ignores_pinned", "pinned models are never evicted", "pinned", nobody_is_pinned, NULL },
        { "never_settles", "acts are not stacked before they show", "settle", forget_promises, NULL },
        { "acts_on_pressure", "pressure alone never acts", "quiet", NULL, act_on_pressure },
        { "waits_for_the_cliff", "the first act follows a forecast or an eaten reserve", "cliff", see_no_decline, NULL },
        { "evicts_the_busy", "a busy model never has to leave", "busy", NULL, take_the_busy },
        { "ends_at_once", "no violence while a milder act is left", "milder", NULL, end_at_once },
        { "ends_for_little", "no answer is cut for what changes nothing", "in_vain", NULL, end_for_little },
        { "ends_nobody", "one engine is ended before the kernel picks a victim", "last_resort", NULL, end_nobody },
        { "trusts_silence", "a lost sensor counts as hot", "fail_hot", miss_nothing, NULL },
        { "ignores_heat", "the temperature is held", "hot", NULL, stay_at_full_speed },
        { "believes_one_reading", "one spurious reading changes nothing", "cold", NULL, believe_a_sensor },
        { "obeys_the_stuck", "a thermometer that does not move is not obeyed", "cold", see_no_load, NULL },
        { "fears_percentages", "percentages never act", "quiet", NULL, fear_percentages },
        { "believes_memavailable", "mapped weights are not free", "cliff", weights_are_free, NULL },
        { "asks_all_of_all", "a plan never asks for a verb that the engine lacks", "lacks", nobody_lacks, NULL },
        { "holds_for_ever", "with room, somebody is served", "starving", NULL, hold_for_ever },
        { "gives_nothing_back", "what was taken comes back", "given_back", NULL, give_nothing_back },
        { "stands_still", "a request that has begun ends", "deadline", NULL, stand_still },
        { "counts_no_growth", "engines stay within the budget, with all that their pools may come to hold", "budget",
          count_no_growth, NULL },
        { "takes_what_runs", "a pool is not cut below what running requests hold", "pool_cut", NULL, take_what_runs },
        { "turns_out_the_oldest", "running requests wait for older ones alone", "pool_cut", turn_out_the_oldest, NULL },
        { "grows_never", "the oldest request gets room in its pool", "pool_starves", NULL, grow_never },
        { "forgets_orders", "an order about a pool is not repeated", "pool_flaps", forget_orders, NULL },
        { "orders_of_all", "only a pool that can change is told to", "pool_stiff", NULL, order_of_all },
        { "orders_twice", "one look tells a model one thing about its pool", "pool_twice", NULL, order_twice },
        { "grows_beyond_all", "a pool stays between its least and its most", "pool_size", NULL, grow_beyond_all },
        { NULL, NULL, NULL, NULL, NULL },
};

void mutation_decide(const struct mutation *mutation, struct mutant *m, const struct limits *limits,
                     const struct snapshot *snapshot, struct past *past, struct plan *ret) {
        if (!mutation) {
                policy_decide(limits, snapshot, past, ret);
                return;
        }
        m->snapshot = *snapshot;
        if (mutation->before)
                mutation->before(m, &m->snapshot, past);
        policy_decide(limits, &m->snapshot, past, ret);
        if (mutation->after)
                mutation->after(m, snapshot, ret);
}
