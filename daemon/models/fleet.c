/*
 * fleet.c - the models' part of the tick, and what brings the next one.
 *
 * Nothing runs faster than something is due: a request, a frame, an exit pokes the fleet; a deadline sets the timer;
 * otherwise a slow heartbeat proves that the loop is alive.
 */
#include "daemon/models/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cache/page_cache.h"
#include "daemon/cache/prefix_cache.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/engines/suspend.h"
#include "daemon/models/adopt.h"
#include "daemon/models/apply.h"
#include "daemon/models/footprints.h"
#include "daemon/models/measure.h"
#include "daemon/models/lifecycle.h"
#include "daemon/models/model_inspect.h"
#include "daemon/models/operator.h"
#include "daemon/models/tracing.h"
#include "daemon/models/operator_jobs.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

#define FLEET_HANDLES 3

/* --- stopping --- */

static void on_closed(uv_handle_t *handle) {
        struct fleet *f = handle->data;
        if (--f->handles_open == 0)
                f->on_stopped(f->on_stopped_user);
}

static void stop_model(struct model *m) {
        struct failure failure;
        failure_set(&failure, REASON_SHUTTING_DOWN, NULL);
        m->preload = false;
        operator_jobs_finish(m->fleet, &m->loads, &failure);
        requests_fail(m, &m->waiting, &failure);
        requests_fail(m, &m->running, &failure);
        if (m->inspection)
                inspection_end(m->inspection);
        if (m->state != MODEL_ABSENT && m->state != MODEL_STOPPING && m->state != MODEL_DRAINING)
                model_leave(m, REASON_SHUTTING_DOWN, NULL);
}

/* True when the last engine is gone and nothing of ours is on its way any more. */
static bool all_quiet(const struct fleet *f) {
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (f->models[i]->state != MODEL_ABSENT || f->models[i]->inspection)
                        return false;
        }
        return !f->measuring && f->files_making == 0 && !footprints_busy(f->footprints) && !page_cache_busy(f->page_cache) &&
               !prefix_cache_busy(f->prefix_cache) && f->finished_jobs.count == 0;
}

static void finish_if_quiet(struct fleet *f) {
        if (f->stopped || !all_quiet(f) || !traces_finish(f->traces))
                return;
        f->stopped = true;
        uv_close((uv_handle_t *) &f->soon, on_closed);
        uv_close((uv_handle_t *) &f->timer, on_closed);
        uv_close((uv_handle_t *) &f->beat, on_closed);
}

/* --- the tick --- */

/* Requests that have waited long are told why at last: the model is likely to stay in its present state for a while. */
static void tick_model(struct model *m) {
        if (m->fleet->stopping)
                stop_model(m);
        if (m->is_retired)
                model_drain(m);
        if (m->unload_asked)
                operator_jobs_unload(m);
        model_tick(m);
        if (m->state == MODEL_INSPECTING)
                model_inspect(m);
        requests_tell_why(m);
}

static void on_timer(uv_timer_t *timer) {
        fleet_poke(timer->data);
}

void fleet_tick(struct fleet *f) {
        govern_tick(f);
        for (uint32_t i = 0; i < f->models_count; i++)
                tick_model(f->models[i]);
        fleet_survey(f);
        fleet_measure(f);
        if (f->tree)
                cgroup_tree_sweep(f->tree);
        operator_jobs_tell(f);
        tracing_tick(f);
        fleet_let_go(f);
        f->tick_count++;
        f->last_tick_ms = f->now_ms;
}

static void on_soon(uv_idle_t *idle) {
        struct fleet *f = idle->data;
        f->poked = false;
        (void) uv_idle_stop(idle);
        f->now_ms = fleet_clock_ms();
        f->due_ms = f->now_ms + HEARTBEAT_MS;
        if (f->on_tick)
                f->on_tick(f->on_tick_user, f->now_ms);
        else
                fleet_tick(f);
        if (f->stopping)
                finish_if_quiet(f);
        if (!f->stopped)
                (void) uv_timer_start(&f->timer, on_timer, sat_sub(f->due_ms, fleet_clock_ms()), 0);
}

static void on_saved(void *user) {
        fleet_poke(user);
}

static bool is_known(const void *user, const char *id) {
        const struct fleet *f = user;
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (!strcmp(f->models[i]->config->id, id))
                        return true;
        }
        return false;
}

/* --- life of the fleet --- */

/* A control group for each engine where we may have them; without, accounting alone, and that is said once. */
static void open_groups(struct fleet *f) {
        int r = cgroup_tree_open(f->proc, f->sys, &f->tree, f->tree_sentence, sizeof(f->tree_sentence));
        if (r < 0)
                f->tree = NULL;
        if (r < 0 && r != -ENOTSUP)
                (void) snprintf(f->tree_sentence, sizeof(f->tree_sentence), "%s", strerror(-r));
        log_info("control_groups", LOG_TEXT("state", f->tree ? cgroup_tree_words(f->tree) : "accounting only"),
                 LOG_MAYBE("because", f->tree ? "" : f->tree_sentence));
}

/* Without it prompts are computed, which is not worth failing for. */
static void open_prefix_cache(struct fleet *f) {
        if (f->config->cache_bytes == 0)
                return;
        int r = prefix_cache_new(f->loop, f->config->state_dir, f->config->cache_bytes, on_saved, f, &f->prefix_cache);
        if (r < 0)
                log_warning("no_prompt_cache", LOG_TEXT("error", strerror(-r)),
                            LOG_TEXT("effect", "prompts are computed anew after a restart"));
}

int fleet_new(uv_loop_t *loop, const struct config *config, struct fleet **ret) {
        struct fleet *f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->loop = loop;
        f->config = config;
        f->proc = config->proc_root ? config->proc_root : "/proc";
        f->sys = config->sys_root ? config->sys_root : "/sys";
        f->duty_permille = f->threads_permille = 1000;
        f->heartbeat_ms = HEARTBEAT_CALM_MS;
        f->ping_after_ms = ENGINE_PING_AFTER_MS;
        f->silent_max_ms = ENGINE_SILENT_MAX_MS;
        f->models = calloc(FLEET_MAX, sizeof(struct model *));
        if (!f->models || config->models_count > MODELS_MAX || tracing_open(f) < 0 ||
            page_cache_new(loop, config->state_dir, &f->page_cache) < 0 ||
            footprints_new(loop, config->state_dir, &f->footprints) < 0) {
                int r = config->models_count > MODELS_MAX ? -E2BIG : -ENOMEM;
                page_cache_free(f->page_cache);
                traces_free(f->traces);
                free(f->models);
                free(f);
                return r;
        }
        footprints_on_saved(f->footprints, on_saved, f);
        (void) uv_idle_init(loop, &f->soon);
        (void) uv_timer_init(loop, &f->timer);
        (void) uv_timer_init(loop, &f->beat);
        f->on_soon = on_soon;
        f->soon.data = f->timer.data = f->beat.data = f;
        f->handles_open = FLEET_HANDLES;
        fleet_adopt(f, NULL, 0);
        footprints_prune(f->footprints, is_known, f);
        open_groups(f);
        open_prefix_cache(f);
        suspension_clean(f);
        f->now_ms = f->last_tick_ms = fleet_clock_ms();
        f->ram_bytes = config->ram_bytes;
        fleet_poke(f);
        *ret = f;
        return 0;
}

void fleet_stop(struct fleet *f, void (*on_stopped)(void *user), void *user) {
        if (f->stopping)
                return;
        log_info("fleet_stop", LOG_NUMBER("models", f->models_count), LOG_NUMBER("requests_waiting", f->waiting_count));
        f->stopping = true;
        f->on_stopped = on_stopped;
        f->on_stopped_user = user;
        fleet_poke(f);
}

void fleet_free(struct fleet *f) {
        if (!f)
                return;
        for (uint32_t i = 0; i < f->models_count; i++)
                fleet_free_model(f, f->models[i]);
        names_done(&f->names);
        footprints_free(f->footprints);
        page_cache_free(f->page_cache);
        prefix_cache_free(f->prefix_cache);
        cgroup_tree_close(f->tree);
        traces_free(f->traces);
        free(f->models);
        free(f);
}
