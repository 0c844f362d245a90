/* outlook.c - see outlook.h. */
#include "daemon/requests/outlook.h"

#include "daemon/requests/gate.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "policy/admission/admission.h"
#include "policy/admission/wait.h"
#include "policy/base/bounds.h"
#include "policy/base/sat.h"

static uint64_t load_ms(const struct model *m) {
        return policy_load_ms(m->load_ms, m->form.predicted.total_bytes);
}

/* The other model's loading and its turn, which are taken to be like ours. */
static uint64_t others_turn_ms(const struct model *m) {
        const struct config *c = m->fleet->config;
        return sat_add(load_ms(m), sat_add(policy_turn_ms(c->turn_ms, c->min_residency_ms), m->service_ms));
}

/* Until M takes requests. */
static uint64_t begins_ms(const struct model *m) {
        uint64_t now_ms = fleet_clock_ms(), room_ms = m->last_answer.room_ms;
        switch (m->state) {
        case MODEL_READY: return 0;
        case MODEL_LOADING: return sat_sub(sat_add(m->engine.started_ms, load_ms(m)), now_ms);
        case MODEL_WAITING: return room_ms == UINT64_MAX ? TIME_NEVER : sat_add(sat_sub(room_ms, now_ms), load_ms(m));
        case MODEL_DRAINING:
        case MODEL_STOPPING: return sat_add(others_turn_ms(m), load_ms(m));
        default: return load_ms(m);
        }
}

uint64_t model_outlook_ms(const struct model *m, uint32_t ahead) {
        bool is_ready = m->state == MODEL_READY;
        struct queue_facts facts = {
                .ahead = ahead,
                .running = is_ready ? model_running(m) : 0,
                .parallel = is_ready ? m->engine.parallel : m->config->parallel,
                .service_ms = m->service_ms,
                .begins_ms = begins_ms(m),
        };
        return policy_wait_ms(&facts);
}

struct outlook request_outlook(const struct request *request) {
        const struct model *m = request->model;
        struct outlook o = { 0, TIME_NEVER };
        if (request->link.queue != &m->waiting)
                return o;
        for (const struct queue_link *l = &request->link; l; l = l->previous)
                o.position++;
        if (gate_check(m, request) == REASON_NONE && !m->engine.stopped)
                o.expected_ms = model_outlook_ms(m, o.position - 1);
        return o;
}

uint64_t fleet_service_ms(const struct fleet *f, const char *model) {
        uint32_t index;
        if (fleet_model_find(f, model, &index) < 0 || f->models[index]->service_ms == 0)
                return SERVICE_UNKNOWN_MS;
        return f->models[index]->service_ms;
}
