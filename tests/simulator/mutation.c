/* mutation.c - the table of broken policies. */
#include "tests/simulator/mutation.h"

#include <stddef.h>
#include <string.h>

static void add_act(struct plan *plan, enum act_kind kind, uint32_t model, enum reason because) {
        if (plan->acts_count < PLAN_ACTS_MAX)
                plan->acts[plan->acts_count++] = (struct act){ .kind = kind, .model = model, .because = because };
}

/* --- pinned means nothing --- */

static void nobody_is_pinned(struct mutant *m, struct seen *seen, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < seen->models_count; i++)
                seen->models[i].pinned = false;
}

/* --- every look acts, whatever the last one did --- */

static void forget_promises(struct mutant *m, struct seen *seen, struct past *past) {
        (void) m, (void) seen;
        memset(&past->settling, 0, sizeof(past->settling));
}

/* --- pressure is enough --- */

static void act_on_pressure(struct mutant *m, const struct seen *seen, struct plan *plan) {
        bool pressure = seen->stall_us > m->stall_us + 50000;
        m->stall_us = seen->stall_us;
        for (uint32_t i = 0; pressure && i < seen->models_count; i++)
                if (seen->models[i].state == ACCOUNT_IDLE && !seen->models[i].pinned) {
                        add_act(plan, ACT_EVICT, seen->models[i].id, REASON_STALL);
                        return;
                }
}

/* --- it waits until it hurts: memory that is there is believed to stay --- */

static void see_no_decline(struct mutant *m, struct seen *seen, struct past *past) {
        (void) m;
        memset(&past->forecast, 0, sizeof(past->forecast));
        memset(&past->ladder, 0, sizeof(past->ladder));
        if (seen->available_bytes > 0 && seen->available_bytes < seen->ram_bytes / 2)
                seen->available_bytes = seen->ram_bytes / 2;
}

/* --- whoever works is the largest --- */

static void take_the_busy(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m;
        for (uint32_t k = 0; k < plan->acts_count; k++) {
                for (uint32_t i = 0; plan->acts[k].kind == ACT_EVICT && i < seen->models_count; i++)
                        if (seen->models[i].state == ACCOUNT_BUSY && !seen->models[i].pinned)
                                plan->acts[k].model = seen->models[i].id;
        }
}

/* --- violence first --- */

static void end_at_once(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m;
        for (uint32_t i = 0; plan->rung >= RUNG_EVICT && i < seen->models_count; i++)
                if (seen->models[i].running > 0 && !seen->models[i].pinned && seen->models[i].state == ACCOUNT_BUSY) {
                        plan->acts_count = 0;
                        add_act(plan, ACT_END, seen->models[i].id, REASON_FORECAST);
                        return;
                }
}

/* --- the last resort is never taken --- */

static void end_nobody(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m, (void) seen;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < plan->acts_count; k++)
                if (plan->acts[k].kind != ACT_END)
                        plan->acts[kept++] = plan->acts[k];
        plan->acts_count = kept;
}

/* --- not seeing the temperature is taken for cool --- */

static void miss_nothing(struct mutant *m, struct seen *seen, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < seen->sensors_count; i++)
                if (seen->sensors[i].state == SENSOR_MISSED)
                        seen->sensors[i].state = SENSOR_OLD;
}

static void stay_at_full_speed(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m, (void) seen;
        plan->heat_level = 0;
        plan->duty_permille = plan->threads_permille = 1000;
}

/* --- one reading is believed, whatever it says --- */

static void believe_a_sensor(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m;
        for (uint32_t i = 0; i < seen->sensors_count; i++) {
                const struct sensor_view *s = &seen->sensors[i];
                if (s->state == SENSOR_READ && s->control && s->millidegrees > 95000)
                        plan->heat_level = HEAT_LEVELS - 1;
        }
}

/* --- percentages --- */

static void fear_percentages(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m;
        if (seen->available_bytes < seen->ram_bytes / 5)
                plan->hold_loads = plan->hold_growth = plan->hold_batch = true;
}

/* --- MemAvailable is taken at its word: mapped weights are free --- */

static void weights_are_free(struct mutant *m, struct seen *seen, struct past *past) {
        (void) m, (void) past;
        for (uint32_t i = 0; i < seen->models_count; i++) {
                seen->models[i].weights_bytes = 0;
                seen->models[i].refaults = seen->models[i].stall_us = 0;
        }
        seen->refaults = 0;
}

/* --- what is held once is held for ever --- */

static void hold_for_ever(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) seen;
        m->held = m->held || plan->hold_loads;
        plan->hold_loads = plan->hold_loads || m->held;
}

static void give_nothing_back(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m, (void) seen;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < plan->acts_count; k++)
                if (plan->acts[k].because != REASON_CALM)
                        plan->acts[kept++] = plan->acts[k];
        plan->acts_count = kept;
}

/* --- engines are stopped from computing --- */

static void stand_still(struct mutant *m, const struct seen *seen, struct plan *plan) {
        (void) m, (void) seen;
        plan->duty_permille = 0;
}

const struct mutation mutations[] = {
        { "ignores_pinned", "pinned models are never evicted", "pinned", nobody_is_pinned, NULL },
        { "never_settles", "acts are not stacked before they show", "settle", forget_promises, NULL },
        { "acts_on_pressure", "pressure alone never acts", "quiet", NULL, act_on_pressure },
        { "waits_for_the_cliff", "the first act follows a forecast or an eaten reserve", "cliff", see_no_decline, NULL },
        { "evicts_the_busy", "a busy model never has to leave", "busy", NULL, take_the_busy },
        { "ends_at_once", "no violence while a milder act is left", "milder", NULL, end_at_once },
        { "ends_nobody", "one engine is ended before the kernel picks a victim", "last_resort", NULL, end_nobody },
        { "trusts_silence", "a lost sensor counts as hot", "fail_hot", miss_nothing, NULL },
        { "ignores_heat", "the temperature is held", "hot", NULL, stay_at_full_speed },
        { "believes_one_reading", "one spurious reading changes nothing", "cold", NULL, believe_a_sensor },
        { "fears_percentages", "percentages never act", "quiet", NULL, fear_percentages },
        { "believes_memavailable", "mapped weights are not free", "cliff", weights_are_free, NULL },
        { "holds_for_ever", "with room, somebody is served", "starving", NULL, hold_for_ever },
        { "gives_nothing_back", "what was taken comes back", "given_back", NULL, give_nothing_back },
        { "stands_still", "a request that has begun ends", "deadline", NULL, stand_still },
        { NULL, NULL, NULL, NULL, NULL },
};

void mutation_decide(const struct mutation *mutation, struct mutant *m, const struct limits *limits, const struct seen *seen,
                     struct past *past, struct plan *ret) {
        if (!mutation) {
                policy_decide(limits, seen, past, ret);
                return;
        }
        m->seen = *seen;
        if (mutation->before)
                mutation->before(m, &m->seen, past);
        policy_decide(limits, &m->seen, past, ret);
        if (mutation->after)
                mutation->after(m, seen, ret);
}
