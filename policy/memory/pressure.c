/* pressure.c - windows over counters, and what they say together. */
#include "policy/memory/pressure.h"

#include <stddef.h>

#include "policy/base/sat.h"

static void window_begin(struct pressure_window *w, uint64_t stall_us, uint64_t pages) {
        w->stall_us = stall_us;
        w->pages = pages;
}

/* Ends a window of INTERVAL_MS. A counter that went back tells nothing of it. */
static void window_end(struct pressure_window *w, uint64_t stall_us, uint64_t pages, uint64_t interval_ms) {
        bool anew = stall_us < w->stall_us || pages < w->pages;
        w->stall_permille = anew ? 0 : (uint32_t) u64_min((stall_us - w->stall_us) / interval_ms, 1000);
        w->pages_per_s = anew ? 0 : sat_mul(pages - w->pages, 1000) / interval_ms;
        bool stalls = w->stall_permille >= STALL_PERMILLE && w->pages_per_s >= STALL_PAGES_PER_S;
        w->stalled_windows = stalls ? (uint32_t) sat_add(w->stalled_windows, 1) : 0;
        window_begin(w, stall_us, pages);
}

/* True once the model has had the time to read its weights once. */
static bool is_warm(const struct model_view *m, uint64_t now_ms) {
        return (m->state == ACCOUNT_IDLE || m->state == ACCOUNT_BUSY || m->state == ACCOUNT_DRAINING) &&
               sat_sub(now_ms, m->loaded_ms) >= STALL_WARM_MS;
}

/* A rate of zero is no sign by itself: the model may be reading a long prompt. So it counts only after a good while. */
static bool far_below_usual(struct model_past *past, const struct model_view *m) {
        if (m->running == 0 || m->usual_rate == 0)
                return false;
        past->silent_windows = m->rate > 0 ? 0 : (uint32_t) sat_add(past->silent_windows, 1);
        if (m->rate == 0)
                return past->silent_windows >= SILENT_WINDOWS;
        return sat_mul(m->rate, 1000) < sat_mul(m->usual_rate, THRASH_RATE_PERMILLE);
}

static bool gets_on(const struct model_view *m) {
        return m->rate > 0 && sat_mul(m->rate, 1000) >= sat_mul(m->usual_rate, HOPELESS_RATE_PERMILLE);
}

/* ALL_AROUND: the groups above it stall in this window. */
static void look_at_model(struct model_past *past, const struct model_view *m, uint64_t interval_ms, bool all_around) {
        uint64_t pages = sat_add(m->refaults, m->swapins);
        if (!past->window_begun) {
                past->window_begun = true;
                window_begin(&past->window, m->stall_us, pages);
                past->high_events = m->high_events;
                past->oom_kills = m->oom_kills;
                return;
        }
        window_end(&past->window, m->stall_us, pages, interval_ms);
        double kept = interval_ms < THRASH_LATELY_MS ? 1 - (double) interval_ms / THRASH_LATELY_MS : 0;
        past->pages_lately = past->pages_lately * kept +
                             (double) past->window.pages_per_s * (double) u64_min(interval_ms, THRASH_LATELY_MS) / 1000;

        bool stalls = past->window.stalled_windows > 0 || all_around;
        past->slow_windows = far_below_usual(past, m) && stalls ? (uint32_t) sat_add(past->slow_windows, 1) : 0;

        bool stands = past->window.stall_permille >= LIVELOCK_PERMILLE && m->high_events > past->high_events &&
                      m->oom_kills == past->oom_kills && !gets_on(m);
        past->livelock_windows = stands ? (uint32_t) sat_add(past->livelock_windows, 1) : 0;
        past->high_events = m->high_events;
        past->oom_kills = m->oom_kills;
}

static bool reads_weights_again(const struct model_past *past, const struct model_view *m) {
        return m->weights_bytes > 0 &&
               past->pages_lately * PAGE_BYTES * 1000 > (double) m->weights_bytes * THRASH_WEIGHTS_PERMILLE;
}

static void end_windows(struct pressure_past *p, const struct snapshot *snapshot, struct model_past *const pasts[],
                        uint64_t interval_ms) {
        uint64_t pages = sat_add(snapshot->refaults, snapshot->swapins);
        window_end(&p->host, snapshot->stall_us, pages, interval_ms);
        window_end(&p->own, snapshot->own_stall_us, pages, interval_ms);
        p->refaults_per_s = snapshot->refaults < p->refaults ? 0 : sat_mul(snapshot->refaults - p->refaults, 1000) / interval_ms;
        p->swapins_per_s = snapshot->swapins < p->swapins ? 0 : sat_mul(snapshot->swapins - p->swapins, 1000) / interval_ms;
        bool all_around = p->host.stalled_windows > 0 || p->own.stalled_windows > 0;
        for (uint32_t i = 0; i < snapshot->models_count; i++)
                look_at_model(pasts[i], &snapshot->models[i], interval_ms, all_around);
}

static void begin_window(struct pressure_past *p, const struct snapshot *snapshot) {
        uint64_t pages = sat_add(snapshot->refaults, snapshot->swapins);
        if (!p->begun) {
                window_begin(&p->host, snapshot->stall_us, pages);
                window_begin(&p->own, snapshot->own_stall_us, pages);
        }
        p->begun = true;
        p->at_ms = snapshot->now_ms;
        p->refaults = snapshot->refaults;
        p->swapins = snapshot->swapins;
}

/* The models alone: who stalls in its own group, who thrashes, who stands still. */
static void judge_models(const struct snapshot *snapshot, struct model_past *const pasts[], bool short_of_memory,
                         struct pressure *ret) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                const struct model_past *past = pasts[i];
                ret->stall_permille = (uint32_t) u64_max(ret->stall_permille, past->window.stall_permille);
                if (past->livelock_windows >= LIVELOCK_WINDOWS && !ret->livelock) {
                        ret->livelock = true;
                        ret->hopeless = past->livelock_windows >= HOPELESS_WINDOWS;
                        ret->model = i;
                }
                if (past->window.stalled_windows < STALL_WINDOWS || !is_warm(m, snapshot->now_ms))
                        continue;
                ret->stall = true;
                if (ret->stalled == UINT32_MAX)
                        ret->stalled = i;
                if (!ret->livelock && !ret->thrash && (past->slow_windows >= THRASH_WINDOWS || reads_weights_again(past, m))) {
                        ret->thrash = true;
                        ret->model = i;
                }
        }
        ret->own_only = ret->stall && !short_of_memory;
}

/* A load reads the disk, and pages that had been dropped come back: it must not ring for the others. */
static bool somebody_warms_up(const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                if (snapshot->models[i].state == ACCOUNT_LOADING ||
                    (snapshot->models[i].state != ACCOUNT_STOPPING && !is_warm(&snapshot->models[i], snapshot->now_ms)))
                        return true;
        }
        return false;
}

/* Far below its usual speed for so many windows in a row, while all around it stalls. */
static bool a_model_is_slow(const struct snapshot *snapshot, struct model_past *const pasts[], uint32_t windows) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                if (pasts[i]->slow_windows >= windows)
                        return true;
        }
        return false;
}

/*
 * The groups above the engines. Pressure there may be caused by others: that of the host counts only where headroom is
 * gone, that of all engines also where one of them visibly suffers; neither while one reads its weights for the first
 * time. And no engine is worth ending while there is headroom: no thrash then.
 */
static void judge_box(const struct pressure_past *p, const struct snapshot *snapshot, const struct headroom *headroom,
                      struct model_past *const pasts[], struct pressure *ret) {
        bool own = p->own.stalled_windows >= STALL_WINDOWS, host = p->host.stalled_windows >= STALL_WINDOWS;
        bool gone = headroom->bytes < 0, suffers = a_model_is_slow(snapshot, pasts, THRASH_WINDOWS);
        if (!(gone ? own || host : own && suffers))
                return;
        if (headroom->cliff_bytes > 0 && somebody_warms_up(snapshot))
                return;
        ret->stall = true;
        ret->own_only = false;
        ret->thrash = gone && (ret->thrash || suffers);
}

struct pressure policy_pressure(struct pressure_past *p, const struct snapshot *snapshot, const struct headroom *headroom,
                                struct model_past *const pasts[]) {
        uint64_t interval_ms = sat_sub(snapshot->now_ms, p->at_ms);
        if (!p->begun) {
                begin_window(p, snapshot);
                for (uint32_t i = 0; i < snapshot->models_count; i++)
                        look_at_model(pasts[i], &snapshot->models[i], PRESSURE_WINDOW_MS, false);
        } else if (interval_ms >= PRESSURE_WINDOW_MS) {
                end_windows(p, snapshot, pasts, interval_ms);
                begin_window(p, snapshot);
        }
        struct pressure ret = { .model = UINT32_MAX, .stalled = UINT32_MAX };
        judge_models(snapshot, pasts, headroom->bytes < 0, &ret);
        ret.stall_permille = (uint32_t) u64_max(ret.stall_permille, p->own.stall_permille);
        judge_box(p, snapshot, headroom, pasts, &ret);
        ret.refaults_per_s = p->refaults_per_s;
        ret.swapins_per_s = p->swapins_per_s;
        return ret;
}
