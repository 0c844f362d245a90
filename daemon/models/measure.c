/*
 * measure.c - how much memory the engines really hold.
 *
 * Reading smaps_rollup walks the page tables of the process: milliseconds for tens of GiB. So it happens on a thread of
 * libuv's pool, one engine at a time, and seldom enough that it costs at most a fiftieth of one processor.
 */
#include "daemon/models/measure.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/meminfo.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/model_files.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/admission/footprint.h"
#include "policy/base/sat.h"

static uint64_t measure_due(const struct model *m) {
        const struct instance *e = &m->engine;
        if (!e->process || e->pid == 0 || (m->state != MODEL_LOADING && m->state != MODEL_READY && m->state != MODEL_DRAINING))
                return TIME_NEVER;
        bool changes = m->state != MODEL_READY || m->running.count > 0;
        uint64_t pause = e->measure_wanted ? MEASURE_WANTED_MS : changes ? MEASURE_INTERVAL_MS : MEASURE_IDLE_MS;
        return sat_add(u64_max(e->measured_ms, e->started_ms), u64_max(pause, MEASURE_DUTY * e->measure_cost_us / 1000));
}

/* ---- the weights, held open so that a change under the mapping is seen ---- */

static void release(struct open_files *files) {
        if (!files)
                return;
        model_files_close(files);
        free(files);
}

void measure_hold(struct model *m, const struct open_files *files) {
        struct open_files *held = malloc(sizeof(*held));
        struct open_files own = *files;
        if (held)
                *held = own;
        else
                model_files_close(&own);
        m->engine.held = held;
}

void measure_release(struct model *m) {
        struct fleet *f = m->fleet;
        if (f->measuring && f->measure_files == m->engine.held)
                f->measure_releases = true;
        else
                release(m->engine.held);
        m->engine.held = NULL;
}

/* ---- looking ---- */

/* On a thread of the pool: only what the fleet has set aside for it. */
static void look(uv_work_t *work) {
        struct fleet *f = work->data;
        uint64_t began = uv_hrtime();
        f->measure_result = memory_read_process(CHILDREN_PROC, f->measure_pid, &f->measured);
        f->measure_same_files = !f->measure_files || model_files_are_same(f->measure_files);
        f->measure_ns = uv_hrtime() - began;
}

/* The rest (scratch, overhead) can be told from the KV cache only while nothing runs and the engine has said how full it is. */
static void take(struct model *m, const struct process_memory *seen, bool kv_known) {
        struct instance *e = &m->engine;
        e->memory = *seen;
        uint64_t held = sat_add(seen->pss_bytes, seen->swap_bytes);
        e->peak_bytes = u64_max(e->peak_bytes, held);
        if (kv_known && e->kv_known)
                e->rest_peak_bytes = u64_max(e->rest_peak_bytes, policy_footprint_rest(&m->form.facts, held, seen->file_bytes,
                                                                                       e->report.kv_bytes_used));
}

static void on_looked(uv_work_t *work, int status) {
        struct fleet *f = work->data;
        struct model *m = fleet_model(f, f->measure_model);
        f->measuring = false;
        fleet_poke(f);
        if (f->measure_releases)
                release(f->measure_files);
        f->measure_files = NULL;
        f->measure_releases = false;
        /* The engine may have gone, and another may have come, during the measurement. */
        if (status < 0 || !m || !m->engine.process || m->engine.pid != f->measure_pid)
                return;
        struct instance *e = &m->engine;
        e->measured_ms = fleet_clock_ms();
        e->measure_cost_us = f->measure_ns / 1000;
        e->measure_wanted = false;
        e->weights_changed = e->weights_changed || !f->measure_same_files;
        if (f->measure_result == 0) {
                take(m, &f->measured, f->measure_kv_known);
        } else if (f->measure_result != -ESRCH && !f->measure_complained) {
                f->measure_complained = true;
                log_warning("engine_not_measured", LOG_TEXT("model", m->config->id),
                            LOG_TEXT("error", strerror(-f->measure_result)), LOG_TEXT("effect", "its predicted size is used"));
        }
}

void fleet_measure(struct fleet *f) {
        if (f->measuring || f->stopping)
                return;
        uint64_t earliest = TIME_NEVER;
        struct model *next = NULL;
        for (uint32_t i = 0; i < f->models_count; i++) {
                uint64_t due = measure_due(f->models[i]);
                if (due < earliest) {
                        earliest = due;
                        next = f->models[i];
                }
        }
        if (!next)
                return;
        if (earliest > f->now_ms) {
                fleet_due(f, earliest);
                return;
        }
        f->measure_model = next->number;
        f->measure_pid = next->engine.pid;
        f->measure_kv_known = next->engine.kv_known;
        f->measure_files = next->engine.held;
        f->measure.data = f;
        f->measuring = uv_queue_work(f->loop, &f->measure, look, on_looked) == 0;
}
