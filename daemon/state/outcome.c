/* outcome.c - see outcome.h. */
#include "daemon/state/outcome.h"

#include <errno.h>

#include "daemon/state/fleet.h"

void govern_tell(struct fleet *f, const struct action *action, int result) {
        if (f->on_action)
                f->on_action(f->on_action_user, action, result);
}

void govern_forget(struct model *m) {
        struct instance *e = &m->engine;
        for (uint32_t i = 0; i < ORDERS_MAX; i++) {
                struct order order = e->orders[i];
                e->orders[i] = (struct order){ 0 };
                if (order.id != 0 && order.action.kind != ACTION_NONE)
                        govern_tell(m->fleet, &order.action, -ESRCH);
        }
        e->suspending = (struct action){ 0 };
        e->cycled = false;
}
