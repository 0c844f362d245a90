/* ask.c - see ask.h. */
#include "daemon/requests/ask.h"

#include <stdlib.h>

#include "daemon/worker/process.h"
#include "daemon/state/queue.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "engine/wire/wire.h"

void ask_free(struct ask *ask) {
        queue_leave(&ask->link);
        cJSON_Delete(ask->body);
        free(ask);
}

void ask_fail(struct ask *ask, const struct failure *failure) {
        struct ask_events events = ask->events;
        void *user = ask->user;
        ask_free(ask);
        events.on_failed(user, failure);
}

struct ask *asks_running(const struct model *m, uint64_t id) {
        for (struct queue_link *l = m->running.first; l; l = l->next) {
                if (ask_of(l)->id == id)
                        return ask_of(l);
        }
        return NULL;
}

void asks_ask_statistics(struct model *m) {
        if (m->running.count == 0 && m->state == MODEL_READY)
                engine_process_tell(m->engine.process, WIRE_STATISTICS);
}

void asks_note_end(struct model *m) {
        m->requests_count++;
        m->engine.worked = true;
        m->engine.keeping.exhausted = false;
        m->engine.last_end_ms = fleet_clock_ms();
        asks_ask_statistics(m);
        fleet_measure_want(m);
        fleet_poke(m->fleet);
}
