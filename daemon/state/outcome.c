/* outcome.c - see outcome.h. */
#include "daemon/state/outcome.h"

#include <errno.h>

#include "daemon/state/fleet.h"

void govern_tell(struct fleet *f, const struct action *action, int result) {
        if (f->on_action)
                f->on_action(f->on_action_user, action, result);
}

void govern_note(struct fleet *f, const struct note *note) {
        if (f->on_note)
                f->on_note(f->on_action_user, note);
}

void govern_forget(struct model *m) {
        struct instance *e = &m->engine;
        for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
                struct control_request request = e->control_requests[i];
                e->control_requests[i] = (struct control_request){ 0 };
                if (request.id != 0 && request.action.kind != ACTION_NONE)
                        govern_tell(m->fleet, &request.action, -ESRCH);
        }
        e->suspending = (struct action){ 0 };
        e->cycled = false;
}
