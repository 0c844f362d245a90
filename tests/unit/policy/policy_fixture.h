/*
 * policy_fixture.h - a small played box for tests of policy_decide: foreign memory that grows, jumps and breathes, models
 * that obey what is planned (or not), and a record of all actions.
 *
 * Available memory is what is left of RAM by the foreign programs and by the anonymous part of the models; mapped weights
 * count as available, as in MemAvailable. Time goes from look to look as the policy asks for it.
 */
#ifndef HEADROOM_TESTS_UNIT_POLICY_POLICY_FIXTURE_H
#define HEADROOM_TESTS_UNIT_POLICY_POLICY_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

#define MIB(n) ((uint64_t) (n) << 20)
#define GIB(n) ((uint64_t) (n) << 30)

struct world {
        struct limits limits;
        struct snapshot snapshot;
        struct past past;
        struct plan plan;
        int64_t foreign_bytes;     /* all that other programs hold */
        int64_t foreign_per_s;     /* ... and how it grows */
        int64_t load_per_s;        /* what a load in flight takes of what was promised to it */
        int64_t noise_bytes;       /* it breathes by so much to either side */
        int64_t saw_bytes, saw_ms; /* it grows by so much in so long, and falls back */
        uint64_t scratch_bytes;    /* anonymous memory of each engine beside its KV and prefixes */
        int64_t kv_per_s;          /* growth of what each running model stores, as f16 */
        uint64_t stop_ms;          /* how long an engine takes to go */
        uint64_t convert_per_ms;   /* bytes of KV that a downshift converts */
        bool disobeys;             /* nothing that is asked for happens */
        bool thrashes;             /* stall, refaults and slow models whenever nothing is left before the cliff */
        /* Told by the counters from now on, whatever the memory: of the host, of our own group, and of model MODEL_STALLS. */
        uint64_t stall_permille, own_stall_permille, refaults_per_s, swapins_per_s, model_stall_permille, model_refaults_per_s,
                model_high_per_s;
        uint32_t model_stalls;
        bool slow; /* all models are at a twentieth of their usual speed */
        uint64_t leave_ms[ACCOUNTS_MAX];
        uint32_t seed;
        char actions[2000]; /* "trim:1 evict:2 ..." */
        uint32_t actions_count, looks;
        uint64_t first_action_ms; /* UINT64_MAX: none yet */
        enum rung highest;
        int64_t least_headroom, least_cliff;
};

static inline uint32_t world_random(struct world *w) {
        w->seed = w->seed * 1664525 + 1013904223;
        return w->seed >> 8;
}

static inline struct model_view *world_model(struct world *w, uint32_t id) {
        for (uint32_t i = 0; i < w->snapshot.models_count; i++) {
                if (w->snapshot.models[i].id == id)
                        return &w->snapshot.models[i];
        }
        return NULL;
}

static inline uint64_t world_kv(const struct model_view *m) {
        return m->kv_bytes[0] + m->kv_bytes[1] + m->kv_bytes[2];
}

static inline void world_remove(struct world *w, struct model_view *m) {
        uint32_t i = (uint32_t) (m - w->snapshot.models);
        memmove(m, m + 1, (--w->snapshot.models_count - i) * sizeof(*m));
        memmove(&w->leave_ms[i], &w->leave_ms[i + 1], (w->snapshot.models_count - i) * sizeof(w->leave_ms[0]));
}

static inline void world_convert(struct world *w, struct model_view *m, uint64_t ms) {
        uint64_t budget = w->convert_per_ms * ms;
        for (unsigned level = 0; level < (unsigned) m->level; level++) {
                uint64_t now = m->kv_bytes[level] < budget ? m->kv_bytes[level] : budget;
                m->kv_bytes[level] -= now;
                m->kv_bytes[m->level] += now * kv_type_block_bytes(m->level) / kv_type_block_bytes((enum kv_type) level);
                budget -= now;
        }
}

static inline void world_count(struct world *w, uint64_t ms) {
        bool over = w->thrashes && w->looks > 0 && w->plan.headroom_bytes + (int64_t) w->limits.reserve_bytes <= 0;
        w->snapshot.stall_us += ms * (over ? 500 : w->stall_permille);
        w->snapshot.own_stall_us += ms * (over ? 500 : w->own_stall_permille);
        w->snapshot.refaults += ms * (over ? 9000 : w->refaults_per_s) / 1000;
        w->snapshot.swapins += ms * w->swapins_per_s / 1000;
        for (uint32_t i = 0; i < w->snapshot.models_count; i++) {
                struct model_view *m = &w->snapshot.models[i];
                m->rate = m->running == 0 ? 0 : over || w->slow ? m->usual_rate / 20 : m->usual_rate;
                if (m->id == w->model_stalls) {
                        m->stall_us += ms * w->model_stall_permille;
                        m->refaults += ms * w->model_refaults_per_s / 1000;
                        m->high_events += ms * w->model_high_per_s / 1000;
                }
        }
}

/* MS pass; then the numbers are made true again. */
static inline void world_pass(struct world *w, uint64_t ms) {
        w->snapshot.now_ms += ms;
        w->foreign_bytes += w->foreign_per_s * (int64_t) ms / 1000;
        int64_t taken = w->load_per_s * (int64_t) ms / 1000;
        taken = taken < (int64_t) w->snapshot.loading_bytes ? taken : (int64_t) w->snapshot.loading_bytes;
        w->snapshot.loading_bytes -= (uint64_t) taken;
        w->foreign_bytes += taken;
        uint64_t anonymous = 0;
        for (uint32_t i = 0; i < w->snapshot.models_count; i++) {
                struct model_view *m = &w->snapshot.models[i];
                if (w->leave_ms[i] > 0 && w->snapshot.now_ms >= w->leave_ms[i]) {
                        world_remove(w, m);
                        i--;
                        continue;
                }
                if (m->running > 0)
                        m->kv_bytes[m->level] +=
                                (uint64_t) (w->kv_per_s * (int64_t) ms / 1000) * kv_type_block_bytes(m->level) / 64;
                world_convert(w, m, ms);
                m->weights_resident_bytes = m->weights_bytes;
                uint64_t own = w->scratch_bytes + m->prefix_bytes + world_kv(m);
                m->bytes = own + m->weights_bytes;
                anonymous += own;
        }
        int64_t breath = w->noise_bytes > 0 ? (int64_t) (world_random(w) % (uint32_t) (2 * w->noise_bytes)) - w->noise_bytes : 0;
        if (w->saw_ms > 0)
                breath += w->saw_bytes * ((int64_t) w->snapshot.now_ms % w->saw_ms) / w->saw_ms;
        int64_t left = (int64_t) w->snapshot.ram_bytes - w->foreign_bytes - (int64_t) anonymous - breath;
        w->snapshot.available_bytes = left > 0 ? (uint64_t) left : 0;
        world_count(w, ms);
}

static inline void world_obey(struct world *w, const struct action *action) {
        struct model_view *m = world_model(w, action->model);
        if (action->kind == ACTION_DROP_FILES)
                w->snapshot.idle_file_bytes = 0;
        if (m == NULL)
                return;
        switch (action->kind) {
        case ACTION_TRIM: m->prefix_bytes = 0; break;
        case ACTION_CHUNK: m->chunk = action->value; break;
        case ACTION_CONTEXT: m->context = action->value; break;
        case ACTION_DOWNSHIFT:
        case ACTION_UPSHIFT: m->level = action->level; break;
        case ACTION_EVICT:
        case ACTION_END:
                if (m->state == ACCOUNT_LOADING)
                        w->snapshot.loading_bytes = 0;
                m->state = ACCOUNT_STOPPING;
                w->leave_ms[m - w->snapshot.models] = w->snapshot.now_ms + w->stop_ms;
                break;
        case ACTION_SUSPEND:
                m->suspended += 1;
                m->suspended_bytes = m->suspendable_bytes;
                m->kv_bytes[m->level] -=
                        m->suspendable_bytes < m->kv_bytes[m->level] ? m->suspendable_bytes : m->kv_bytes[m->level];
                m->suspendable_bytes = 0;
                break;
        case ACTION_RESUME:
                m->kv_bytes[m->level] += m->suspended_bytes;
                m->suspendable_bytes = m->suspended_bytes;
                m->suspended = 0;
                m->suspended_bytes = 0;
                break;
        default: break;
        }
}

static inline void world_note(struct world *w, const struct action *action) {
        size_t used = strlen(w->actions);
        snprintf(w->actions + used, sizeof(w->actions) - used, "%s%s:%d", used > 0 ? " " : "", policy_action_word(action->kind),
                 (int) action->model);
        if (action->model == UINT32_MAX)
                w->actions[strlen(w->actions) - strlen(":-1")] = 0;
        w->actions_count++;
        if (w->first_action_ms == UINT64_MAX)
                w->first_action_ms = w->snapshot.now_ms;
}

/* One look and what follows from it; then time passes until the next, at most STEP_MAX_MS. */
static inline void world_look(struct world *w, uint64_t until_ms) {
        policy_decide(&w->limits, &w->snapshot, &w->past, &w->plan);
        w->looks++;
        w->highest = w->plan.rung > w->highest ? w->plan.rung : w->highest;
        int64_t cliff = w->plan.headroom_bytes + (int64_t) w->limits.reserve_bytes;
        w->least_headroom = w->plan.headroom_bytes < w->least_headroom ? w->plan.headroom_bytes : w->least_headroom;
        w->least_cliff = cliff < w->least_cliff ? cliff : w->least_cliff;
        for (uint32_t k = 0; k < w->plan.actions_count; k++) {
                world_note(w, &w->plan.actions[k]);
                if (!w->disobeys)
                        world_obey(w, &w->plan.actions[k]);
        }
        uint64_t next = w->plan.look_again_ms < until_ms ? w->plan.look_again_ms : until_ms;
        world_pass(w, next > w->snapshot.now_ms ? next - w->snapshot.now_ms : 1);
}

static inline void world_run(struct world *w, uint64_t ms) {
        for (uint64_t until_ms = w->snapshot.now_ms + ms; w->snapshot.now_ms < until_ms;)
                world_look(w, until_ms);
}

/* RAM of which FREE is left once all models have what they have. */
static inline void world_begin(struct world *w, uint64_t ram_bytes, uint64_t reserve_bytes, uint64_t free_bytes) {
        w->limits.reserve_bytes = reserve_bytes;
        w->limits.margin_target_millidegrees = 15000;
        w->limits.critical_default_millidegrees = 100000;
        w->snapshot.ram_bytes = ram_bytes;
        w->snapshot.now_ms = 1000000;
        w->seed = 7;
        w->stop_ms = w->stop_ms > 0 ? w->stop_ms : 300;
        w->convert_per_ms = 300000;
        w->first_action_ms = UINT64_MAX;
        w->least_headroom = w->least_cliff = INT64_MAX;
        for (uint32_t i = 0; i < w->snapshot.models_count; i++)
                w->foreign_bytes -=
                        (int64_t) (w->snapshot.models[i].prefix_bytes + world_kv(&w->snapshot.models[i]) + w->scratch_bytes);
        w->foreign_bytes += (int64_t) (ram_bytes - free_bytes);
        world_pass(w, 1);
}

#endif
