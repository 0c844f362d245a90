/*
 * gate.c - keeps requests from beginning while memory is short or the machine hot, and tells those that wait.
 *
 * A hold never stops everything: running requests go on, and where nothing runs anywhere, the request that has waited longest
 * goes.
 */
#include "daemon/requests/gate.h"
#include "daemon/base/bounds.h"

#include <stdio.h>

#include "daemon/requests/failure.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "policy/base/sat.h"

static bool is_held_back(const struct model *m, const struct request *request) {
        return request->batch && m->fleet->gate.batch;
}

static struct request *first_free(const struct model *m) {
        struct queue_link *l = m->waiting.first;
        while (l && is_held_back(m, request_of(l)))
                l = l->next;
        return l ? request_of(l) : NULL;
}

static bool anything_runs(const struct fleet *f) {
        for (uint32_t i = 0; i < f->models_count; i++)
                if (model_running(f->models[i]) > 0)
                        return true;
        return false;
}

/* Of all that could be sent now, the one whose turn came first. */
static const struct request *longest_waiting(const struct fleet *f) {
        const struct request *found = NULL;
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct request *request = f->models[i]->state == MODEL_READY ? first_free(f->models[i]) : NULL;
                if (request && (!found || request->turn_ms < found->turn_ms))
                        found = request;
        }
        return found;
}

struct request *gate_next(const struct model *m) {
        const struct fleet *f = m->fleet;
        struct request *request = first_free(m);
        if (request && f->gate.growth && (anything_runs(f) || longest_waiting(f) != request))
                return NULL;
        return request;
}

enum reason gate_check(const struct model *m, const struct request *request) {
        const struct gate *h = &m->fleet->gate;
        if (request && is_held_back(m, request))
                return h->batch_because;
        if (m->state == MODEL_WAITING && h->loads)
                return REASON_MEMORY_HELD;
        return m->state == MODEL_READY && request && h->growth ? REASON_MEMORY_HELD : REASON_NONE;
}

void gate_failure(const struct model *m, enum reason reason, struct failure *ret) {
        const struct gate *h = &m->fleet->gate;
        char numbers[FLEET_HEAT_MAX + 8] = "";
        if (reason == REASON_TOO_HOT && *m->fleet->heat)
                (void) snprintf(numbers, sizeof(numbers), " (%s)", m->fleet->heat);
        else if (reason == REASON_BATCH_HOURS)
                (void) snprintf(numbers, sizeof(numbers), " (%.64s)", m->fleet->config->batch_hours);
        else if (reason == REASON_MEMORY_HELD && h->exhaustion_ms < FORECAST_NEWS_MS)
                (void) snprintf(numbers, sizeof(numbers), " (headroom %lld MiB, gone in %llu s at this pace)",
                                (long long) h->headroom_bytes / (1 << 20), (unsigned long long) h->exhaustion_ms / 1000);
        else if (reason == REASON_MEMORY_HELD)
                (void) snprintf(numbers, sizeof(numbers), " (headroom %lld MiB)", (long long) h->headroom_bytes / (1 << 20));
        failure_set(ret, reason, "waited %u s for model '%s': %s%s", (unsigned) (m->fleet->config->wait_timeout_ms / 1000),
                    m->config->id, reason_info(reason)->sentence, numbers);
}
