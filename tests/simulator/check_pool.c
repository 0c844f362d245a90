/* check_pool.c - what must never become of pools that grow. */
#include <stddef.h>

#include "tests/simulator/check_internal.h"

#define ROOM_WITHIN_MS 60000u /* beyond its turn: orders take seconds, engines that must leave some more */

/* --- orders --- */

static uint32_t orders_for(const struct plan *plan, uint32_t model) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < plan->actions_count; i++)
                count += plan->actions[i].model == model && check_is_pool_order(&plan->actions[i]);
        return count;
}

/* Has another model a request that came before SINCE_MS: in its engine, or waiting for its load? */
static bool older_waits(const struct world *w, uint32_t for_other_than, uint64_t since_ms) {
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                bool in_engine = model_oldest_ms(w, m) < since_ms;
                bool outside = m->waiting_count > 0 && m->waiting[0].asked_ms < since_ms;
                if (i != for_other_than && (in_engine || outside))
                        return true;
        }
        return false;
}

static void check_order_pace(struct check *c, const struct world *w, uint32_t model) {
        uint64_t *times = c->pool_orders_ms[model], *oldest = &times[c->pool_orders[model]++ % ORDERS_A_MINUTE];
        if (*oldest > 0 && w->now_ms - *oldest < 60000)
                check_fire(c, "pool_flaps", "model %u was told of its pool more than %u times in a minute", model,
                           ORDERS_A_MINUTE);
        *oldest = w->now_ms;
}

static void check_cut(struct check *c, const struct world *w, const struct action *a) {
        const struct model *m = &w->models[a->model];
        if (a->kind == ACTION_POOL && a->value < m->pool.report.used)
                check_fire(c, "pool_cut", "the pool of model %u was to be %u tokens, and running requests hold %u", a->model,
                           a->value, m->pool.report.used);
        if (a->kind == ACTION_TURN_OUT && !older_waits(w, a->model, model_oldest_ms(w, m)))
                check_fire(c, "pool_cut", "requests of model %u were to be turned out, and no older one waits", a->model);
}

void check_pool_orders(struct check *c, const struct world *w, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                const struct action *a = &plan->actions[i];
                if (!check_is_pool_order(a))
                        continue;
                const struct model *m = &w->models[a->model];
                if (!m->pool.elastic || (m->life != LIFE_READY && m->life != LIFE_DRAINING))
                        check_fire(c, "pool_stiff", "model %u has no pool that can change, and was told %s", a->model,
                                   policy_action_word(a->kind));
                if (orders_for(plan, a->model) > 1)
                        check_fire(c, "pool_twice", "model %u was told of its pool twice at one look", a->model);
                if (a->value < m->pool.floor || a->value > m->pool_tokens)
                        check_fire(c, "pool_size", "the pool of model %u was to be %u tokens, and may be %u to %u", a->model,
                                   a->value, m->pool.floor, m->pool_tokens);
                check_cut(c, w, a);
                check_order_pace(c, w, a->model);
        }
}

/* --- who lacks room --- */

static uint32_t oldest_of_all(const struct world *w) {
        uint32_t oldest = UINT32_MAX;
        uint64_t since_ms = w->now_ms;
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_is_loaded(&w->models[i]) && model_oldest_ms(w, &w->models[i]) < since_ms) {
                        since_ms = model_oldest_ms(w, &w->models[i]);
                        oldest = i;
                }
        return oldest;
}

static bool lacks_room(const struct model *m, uint64_t oldest_ms) {
        for (uint32_t i = 0; i < RUNNING_PLACES; i++) {
                const struct request *r = &m->running[i];
                if (r->state != REQUEST_NONE && r->asked_ms == oldest_ms && (r->state == REQUEST_QUEUED || r->waits))
                        return true;
        }
        return false;
}

/* Bytes that could be made room for M by cutting all other pools, by the budget and by what is really there. */
static double room_for(const struct world *w, const struct model *m) {
        double budget = (double) w->limits.budget_bytes,
               there = (double) w->memory.available_bytes - (double) w->limits.reserve_bytes;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *other = &w->models[i];
                if (!model_is_loaded(other))
                        continue;
                bool can_shrink = other != m && other->life == LIFE_READY && other->temper == TEMPER_PROMPT;
                double keeps = (double) model_account(other);
                if (can_shrink && other->pool.elastic)
                        keeps = largest((double) model_least_bytes(other),
                                        keeps - (other->pool.counted - other->pool.floor) * model_pool_token_bytes(other));
                budget -= keeps;
                there -= keeps - ((double) model_bytes(other) - (double) model_mapped(other));
        }
        return least(budget, there);
}

static bool could_grow(const struct world *w, const struct model *m) {
        double lacks = largest(0, (double) m->context_full - m->pool.counted) * model_pool_token_bytes(m);
        return m->temper == TEMPER_PROMPT && m->life == LIFE_READY && !w->hold_loads && !check_stands_still(w, m) &&
               room_for(w, m) > 1.1 * lacks + 4 * MIB;
}

/* The oldest request of all always comes to its end. */
void check_pools(struct check *c, const struct world *w) {
        uint32_t i = oldest_of_all(w);
        uint64_t oldest_ms = i == UINT32_MAX ? 0 : model_oldest_ms(w, &w->models[i]);
        const struct model *m = &w->models[i == UINT32_MAX ? 0 : i];
        bool lacks = i != UINT32_MAX && m->pool.elastic && lacks_room(m, oldest_ms) && could_grow(w, m);
        if (!lacks || oldest_ms != c->pool_oldest_ms || i != c->pool_oldest)
                c->pool_short_ms = w->now_ms;
        c->pool_oldest = i;
        c->pool_oldest_ms = oldest_ms;
        if (w->now_ms - c->pool_short_ms > w->limits.min_residency_ms + ROOM_WITHIN_MS)
                check_fire(c, "pool_starves",
                           "the oldest request of all lacks room in the pool of model %u for %llu s, and there could be", i,
                           (unsigned long long) (w->now_ms - c->pool_short_ms) / 1000);
}
