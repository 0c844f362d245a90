/* adopt.c - see adopt.h. */
#include "daemon/models/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/models/lifecycle.h"
#include "daemon/models/operator_jobs.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "daemon/trace/traces.h"

int fleet_add(struct fleet *f, const struct config_model *config) {
        uint32_t number;
        int r = f->models_count < FLEET_MAX ? names_take(&f->names, config->id, &number) : -ENOSPC;
        if (r < 0)
                return r;
        struct model *m = malloc(sizeof(*m));
        if (!m) {
                names_leave(&f->names, number);
                return -ENOMEM;
        }
        model_init(m, f, config, number);
        f->models[f->models_count++] = m;
        return 0;
}

void fleet_free_model(struct fleet *f, struct model *m) {
        model_done(m);
        if (m->is_retired)
                config_model_done(&m->kept);
        names_leave(&f->names, m->number);
        free(m);
}

void fleet_on_unknown(struct fleet *f, void (*on_unknown)(void *user), void *user) {
        f->on_unknown = on_unknown;
        f->on_unknown_user = user;
}

/* --- what stays --- */

static bool has_other_file(const struct config_model *a, const struct config_model *b) {
        return a->file_key != b->file_key || strcmp(a->path, b->path) != 0;
}

static bool has_other_shape(const struct config_model *a, const struct config_model *b) {
        return a->context != b->context || a->kv_tokens != b->kv_tokens || a->parallel != b->parallel ||
               a->kv_type != b->kv_type || a->kv_floor != b->kv_floor || a->threads != b->threads ||
               a->speculate != b->speculate || memcmp(&a->cpus, &b->cpus, sizeof(a->cpus)) != 0;
}

/* Its size is asked for again; where that is under way for a load, the load begins anew, and those who wait for it wait on. */
static void look_again(struct model *m) {
        m->identified = false;
        m->survey_due = true;
        m->is_inspection_stale = m->inspection != NULL;
        if (m->state == MODEL_WAITING)
                model_event(m, MODEL_EVENT_UNWANTED);
}

static void follow(struct model *m, const struct config_model *now) {
        const struct config_model *before = m->config;
        m->config = now;
        m->preload = now->preload && (m->preload || (!before->preload && m->state == MODEL_ABSENT));
        if (has_other_file(before, now)) { /* the cause of a failure is gone */
                m->last_error[0] = '\0';
                m->backoff = (struct backoff){ 0 };
        }
        if (has_other_file(before, now) || has_other_shape(before, now) || before->wrong || now->wrong)
                look_again(m);
}

/* --- what goes --- */

static void retire(struct model *m, struct config_model *before) {
        m->kept = *before;
        *before = (struct config_model){ 0 };
        m->kept.pinned = m->kept.preload = false;
        m->config = &m->kept;
        m->is_retired = true;
        log_info("model_removed", LOG_TEXT("model", m->kept.id), LOG_NUMBER("running", m->running.count),
                 LOG_NUMBER("waiting", m->waiting.count));
}

static void fail_waiting(struct model *m) {
        struct failure failure;
        failure_set(&failure, REASON_MODEL_NOT_FOUND, "model '%s' was removed while the request waited for it", m->config->id);
        operator_jobs_finish(m->fleet, &m->loads, &failure);
        requests_fail(m, &m->waiting, &failure);
}

void model_drain(struct model *m) {
        m->preload = false;
        if (m->state != MODEL_LOADING && m->state != MODEL_READY)
                fail_waiting(m);
        else if (m->running.count == 0 && m->waiting.count == 0 && m->loads.count == 0)
                model_leave(m, REASON_REMOVED, NULL);
        if (m->state == MODEL_ABSENT)
                (void) traces_end(m->fleet->traces, m->number, NULL, NULL);
}

static bool is_gone(const struct model *m) {
        return m->is_retired && m->state == MODEL_ABSENT && !m->inspection && !traces_hold(m->fleet->traces, m->number) &&
               m->waiting.count == 0 && m->running.count == 0 && m->loads.count == 0 && m->unloads.count == 0;
}

void fleet_let_go(struct fleet *f) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (is_gone(f->models[i]))
                        fleet_free_model(f, f->models[i]);
                else
                        f->models[left++] = f->models[i];
        }
        f->models_count = left;
}

/* --- the whole list --- */

/* One that was listed before and is again, while it was on its way out. */
static void revive(struct model *m, const struct config_model *now) {
        follow(m, now);
        config_model_done(&m->kept);
        m->kept = (struct config_model){ 0 };
        m->is_retired = false;
}

static void add(struct fleet *f, const struct config_model *config) {
        int r = fleet_add(f, config);
        if (r < 0)
                log_error("model_not_added", LOG_TEXT("model", config->id), LOG_TEXT("error", strerror(-r)));
}

static void put_in_order(struct fleet *f, struct model *const *listed, struct model **scratch) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < f->config->models_count; i++)
                if (listed[i])
                        scratch[count++] = listed[i];
        for (uint32_t i = 0; i < f->models_count; i++)
                if (f->models[i]->is_retired)
                        scratch[count++] = f->models[i];
        memcpy(f->models, scratch, count * sizeof(*scratch));
        f->models_count = count;
}

void fleet_adopt(struct fleet *f, struct config_model *before, uint32_t before_count) {
        static struct model *listed[MODELS_MAX], *scratch[FLEET_MAX]; /* by place in the configuration */
        const struct config *c = f->config;
        uint32_t from = 0;
        memset(listed, 0, sizeof(listed));
        for (uint32_t i = 0; i < f->models_count; i++) {
                struct model *m = f->models[i];
                const struct config_model *now = config_find_model(c, m->config->id, &from);
                if (now)
                        listed[now - c->models] = m;
                if (now && m->is_retired)
                        revive(m, now);
                else if (now)
                        follow(m, now);
                else if (!m->is_retired && m->config >= before && m->config < before + before_count)
                        retire(m, &before[m->config - before]);
        }
        for (uint32_t i = 0; i < c->models_count; i++) {
                uint32_t count = f->models_count;
                if (!listed[i])
                        add(f, &c->models[i]);
                if (f->models_count > count)
                        listed[i] = f->models[count];
        }
        put_in_order(f, listed, scratch);
        f->changed = true;
        fleet_poke(f);
}
