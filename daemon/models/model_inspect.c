/*
 * model_inspect.c - the size of a model, from its files.
 *
 * They are handed to a child; the daemon reads none of them. They are looked at again at each load,
 * since they may have been replaced; as long as they are the same, what the child said about them holds.
 */
#include "daemon/models/model_inspect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/engines/engine.h"
#include "daemon/models/fleet.h"
#include "daemon/models/footprints.h"
#include "daemon/models/lifecycle.h"
#include "daemon/state/model_files.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/admission/footprint.h"
#include "policy/base/bounds.h"
#include "policy/base/sat.h"

/* A pool that changes its size is of whole blocks: else the engine would have more than is counted. */
static uint32_t whole_blocks(uint32_t tokens) {
        return (tokens + POOL_LEAST_TOKENS - 1) / POOL_LEAST_TOKENS * POOL_LEAST_TOKENS;
}

static void add_form(struct model *m, uint32_t kv_tokens, enum kv_type kv_type) {
        uint64_t per_token = m->inspected.kv_bytes_per_token[kv_type];
        if (per_token == 0 || m->forms_count == FORMS_MAX)
                return;
        struct form *form = &m->forms[m->forms_count++];
        form->is_elastic = m->config->kv_tokens == 0 && m->ops->can.changes_pool;
        form->kv_tokens = form->is_elastic ? whole_blocks(kv_tokens) : kv_tokens;
        form->kv_type = kv_type;
        form->facts = (struct footprint_facts){
                .weights_bytes = m->inspected.weights_bytes,
                .kv_bytes_per_token = per_token,
                .scratch_bytes = m->inspected.scratch_bytes,
                .overhead_bytes = m->inspected.overhead_bytes,
        };
        form->predicted = policy_footprint(&form->facts, form->kv_tokens, m->learned);
}

/*
 * Settles the parameters that the configuration leaves to the file, and the smaller forms for when those do not fit: room for one
 * context, then lower precisions of that.
 */
static void find_forms(struct model *m) {
        const struct config_model *c = m->config;
        uint32_t trained = m->inspected.n_ctx_train;
        uint32_t full = (uint32_t) u64_min(trained > 0 ? trained : CONTEXT_DEFAULT, c->kv_tokens > 0 ? c->kv_tokens : UINT32_MAX);
        bool can_grow = c->kv_tokens > 0 || m->ops->can.changes_pool;
        m->context_least = c->context > 0 ? c->context : (uint32_t) u64_min(full, CONTEXT_DEFAULT);
        m->context_full = c->context > 0 || !can_grow ? m->context_least : full;
        m->context = m->context_least;
        uint64_t most = m->ops->can.changes_pool ? KV_POOL_TOKENS_FIRST : UINT32_MAX;
        uint32_t wanted = c->kv_tokens > 0 ? c->kv_tokens : (uint32_t) u64_min(2 * (uint64_t) m->context, most);
        uint32_t least = (uint32_t) u64_min(wanted, m->context);
        m->forms_count = 0;
        add_form(m, wanted, c->kv_type);
        if (least < wanted)
                add_form(m, least, c->kv_type);
        for (int type = (int) c->kv_type + 1; type <= (int) c->kv_floor; type++)
                add_form(m, least, (enum kv_type) type);
        m->form = m->forms[0];
}

/* What its loads have taught, those before the daemon's start too. */
static void recall(struct model *m) {
        const struct footprint_record record = footprints_learned(m->fleet->footprints, m->config->id, m->files.key);
        m->learned = record.learned;
        if (m->load_ms == 0)
                m->load_ms = record.load_ms;
        if (m->service_ms == 0)
                m->service_ms = record.service_ms;
}

static void conclude_inspection(struct model *m) {
        if (m->state != MODEL_INSPECTING)
                return;
        if (!m->inspected_well) {
                model_refuse_load(m, m->inspect_sentence);
                return;
        }
        if (m->inspected.kv_bytes_per_token[m->config->kv_type] == 0) {
                char sentence[128];
                (void) snprintf(sentence, sizeof(sentence),
                                "its attention heads do not fit the blocks of KV type %s; set kv = f16",
                                kv_type_name(m->config->kv_type));
                model_refuse_load(m, sentence);
                return;
        }
        recall(m);
        find_forms(m);
        model_event(m, MODEL_EVENT_INSPECTED);
}

/* What is known of a model before anybody asks for it: its context and what it would take. */
static void take_in(struct model *m) {
        if (!m->inspected_well || m->state != MODEL_ABSENT || m->inspected.kv_bytes_per_token[m->config->kv_type] == 0)
                return;
        recall(m);
        find_forms(m);
}

static void log_left_out(const struct model *m) {
        log_event(m->config->discovered ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "left_out", LOG_TEXT("model", m->config->id),
                  LOG_TEXT("path", m->config->path), LOG_TEXT("because", m->inspect_sentence));
}

static void on_inspected(void *user, enum inspection_end end, const struct inspected *result, const char *sentence) {
        struct model *m = user;
        bool is_news = end == INSPECTION_NO_MODEL && !m->is_no_model;
        m->inspection = NULL;
        m->fleet->inspections_count--;
        m->files = m->inspecting;
        m->identified = end != INSPECTION_FAILED && !m->is_inspection_stale;
        m->inspected_well = result != NULL;
        m->is_no_model = end == INSPECTION_NO_MODEL;
        m->surveyed = true;
        m->survey_due = m->is_inspection_stale;
        if (result)
                m->inspected = *result;
        (void) snprintf(m->inspect_sentence, sizeof(m->inspect_sentence), "%s", result ? "" : sentence);
        if (is_news)
                log_left_out(m);
        if (!m->is_inspection_stale) {
                take_in(m);
                conclude_inspection(m);
        }
        m->is_inspection_stale = false;
        fleet_poke(m->fleet);
}

/* 0; or -errno and the sentence. */
static int begin(struct model *m, const struct open_files *files, char *reterr, size_t reterr_size) {
        struct fleet *f = m->fleet;
        const struct inspection_request request = {
                .engine_path = f->config->engine_path,
                .fds = files->fds,
                .fds_count = files->count,
                .threads = m->config->threads,
                .parallel = m->config->parallel,
                .speculate = m->config->speculate,
        };
        m->inspecting = files->identity;
        int r = inspection_start(f->loop, &request, on_inspected, m, &m->inspection);
        if (r < 0)
                (void) snprintf(reterr, reterr_size, "cannot start '%s': %s", f->config->engine_path, strerror(-r));
        else
                f->inspections_count++;
        return r;
}

static int open_files(const struct model *m, struct open_files *ret, char *reterr, size_t reterr_size) {
        if (!m->config->wrong)
                return model_open_files(m, ret, reterr, reterr_size);
        (void) snprintf(reterr, reterr_size, "%s", m->config->wrong);
        return -EINVAL;
}

/* Looks at the files again each time: they may have been replaced since. */
void model_inspect(struct model *m) {
        struct open_files files;
        char sentence[400];
        if (m->inspection || m->fleet->inspections_count >= INSPECTIONS_MAX)
                return;
        int r = open_files(m, &files, sentence, sizeof(sentence));
        if (r == 0 && m->identified && files.identity.key == m->files.key) {
                model_files_close(&files);
                conclude_inspection(m);
                return;
        }
        if (r == 0) {
                r = begin(m, &files, sentence, sizeof(sentence));
                model_files_close(&files);
        }
        if (r < 0)
                model_refuse_load(m, sentence);
}

/* --- the survey --- */

static void survey(struct model *m) {
        struct open_files files;
        int r = open_files(m, &files, m->inspect_sentence, sizeof(m->inspect_sentence));
        if (r == 0) {
                r = begin(m, &files, m->inspect_sentence, sizeof(m->inspect_sentence));
                model_files_close(&files);
        }
        m->survey_due = false;
        m->surveyed = m->surveyed || r < 0;
        if (r < 0)
                fleet_poke(m->fleet);
}

/* One at a time, so that a model that somebody waits for never waits for those that nobody asked for. */
void fleet_survey(struct fleet *f) {
        bool is_done = true;
        for (uint32_t i = 0; i < f->models_count; i++) {
                struct model *m = f->models[i];
                is_done = is_done && m->surveyed;
                if (m->survey_due && !m->inspection && m->state == MODEL_ABSENT && f->inspections_count == 0 && !f->stopping)
                        survey(m);
        }
        if (!is_done || !f->on_surveyed)
                return;
        void (*on_surveyed)(void *user) = f->on_surveyed;
        f->on_surveyed = NULL;
        on_surveyed(f->on_surveyed_user);
}

void fleet_when_surveyed(struct fleet *f, void (*on_surveyed)(void *user), void *user) {
        f->on_surveyed = on_surveyed;
        f->on_surveyed_user = user;
        fleet_poke(f);
}
