/* check_world.c - what must never become of the world. */
#include <stddef.h>

#include "tests/simulator/check_internal.h"

#define KNOWN_MS       4000u /* below zero for so long: it was no surprise */
#define LOADS_A_MINUTE 30u   /* a turn lasts two seconds at the least */
#define STARVED_MS     60000u
#define GIVEN_BACK_MS  300000u
#define ENDED_MS       5000u /* so lately: the last resort was tried */
#define HOT_MS         30000u
#define POOLS_CHECK_MS 250u
#define BUSY_OVER_MS   60000.0
#define HOT_DEGREES    3.0
#define LEAST_DUTY     0.125

/* What it holds, or may take by what it was told, whether the daemon counts it or not. */
static uint64_t model_claim(const struct model *m) {
        if (!model_is_loaded(m))
                return 0;
        uint32_t more = m->pool.elastic ? pool_may_hold(m) - m->pool.floor : 0;
        uint64_t bytes = model_least_bytes(m) + (uint64_t) (more * model_pool_token_bytes(m));
        return bytes > model_bytes(m) ? bytes : model_bytes(m);
}

static void check_budget(struct check *c, const struct world *w) {
        uint64_t holds = 0, excess = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                holds += model_claim(&w->models[i]);
                excess += w->models[i].blown_bytes; /* that one broke its word; admission sees to it */
        }
        if (holds > w->limits.budget_bytes + excess)
                check_fire(c, "budget", "the engines hold or may take %.0f MiB, the budget is %.0f MiB", (double) holds / MIB,
                           (double) w->limits.budget_bytes / MIB);
}

static void check_loads(struct check *c, const struct world *w, uint32_t i) {
        const struct model *m = &w->models[i];
        if (m->generation == c->generations[i])
                return;
        c->generations[i] = m->generation;
        c->loads_ms[i][c->loads_count[i]++ % LOADS_KEPT] = w->now_ms;
        uint32_t lately = 0;
        for (uint32_t k = 0; k < c->loads_count[i] && k < LOADS_KEPT; k++)
                lately += w->now_ms - c->loads_ms[i][k] < 60000;
        if (lately > LOADS_A_MINUTE)
                check_fire(c, "thrashing", "model %u was loaded %u times in a minute", i, lately);
}

static void check_deadlines(struct check *c, const struct world *w, uint32_t i) {
        const struct model *m = &w->models[i];
        for (uint32_t k = 0; k < m->waiting_count; k++)
                if (w->now_ms > m->waiting[k].wait_until_ms + 2 * STEP_MS)
                        check_fire(c, "deadline", "a request of model %u waits beyond its time and was told nothing", i);
        for (uint32_t k = 0; k < RUNNING_PLACES; k++) {
                const struct request *r = &m->running[k];
                if (r->state != REQUEST_NONE && w->now_ms > r->deadline_ms && w->memory.squeeze < 0.005 &&
                    !check_stands_still(w, m) && !pool_is_silent(w, m))
                        check_fire(c, "deadline", "a request of model %u began and has not ended: %.0f of %u tokens", i, r->done,
                                   r->prompt + r->wanted);
        }
}

/* Asked for by somebody who cannot wait, and it could be served now. */
static bool could_be_served(const struct world *w, const struct model *m) {
        bool interactive = false, any = false;
        uint64_t bytes = m->weights_bytes + m->overhead_bytes +
                         (uint64_t) (m->pool_tokens * m->token_bytes * kv_type_block_bytes(m->ceiling) / 64.0);
        for (uint32_t k = 0; k < m->waiting_count; k++)
                interactive = interactive || (!m->waiting[k].batch && w->now_ms - m->waiting[k].asked_ms > 5000 &&
                                              m->waiting[k].prompt + m->waiting[k].wanted <= m->context);
        for (uint32_t i = 0; i < w->models_count; i++)
                any = any || model_is_loaded(&w->models[i]);
        if (!interactive)
                return false;
        if (m->life == LIFE_READY)
                return !check_stands_still(w, m);
        return !any && w->now_ms >= m->rest_until_ms && bytes <= w->limits.budget_bytes &&
               m->weights_bytes <= policy_weights_max(&w->limits, w->memory.ram_bytes) &&
               world_headroom(w) >= (int64_t) (bytes + bytes / 10);
}

static void check_starving(struct check *c, const struct world *w) {
        bool runs = false, could = false;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                runs = runs || model_running(m) > 0 || m->life == LIFE_LOADING;
                could = could || could_be_served(w, m);
        }
        bool restless = c->history_count >= HISTORY_STEPS && check_headroom_ago(c, HISTORY_STEPS - 1) - check_headroom_ago(c, 0) >
                                                                     (int64_t) (w->memory.ram_bytes / 200);
        if (runs || !could || restless || w->memory.stalls)
                c->starved_since_ms = w->now_ms;
        if (w->now_ms - c->starved_since_ms > STARVED_MS)
                check_fire(c, "starving", "somebody waits for %u s, there is room, and nobody is served", STARVED_MS / 1000);
}

/* Restrictions must be lifted when there is room to spare. */
static void check_given_back(struct check *c, const struct world *w) {
        uint64_t ram = w->memory.ram_bytes, spare = w->limits.reserve_bytes < ram / 32 ? w->limits.reserve_bytes : ram / 32;
        bool taken = false;
        double on_disk = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                if (m->life != LIFE_READY || m->external || m->temper == TEMPER_DEAF || check_stands_still(w, m))
                        continue;
                taken = taken || model_suspended(m) > 0 || m->context < m->context_full || m->chunk < m->chunk_full;
                for (uint32_t k = 0; k < RUNNING_PLACES; k++)
                        on_disk += m->running[k].state == REQUEST_SUSPENDED ? request_tokens(&m->running[k]) * m->token_bytes : 0;
        }
        double fall = c->history_count >= HISTORY_STEPS
                              ? (double) (check_headroom_ago(c, HISTORY_STEPS - 1) - check_headroom_ago(c, 0))
                              : 0;
        if (!taken || (double) world_headroom(w) < 2.0 * (double) spare + on_disk + (double) ram / 50 ||
            fall > (double) ram / 500 || w->memory.stalls)
                c->taken_since_ms = w->now_ms;
        if (w->now_ms - c->taken_since_ms > GIVEN_BACK_MS)
                check_fire(c, "given_back", "there was room for %u s, and what was taken did not come back",
                           GIVEN_BACK_MS / 1000);
}

/* Including the one that the kernel has just killed. */
static bool somebody_could_be_ended(const struct world *w) {
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                bool just_killed = m->life == LIFE_STOPPING && m->rest_until_ms == w->now_ms + BACKOFF_FIRST_MS;
                if (!m->pinned && (m->life == LIFE_READY || m->life == LIFE_DRAINING || just_killed))
                        return true;
        }
        return false;
}

/* Who waits for what was ordered a moment ago is not to blame for what else could be done. */
static bool is_on_its_way(const struct check *c, const struct world *w) {
        bool all_shown = true;
        for (uint32_t i = 0; i < c->ordered_count; i++)
                all_shown = all_shown && c->ordered[i].shown;
        return !all_shown && w->now_ms - c->ordered_ms < SETTLE_CHECK_MS;
}

/* Weights are squeezed out, or the kernel kills: was there something left to give, and time to give it? */
static void check_cliff(struct check *c, const struct world *w) {
        bool squeezed = w->memory.squeeze > 0.01, killed = w->memory.oom_kills > c->oom_kills,
             fell = killed || (squeezed && !c->squeezed);
        uint32_t model;
        c->oom_kills = w->memory.oom_kills;
        c->squeezed = squeezed;
        c->cliffs += fell;
        bool blind = c->seen_blind_ms > 0 && w->now_ms - c->seen_blind_ms < 10000;
        if (!fell || blind || c->below_zero_ms == 0 || w->now_ms - c->below_zero_ms < KNOWN_MS)
                return;
        const char *milder = check_milder_means(c, w, false, &model);
        if (killed && c->ended_ms + ENDED_MS < w->now_ms && somebody_could_be_ended(w))
                check_fire(c, "last_resort",
                           "the kernel picked a victim after headroom was gone for %.1f s, and nobody had been ended",
                           (double) (w->now_ms - c->below_zero_ms) / 1000);
        if (milder && !is_on_its_way(c, w))
                check_fire(c, "cliff", "%s after headroom was gone for %.1f s, though %s: model %u",
                           killed ? "the kernel killed" : "weights were squeezed out",
                           (double) (w->now_ms - c->below_zero_ms) / 1000, milder, model);
}

static void check_heat(struct check *c, const struct world *w) {
        const struct heat *h = &w->heat;
        c->hottest = largest(c->hottest, h->die);
        c->busy += (h->busy - c->busy) * STEP_MS / BUSY_OVER_MS;
        double target = h->critical - MARGIN_DEGREES;
        bool could_hold = h->sensors_count > 0 && heat_settles_at(h, LEAST_DUTY) < target - 2;
        if (h->die <= target + HOT_DEGREES || !could_hold)
                c->hot_since_ms = w->now_ms;
        if (w->now_ms - c->hot_since_ms > HOT_MS)
                check_fire(c, "hot", "more than %.0f degrees above target for %u s: %.1f of at most %.0f", HOT_DEGREES,
                           HOT_MS / 1000, h->die, h->critical);
}

void check_step(struct check *c, const struct world *w) {
        int64_t headroom = world_headroom(w);
        c->history[c->history_count++ % HISTORY_STEPS] = headroom;
        c->below_zero_ms = headroom > 0 ? 0 : c->below_zero_ms == 0 ? w->now_ms : c->below_zero_ms;
        for (uint32_t i = 0; i < c->ordered_count; i++)
                c->ordered[i].shown = c->ordered[i].shown || check_has_shown(w, &c->ordered[i]);
        check_budget(c, w);
        for (uint32_t i = 0; i < w->models_count; i++) {
                check_loads(c, w, i);
                if (w->now_ms % 1000 == 0)
                        check_deadlines(c, w, i);
        }
        if (w->now_ms % POOLS_CHECK_MS == 0)
                check_pools(c, w);
        check_starving(c, w);
        check_given_back(c, w);
        check_cliff(c, w);
        check_heat(c, w);
}
