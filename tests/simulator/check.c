/* check.c - one function for each thing that must never happen. */
#include "tests/simulator/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulator/parts.h"

#define MIB 1048576.0

/* Figures of the promises, from the issue and the findings; none is taken from the policy's own bounds. */
#define SETTLE_CHECK_MS       2000u  /* an act that has not shown: no other before this */
#define STALL_SETTLE_CHECK_MS 15000u /* counters lag after a stall */
#define NEAR_S                6.0    /* stacking is allowed under 3 s; we do not know better than by half */
#define TRIED_MS              60000u /* an act that was tried so lately is not left */
#define KNOWN_MS              4000u  /* below zero for so long: it was no surprise */
#define LOADS_A_MINUTE        15u    /* turns of at least 2 s on each side, and grace */
#define EVICTIONS_A_MINUTE    3u     /* by the governor, of one model */
#define STARVED_MS            60000u
#define GIVEN_BACK_MS         400000u
#define HOT_MS                30000u
#define HOT_DEGREES           3.0
#define MARGIN_DEGREES        15.0
#define LEAST_DUTY            0.125
#define MISSES                3u
#define MISS_MS               750u /* looks that are nearer may tell of one reading twice */
#define CHANGES_AN_HOUR       80.0
#define CHANGES_AT_FIRST      16.0
#define LOOK_AGAIN_MAX_MS     10000u

static void fire(struct check *c, const char *who, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fire(struct check *c, const char *who, const char *format, ...) {
        if (c->who)
                return;
        va_list args;
        va_start(args, format);
        vsnprintf(c->what, sizeof(c->what), format, args);
        va_end(args);
        c->who = who;
}

/* --- how near is the end, really? --- */

static int64_t headroom_ago(const struct check *c, uint64_t steps) {
        return c->history[(c->history_count - 1 - steps) % HISTORY_STEPS];
}

/* Seconds until headroom is gone, by the steepest of some windows: whoever has cause to hurry is given the doubt. */
static double seconds_left(const struct check *c, double beyond_bytes) {
        static const uint32_t windows[] = { 1, 2, 5, 10, 20, 60, 99 };
        double seconds = 1e9;
        if (c->history_count == 0)
                return seconds;
        double now = (double) headroom_ago(c, 0);
        for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]) && windows[i] < c->history_count; i++) {
                double lost = (double) headroom_ago(c, windows[i]) - now;
                if (lost > 0)
                        seconds = least(seconds, largest(now + beyond_bytes, 0) / lost * windows[i] * STEP_MS / 1000);
        }
        return seconds;
}

/* --- what is left that costs less --- */

static bool tried(const struct check *c, const struct world *w, uint32_t i, enum act_kind kind) {
        return c->tried_ms[i][kind] > 0 && w->now_ms - c->tried_ms[i][kind] < TRIED_MS;
}

static double to_convert_bytes(const struct model *m, enum kv_level level) {
        double bytes = 0;
        for (unsigned l = 0; l < level; l++)
                bytes += model_kv_bytes(m, (enum kv_level) l) *
                         (1 - (double) kv_level_size(level) / kv_level_size((enum kv_level) l));
        return bytes;
}

/* A milder means than to hurt somebody who is busy; NULL when there is none. */
static const char *milder_means(const struct check *c, const struct world *w, bool suspend_counts, uint32_t *ret_model) {
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                *ret_model = i;
                if (m->life == LIFE_READY && !m->pinned && model_unfinished(m) == 0 && !tried(c, w, i, ACT_EVICT))
                        return "an idle model could leave";
                if (m->external || (m->life != LIFE_READY && m->life != LIFE_DRAINING))
                        continue;
                if (model_prefix_bytes(m) > MIB && !tried(c, w, i, ACT_TRIM))
                        return "a prefix cache could be dropped";
                enum kv_level next = m->level + 1 < KV_LEVEL_COUNT ? (enum kv_level)(m->level + 1) : m->level;
                bool shifted = c->shifted_ms[i][next] > 0 && w->now_ms - c->shifted_ms[i][next] < TRIED_MS;
                if (m->level < m->floor && to_convert_bytes(m, next) > MIB && !shifted)
                        return "a KV cache could be stored less precisely";
                if (suspend_counts && !tried(c, w, i, ACT_SUSPEND))
                        for (uint32_t k = 0; k < RUNNING_PLACES; k++)
                                if (m->running[k].state == REQUEST_RUNNING && m->running[k].batch &&
                                    request_tokens(&m->running[k]) * m->token_bytes > 4 * MIB)
                                        return "a batch request could go to disk";
        }
        return NULL;
}

/* --- the plan --- */

static bool frees(enum act_kind kind) {
        return kind == ACT_TRIM || kind == ACT_EVICT || kind == ACT_DOWNSHIFT || kind == ACT_SUSPEND || kind == ACT_END;
}

static void check_victim(struct check *c, const struct world *w, const struct act *a) {
        const struct model *m = &w->models[a->model];
        bool leaves = a->kind == ACT_EVICT || a->kind == ACT_END;
        if (leaves && m->pinned)
                fire(c, "pinned", "model %u is pinned, and was to leave (%s)", a->model, policy_act_word(a->kind));
        if (a->kind == ACT_EVICT && (model_running(m) > 0 || m->waiting_count > 0))
                fire(c, "busy", "model %u is busy, and was to leave", a->model);
}

/* Does the model stand still under a memory.high for long? Then only its end helps. */
static bool stands_still(const struct world *w, const struct model *m) {
        return m->livelock_ms > 0 && w->now_ms >= m->livelock_ms + 1000;
}

static void check_violence(struct check *c, const struct world *w, const struct act *a) {
        uint32_t model;
        const struct model *m = &w->models[a->model];
        if ((a->kind != ACT_SUSPEND && a->kind != ACT_END) || stands_still(w, m))
                return;
        if (a->kind == ACT_END && model_unfinished(m) == 0)
                return; /* nobody loses an answer */
        const char *milder = milder_means(c, w, a->kind == ACT_END, &model);
        if (milder)
                fire(c, "milder", "%s %u because %s, though %s: model %u", policy_act_word(a->kind), a->model,
                     reason_info(a->because)->word, milder, model);
}

static bool has_shown(const struct world *w, const struct ordered *o) {
        const struct model *m = &w->models[o->model];
        if (m->generation != o->generation || m->life == LIFE_ABSENT || m->life == LIFE_WAITING)
                return true;
        switch (o->kind) {
        case ACT_TRIM: return model_prefix_bytes(m) <= 0.4 * o->before;
        case ACT_DOWNSHIFT: return m->level >= o->level && to_convert_bytes(m, o->level) <= 0.4 * o->before;
        case ACT_SUSPEND: return model_suspended(m) > 0 || model_running(m) == 0;
        default: return false;
        }
}

static void check_settling(struct check *c, const struct world *w, const struct plan *plan) {
        const struct act *some = NULL;
        bool stall = false;
        for (uint32_t i = 0; i < plan->acts_count; i++) {
                some = frees(plan->acts[i].kind) ? &plan->acts[i] : some;
                stall = stall ||
                        (frees(plan->acts[i].kind) && plan->acts[i].kind != ACT_TRIM && plan->acts[i].because == REASON_STALL);
        }
        bool near = seconds_left(c, 0) < NEAR_S || (c->below_zero_ms > 0 && seconds_left(c, 1e18) < 1e9);
        for (uint32_t i = 0; some && i < c->ordered_count && !near; i++)
                if (w->now_ms - c->ordered_ms < SETTLE_CHECK_MS && !c->ordered[i].shown)
                        fire(c, "settle",
                             "%s %u because %s, but an act of %llu ms ago (%s %u) has not shown yet, and the end is %.1f s away",
                             policy_act_word(some->kind), some->model, reason_info(some->because)->word,
                             (unsigned long long) (w->now_ms - c->ordered_ms), policy_act_word(c->ordered[i].kind),
                             c->ordered[i].model, seconds_left(c, 0));
        if (stall && c->stall_ms > 0 && w->now_ms - c->stall_ms < STALL_SETTLE_CHECK_MS && !near && c->below_zero_ms == 0)
                fire(c, "settle", "two acts against one stall, %llu ms apart", (unsigned long long) (w->now_ms - c->stall_ms));
        if (stall)
                c->stall_ms = w->now_ms;
}

static void note_acts(struct check *c, const struct world *w, const struct plan *plan) {
        bool first = true;
        for (uint32_t i = 0; i < plan->acts_count; i++) {
                const struct act *a = &plan->acts[i];
                if (a->model == UINT32_MAX)
                        continue;
                const struct model *m = &w->models[a->model];
                c->tried_ms[a->model][a->kind] = w->now_ms;
                if (a->kind == ACT_DOWNSHIFT)
                        c->shifted_ms[a->model][a->level] = w->now_ms;
                if (a->kind == ACT_EVICT)
                        c->evictions_ms[a->model][c->evictions_count[a->model]++ % LOADS_KEPT] = w->now_ms;
                if (!frees(a->kind))
                        continue;
                if (first) {
                        c->ordered_count = 0;
                        c->ordered_ms = w->now_ms;
                        first = false;
                }
                double before = a->kind == ACT_TRIM        ? model_prefix_bytes(m)
                                : a->kind == ACT_DOWNSHIFT ? to_convert_bytes(m, a->level)
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
                fire(c, "flapping", "the governor made model %u leave %u times in a minute", i, lately);
}

static void check_quiet(struct check *c, const struct world *w, const struct plan *plan) {
        if (w->mood != MOOD_QUIET)
                return;
        if (plan->acts_count > 0)
                fire(c, "quiet", "nothing was wrong, and yet: %s %d because %s", policy_act_word(plan->acts[0].kind),
                     (int) plan->acts[0].model, reason_info(plan->acts[0].because)->word);
        if (plan->hold_loads || plan->hold_growth || plan->hold_batch || plan->rung != RUNG_CALM)
                fire(c, "quiet", "nothing was wrong, and yet it holds, on rung %s because %s", policy_rung_word(plan->rung),
                     reason_info(plan->because)->word);
}

static void check_sensors(struct check *c, const struct world *w, const struct seen *seen, const struct plan *plan) {
        for (uint32_t i = 0; i < seen->sensors_count; i++) {
                const struct sensor *s = &w->heat.sensors[i];
                enum sensor_state state = seen->sensors[i].state;
                if (state != SENSOR_OLD && state != SENSOR_MISSED)
                        c->told_misses[i] = 0;
                if (state == SENSOR_MISSED && w->now_ms >= c->missed_ms[i] + MISS_MS) {
                        c->missed_ms[i] = w->now_ms;
                        c->told_misses[i]++;
                }
                c->fault_seen = c->fault_seen || (s->control && s->fault != SENSOR_GOOD && w->now_ms >= s->fault_begin_ms);
                if (s->control && c->told_misses[i] >= MISSES && plan->heat_level != HEAT_LEVELS - 1)
                        fire(c, "fail_hot", "control sensor %u was missed %u times, and the level of heat is %u", s->key,
                             c->told_misses[i], plan->heat_level);
        }
        bool cold = c->hottest < w->heat.critical - MARGIN_DEGREES - 6 && !c->fault_seen && w->heat.throttles == 0;
        if (cold && plan->heat_level != 0)
                fire(c, "cold", "it was never hotter than %.1f degrees, and the level of heat is %u because %s", c->hottest,
                     plan->heat_level, reason_info(plan->heat_because)->word);
        if (plan->heat_level != c->heat_level)
                c->heat_changes++;
        c->heat_level = plan->heat_level;
        double hours = (double) w->now_ms / 3600000;
        /* A control sensor that comes and goes may pull the level down each time. */
        if (!c->fault_seen && c->heat_changes > CHANGES_AN_HOUR * hours + CHANGES_AT_FIRST)
                fire(c, "restless", "%u changes of the level of heat in %.2f hours", c->heat_changes, hours);
}

static void check_shape(struct check *c, const struct seen *seen, const struct plan *plan) {
        if (plan->look_again_ms <= seen->now_ms || plan->look_again_ms > seen->now_ms + LOOK_AGAIN_MAX_MS)
                fire(c, "shape", "the next look is to be at %llu", (unsigned long long) plan->look_again_ms);
        for (uint32_t i = 0; i < plan->acts_count; i++) {
                const struct act *a = &plan->acts[i];
                bool known = a->kind == ACT_DROP_FILES && a->model == UINT32_MAX;
                for (uint32_t k = 0; k < seen->models_count; k++)
                        known = known || seen->models[k].id == a->model;
                if (!known)
                        fire(c, "shape", "%s names model %u, which is not there", policy_act_word(a->kind), a->model);
        }
}

void check_plan(struct check *c, const struct world *w, const struct seen *seen, const struct plan *plan) {
        check_shape(c, seen, plan);
        if (c->who)
                return;
        for (uint32_t i = 0; i < plan->acts_count; i++)
                if (plan->acts[i].model != UINT32_MAX)
                        check_victim(c, w, &plan->acts[i]);
        check_settling(c, w, plan);
        note_acts(c, w, plan);
        for (uint32_t i = 0; i < plan->acts_count; i++)
                if (plan->acts[i].model != UINT32_MAX)
                        check_violence(c, w, &plan->acts[i]);
        for (uint32_t i = 0; i < w->models_count; i++)
                check_evictions(c, w, i);
        check_quiet(c, w, plan);
        check_sensors(c, w, seen, plan);
        if (seen->memory_blind)
                c->seen_blind_ms = w->now_ms;
}

/* --- the world --- */

static void check_budget(struct check *c, const struct world *w) {
        uint64_t holds = 0, excess = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                holds += model_bytes(&w->models[i]);
                excess += w->models[i].blown_bytes; /* that one broke its word; admission sees to it */
        }
        if (holds > w->admission.budget_bytes + excess)
                fire(c, "budget", "the engines hold %.0f MiB, the budget is %.0f MiB", (double) holds / MIB,
                     (double) w->admission.budget_bytes / MIB);
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
                fire(c, "thrashing", "model %u was loaded %u times in a minute", i, lately);
}

static void check_deadlines(struct check *c, const struct world *w, uint32_t i) {
        const struct model *m = &w->models[i];
        for (uint32_t k = 0; k < m->waiting_count; k++)
                if (w->now_ms > m->waiting[k].wait_until_ms + 2 * STEP_MS)
                        fire(c, "deadline", "a request of model %u waits beyond its time and was told nothing", i);
        for (uint32_t k = 0; k < RUNNING_PLACES; k++) {
                const struct request *r = &m->running[k];
                if (r->state != REQUEST_NONE && w->now_ms > r->deadline_ms && w->memory.squeeze < 0.005 && !stands_still(w, m))
                        fire(c, "deadline", "a request of model %u began and has not ended: %.0f of %u tokens", i, r->done,
                             r->prompt + r->wanted);
        }
}

/* Asked for by somebody who cannot wait, and it could be served now. */
static bool could_be_served(const struct world *w, const struct model *m) {
        bool interactive = false, any = false;
        uint64_t bytes = m->weights_bytes + m->overhead_bytes +
                         (uint64_t) (m->pool_tokens * m->token_bytes * kv_level_size(m->ceiling) / 64.0);
        for (uint32_t k = 0; k < m->waiting_count; k++)
                interactive = interactive || (!m->waiting[k].batch && w->now_ms - m->waiting[k].asked_ms > 5000 &&
                                              m->waiting[k].prompt + m->waiting[k].wanted <= m->context);
        for (uint32_t i = 0; i < w->models_count; i++)
                any = any || model_is_loaded(&w->models[i]);
        if (!interactive)
                return false;
        if (m->life == LIFE_READY)
                return !stands_still(w, m);
        return !any && w->now_ms >= m->rest_until_ms && bytes <= w->admission.budget_bytes &&
               m->weights_bytes <= w->admission.weights_max_bytes && world_headroom(w) >= (int64_t) (bytes + bytes / 10);
}

static void check_starving(struct check *c, const struct world *w) {
        bool runs = false, could = false;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                runs = runs || model_running(m) > 0 || m->life == LIFE_LOADING;
                could = could || could_be_served(w, m);
        }
        bool restless = c->history_count >= HISTORY_STEPS &&
                        headroom_ago(c, HISTORY_STEPS - 1) - headroom_ago(c, 0) > (int64_t) (w->memory.ram_bytes / 200);
        if (runs || !could || restless || w->memory.stalls)
                c->starved_since_ms = w->now_ms;
        if (w->now_ms - c->starved_since_ms > STARVED_MS)
                fire(c, "starving", "somebody waits for %u s, there is room, and nobody is served", STARVED_MS / 1000);
}

/* What was taken comes back when there is room to spare. */
static void check_given_back(struct check *c, const struct world *w) {
        uint64_t ram = w->memory.ram_bytes, spare = w->limits.reserve_bytes < ram / 32 ? w->limits.reserve_bytes : ram / 32;
        bool taken = false;
        double on_disk = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                if (m->life != LIFE_READY || m->external || m->temper == TEMPER_DEAF || stands_still(w, m))
                        continue;
                taken = taken || model_suspended(m) > 0 || m->context < m->context_full || m->chunk < m->chunk_full;
                for (uint32_t k = 0; k < RUNNING_PLACES; k++)
                        on_disk += m->running[k].state == REQUEST_SUSPENDED ? request_tokens(&m->running[k]) * m->token_bytes : 0;
        }
        double fall = c->history_count >= HISTORY_STEPS ? (double) (headroom_ago(c, HISTORY_STEPS - 1) - headroom_ago(c, 0)) : 0;
        if (!taken || (double) world_headroom(w) < 2.0 * (double) spare + on_disk + (double) ram / 50 ||
            fall > (double) ram / 500 || w->memory.stalls)
                c->taken_since_ms = w->now_ms;
        if (w->now_ms - c->taken_since_ms > GIVEN_BACK_MS)
                fire(c, "given_back", "there was room for %u s, and what was taken did not come back", GIVEN_BACK_MS / 1000);
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
        /* What has just been ordered may still be on its way. */
        const char *milder = milder_means(c, w, false, &model);
        if (milder)
                fire(c, "cliff", "%s after headroom was gone for %.1f s, though %s: model %u",
                     killed ? "the kernel killed" : "weights were squeezed out", (double) (w->now_ms - c->below_zero_ms) / 1000,
                     milder, model);
}

static void check_heat(struct check *c, const struct world *w) {
        const struct heat *h = &w->heat;
        c->hottest = largest(c->hottest, h->die);
        double target = h->critical - MARGIN_DEGREES;
        bool could_hold = h->sensors_count > 0 && heat_settles_at(h, LEAST_DUTY) < target - 2;
        if (h->die <= target + HOT_DEGREES || !could_hold)
                c->hot_since_ms = w->now_ms;
        if (w->now_ms - c->hot_since_ms > HOT_MS)
                fire(c, "hot", "more than %.0f degrees above target for %u s: %.1f of at most %.0f", HOT_DEGREES, HOT_MS / 1000,
                     h->die, h->critical);
}

void check_step(struct check *c, const struct world *w) {
        int64_t headroom = world_headroom(w);
        c->history[c->history_count++ % HISTORY_STEPS] = headroom;
        c->below_zero_ms = headroom > 0 ? 0 : c->below_zero_ms == 0 ? w->now_ms : c->below_zero_ms;
        for (uint32_t i = 0; i < c->ordered_count; i++)
                c->ordered[i].shown = c->ordered[i].shown || has_shown(w, &c->ordered[i]);
        check_budget(c, w);
        for (uint32_t i = 0; i < w->models_count; i++) {
                check_loads(c, w, i);
                if (w->now_ms % 1000 == 0)
                        check_deadlines(c, w, i);
        }
        check_starving(c, w);
        check_given_back(c, w);
        check_cliff(c, w);
        check_heat(c, w);
}
