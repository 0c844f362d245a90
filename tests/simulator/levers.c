/* levers.c - orders to engines: on their way, obeyed late, by halves, or never. */
#include <string.h>

#include "tests/simulator/fleet_obey.h"
#include "tests/simulator/parts.h"

#define ORDERS        (sizeof(((struct model *) NULL)->orders) / sizeof(struct order))
#define DISK_PER_S    300e6
#define KILL_TAKES_MS 50u

static uint64_t delay_ms(struct world *w, const struct model *m) {
        return m->temper == TEMPER_PROMPT ? dice_below(&w->dice, 100) : 500 + dice_below(&w->dice, 1300);
}

static double stored_bytes(const struct model *m, const struct request *r) {
        double sum = 0;
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                sum += r->stored[l] * m->token_bytes * kv_type_block_bytes((enum kv_type) l) / 64.0;
        return sum;
}

/* Bytes that go to disk or come from there. */
static double moved_bytes(const struct model *m, enum action_kind kind) {
        double sum = 0;
        for (uint32_t i = 0; i < RUNNING_PLACES; i++) {
                const struct request *r = &m->running[i];
                if ((kind == ACTION_SUSPEND && r->state == REQUEST_RUNNING && r->batch) ||
                    (kind == ACTION_RESUME && r->state == REQUEST_SUSPENDED))
                        sum += stored_bytes(m, r);
        }
        return sum;
}

static void send_order(struct world *w, struct model *m, const struct action *action) {
        if (action->kind == ACTION_POOL || action->kind == ACTION_TURN_OUT) {
                pool_order(w, m, action, delay_ms(w, m));
                return;
        }
        if (m->temper == TEMPER_DEAF || m->external || m->lacks & ACTION_BIT(action->kind))
                return;
        for (uint32_t i = 0; i < ORDERS; i++)
                if (!m->orders[i].given) {
                        double on_disk_s = moved_bytes(m, action->kind) / DISK_PER_S;
                        m->orders[i] =
                                (struct order){ true, w->now_ms + delay_ms(w, m) + (uint64_t) (on_disk_s * 1000), *action };
                        return;
                }
}

static void take_order(struct model *m, const struct action *action, bool by_halves) {
        switch (action->kind) {
        case ACTION_TRIM:
                for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                        m->prefix[l] *= by_halves ? 0.8 : 0;
                break;
        case ACTION_CHUNK: m->chunk = action->value; break;
        case ACTION_CONTEXT: m->context = action->value; break;
        case ACTION_DOWNSHIFT:
        case ACTION_UPSHIFT: m->level = action->level; break;
        case ACTION_SUSPEND:
                for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                        if (m->running[i].state == REQUEST_RUNNING && m->running[i].batch)
                                m->running[i].state = REQUEST_SUSPENDED;
                break;
        case ACTION_RESUME:
                for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                        if (m->running[i].state == REQUEST_SUSPENDED)
                                request_come_back(m, &m->running[i]);
                break;
        default: break;
        }
}

void levers_step(struct world *w, struct model *m) {
        for (uint32_t i = 0; i < ORDERS; i++) {
                struct order *o = &m->orders[i];
                if (!o->given || w->now_ms < o->due_ms)
                        continue;
                take_order(m, &o->action, m->temper == TEMPER_LATE && i % 2 == 1);
                o->given = false;
        }
}

static void take_action(struct world *w, const struct action *action) {
        struct model *m = action->model < w->models_count ? &w->models[action->model] : NULL;
        switch (action->kind) {
        case ACTION_DROP_FILES: w->memory.idle_file_bytes = 0; break;
        case ACTION_EVICT:
                if (m && m->life == LIFE_READY && model_running(m) == 0 && m->waiting_count == 0)
                        model_stop(w, m);
                break;
        case ACTION_END:
                if (m && model_is_loaded(m))
                        fleet_kill(w, m);
                break;
        default:
                if (m && (m->life == LIFE_READY || m->life == LIFE_DRAINING))
                        send_order(w, m, action);
                break;
        }
}

void fleet_obey(struct world *w, const struct plan *plan) {
        w->hold_loads = plan->hold_loads;
        w->hold_growth = plan->hold_growth;
        w->hold_batch = plan->hold_batch;
        w->heat.duty_wanted_permille = plan->duty_permille * plan->threads_permille / 1000;
        for (uint32_t i = 0; i < plan->actions_count; i++)
                take_action(w, &plan->actions[i]);
        admit(w, plan);
}

void fleet_kill(struct world *w, struct model *m) {
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state != REQUEST_NONE) {
                        w->ended_in_mid_answer++;
                        request_refuse(w, &m->running[i], REASON_ENGINE_DIED);
                }
        m->life = LIFE_STOPPING;
        m->until_ms = w->now_ms + KILL_TAKES_MS;
        m->rest_until_ms = w->now_ms + BACKOFF_FIRST_MS;
        m->livelock_ms = 0;
        m->blown_bytes_per_s = 0; /* whatever it was, the next one behaves */
}
