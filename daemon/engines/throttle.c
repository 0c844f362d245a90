/*
 * throttle.c - slowing engines down: by pacing and fewer threads where they obey, else by stopping and letting go.
 *
 * Never by a quota of processor time: threads that wait for each other under one lose ten to forty-five times. An engine that
 * does not answer, has refused or has no verb for it is frozen by its control group for a part of each period; its steps then
 * take longer, and nothing else of it changes.
 */
#include "daemon/engines/throttle.h"

#include "daemon/cgroup/cgroup.h"
#include "daemon/engines/control.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "policy/base/sat.h"

static bool runs(const struct model *m) {
        return (m->state == MODEL_READY || m->state == MODEL_DRAINING) && m->engine.process;
}

static uint32_t threads_of(const struct model *m) {
        uint64_t threads = (uint64_t) m->engine.threads_full * m->fleet->threads_permille / 1000;
        return m->engine.threads_full == 0 ? 0 : threads < 1 ? 1 : (uint32_t) threads;
}

static void tell(struct model *m) {
        struct fleet *f = m->fleet;
        struct instance *e = &m->engine;
        uint32_t threads = threads_of(m);
        bool heat_differs = !e->no_heat && (e->duty_told != f->duty_permille || (threads > 0 && e->threads_told != threads));
        bool differs = heat_differs || e->heartbeat_told != f->heartbeat_ms;
        if (!m->ops->can.throttles || (m->ops->can.reports && !e->reported) || control_request_is_pending(m, ACTION_NONE) ||
            !differs)
                return;
        struct engine_pace pace = { .heartbeat_ms = f->heartbeat_ms };
        if (heat_differs) {
                pace.duty_permille = f->duty_permille;
                pace.threads = threads;
        }
        if (order_pace(m, &pace) < 0)
                return;
        e->heartbeat_told = f->heartbeat_ms;
        if (heat_differs) {
                e->duty_told = f->duty_permille;
                e->threads_told = threads;
        }
}

/* --- by the control group --- */

static void freeze(struct model *m, bool frozen) {
        struct instance *e = &m->engine;
        if (e->group && e->frozen != frozen && cgroup_engine_freeze(e->group, frozen) == 0)
                e->frozen = frozen;
}

void throttle_release(struct model *m) {
        m->engine.cycled = false;
        freeze(m, false);
}

static bool is_deaf(const struct model *m, uint64_t now_ms) {
        uint64_t oldest = control_request_oldest_ms(m);
        return m->engine.no_heat || !m->ops->can.throttles || (oldest != TIME_NEVER && sat_sub(now_ms, oldest) >= HEAT_OBEY_MS);
}

static void on_beat(uv_timer_t *timer) {
        struct fleet *f = timer->data;
        uint64_t period = u64_max(FREEZE_PERIOD_MS, FREEZE_RUN_MIN_MS * 1000u / f->duty_permille);
        uint64_t run = period * f->duty_permille / 1000;
        bool any = false;
        f->beat_is_off = !f->beat_is_off;
        for (uint32_t i = 0; i < f->models_count; i++) {
                any = any || f->models[i]->engine.cycled;
                if (f->models[i]->engine.cycled)
                        freeze(f->models[i], f->beat_is_off);
        }
        if (any)
                (void) uv_timer_start(&f->beat, on_beat, f->beat_is_off ? period - run : run, 0);
}

/* --- both --- */

void throttle_tick(struct fleet *f) {
        bool any = false;
        for (uint32_t i = 0; i < f->models_count; i++) {
                struct model *m = f->models[i];
                struct instance *e = &m->engine;
                if (!runs(m))
                        continue;
                if (!e->frozen)
                        tell(m);
                e->cycled = e->group && m->ops->can.freezes && f->duty_permille < 1000 && is_deaf(m, f->now_ms);
                if (!e->cycled)
                        freeze(m, false);
                any = any || e->cycled;
                if (f->duty_permille < 1000 && control_request_oldest_ms(m) != TIME_NEVER)
                        fleet_due(f, u64_max(control_request_oldest_ms(m) + HEAT_OBEY_MS, f->now_ms + FREEZE_PERIOD_MS));
        }
        if (any && !uv_is_active((uv_handle_t *) &f->beat))
                (void) uv_timer_start(&f->beat, on_beat, 0, 0);
}

void throttle_set(struct fleet *f, uint32_t duty_permille, uint32_t threads_permille) {
        uint32_t duty = duty_permille < DUTY_MIN_PERMILLE ? DUTY_MIN_PERMILLE : duty_permille;
        if (f->duty_permille == duty && f->threads_permille == threads_permille)
                return;
        f->duty_permille = duty;
        f->threads_permille = threads_permille;
        fleet_poke(f);
}
