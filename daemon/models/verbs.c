/* verbs.c - see verbs.h. */
#include "daemon/models/verbs.h"

#include <stdlib.h>

#include "daemon/requests/gate.h"
#include "daemon/state/queue.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "policy/base/sat.h"

struct verb *verb_new(fleet_done *on_done, void *user) {
        struct verb *v = calloc(1, sizeof(*v));
        if (!v)
                abort(); /* a few hundred bytes: there is nothing left to answer with either */
        v->on_done = on_done;
        v->user = user;
        v->since_ms = fleet_clock_ms();
        return v;
}

void verb_finish(struct fleet *f, struct verb *v, const struct failure *failure) {
        queue_leave(&v->link);
        if (failure) {
                v->failed = true;
                v->failure = *failure;
        }
        queue_append(&f->finished_verbs, &v->link);
        fleet_poke(f);
}

void verbs_finish(struct fleet *f, struct queue *verbs, const struct failure *failure) {
        while (verbs->first)
                verb_finish(f, verb_of(verbs->first), failure);
}

void verbs_tell(struct fleet *f) {
        for (struct queue_link *link; (link = queue_take(&f->finished_verbs));) {
                struct verb *v = verb_of(link);
                struct failure failure = v->failure;
                bool failed = v->failed;
                fleet_done *on_done = v->on_done;
                void *user = v->user;
                free(v);
                if (on_done)
                        on_done(user, failed ? &failure : NULL);
        }
}

void verbs_expire(struct model *m) {
        struct fleet *f = m->fleet;
        enum reason held = gate_check(m, NULL);
        for (struct queue_link *l = held == REASON_NONE ? NULL : m->loads.first; l;) {
                struct verb *v = verb_of(l);
                uint64_t deadline = sat_add(v->since_ms, f->config->wait_timeout_ms);
                l = l->next;
                if (deadline > f->now_ms) {
                        fleet_due(f, deadline);
                        continue;
                }
                struct failure failure;
                gate_failure(m, held, &failure);
                verb_finish(f, v, &failure);
        }
}
