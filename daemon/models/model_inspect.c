/*
 * model_inspect.c - the size of a model, from its files.
 *
 * They are handed to a child; the daemon reads none of them. They are looked at again at each load,
 * since they may have been replaced; as long as they are the same, what the child said about them holds.
 */
#include "daemon/models/model_inspect.h"

#include <stdio.h>
#include <string.h>

#include "daemon/models/footprints.h"
#include "daemon/models/lifecycle.h"
#include "daemon/state/model_files.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "policy/admission/footprint.h"
#include "policy/base/sat.h"

static void add_form(struct model *m, uint32_t kv_tokens, enum kv_type kv_type) {
        uint64_t per_token = m->inspected.kv_bytes_per_token[kv_type];
        if (per_token == 0 || m->forms_count == FORMS_MAX)
                return;
        struct form *form = &m->forms[m->forms_count++];
        form->kv_tokens = kv_tokens;
        form->kv_type = kv_type;
        form->facts = (struct footprint_facts){
                .weights_bytes = m->inspected.weights_bytes,
                .kv_bytes_per_token = per_token,
                .scratch_bytes = m->inspected.scratch_bytes,
                .overhead_bytes = m->inspected.overhead_bytes,
        };
        form->predicted = policy_footprint(&form->facts, kv_tokens, m->learned);
}

/*
 * Settles the parameters that the configuration leaves to the file, and the smaller forms for when those do not fit: room for one
 * context, then lower precisions of that.
 */
static void find_forms(struct model *m) {
        const struct config_model *c = m->config;
        uint32_t trained = m->inspected.n_ctx_train;
        m->context = c->context > 0 ? c->context : (uint32_t) u64_min(trained > 0 ? trained : CONTEXT_DEFAULT, CONTEXT_DEFAULT);
        uint32_t wanted = c->kv_tokens > 0 ? c->kv_tokens : (uint32_t) u64_min(2 * (uint64_t) m->context, UINT32_MAX);
        uint32_t least = (uint32_t) u64_min(wanted, m->context);
        m->forms_count = 0;
        add_form(m, wanted, c->kv_type);
        if (least < wanted)
                add_form(m, least, c->kv_type);
        for (int type = (int) c->kv_type + 1; type <= (int) c->kv_floor; type++)
                add_form(m, least, (enum kv_type) type);
        m->form = m->forms[0];
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
        m->learned = footprints_learned(m->fleet->footprints, m->config->id, m->files.key);
        find_forms(m);
        model_event(m, MODEL_EVENT_INSPECTED);
}

static void on_inspected(void *user, const struct inspected *result, const char *sentence, bool about_file) {
        struct model *m = user;
        m->inspection = NULL;
        m->fleet->inspections_count--;
        m->files = m->inspecting;
        m->identified = result != NULL || about_file;
        m->inspected_well = result != NULL;
        if (result)
                m->inspected = *result;
        (void) snprintf(m->inspect_sentence, sizeof(m->inspect_sentence), "%s", result ? "" : sentence);
        conclude_inspection(m);
        fleet_poke(m->fleet);
}

/* Looks at the files again each time: they may have been replaced since. */
void model_inspect(struct model *m) {
        struct fleet *f = m->fleet;
        if (m->inspection || f->inspections_count >= INSPECTIONS_MAX)
                return;
        struct open_files files;
        char sentence[400];
        if (model_open_files(m, &files, sentence, sizeof(sentence)) < 0) {
                model_refuse_load(m, sentence);
                return;
        }
        if (m->identified && files.identity.key == m->files.key) {
                model_files_close(&files);
                conclude_inspection(m);
                return;
        }
        struct inspection_request request = {
                .engine_path = f->config->engine_path,
                .fds = files.fds,
                .fds_count = files.count,
                .threads = m->config->threads,
                .parallel = m->config->parallel,
        };
        m->inspecting = files.identity;
        int r = inspection_start(f->loop, &request, on_inspected, m, &m->inspection);
        model_files_close(&files);
        if (r < 0) {
                (void) snprintf(sentence, sizeof(sentence), "cannot start '%s': %s", f->config->engine_path, strerror(-r));
                model_refuse_load(m, sentence);
                return;
        }
        f->inspections_count++;
}
