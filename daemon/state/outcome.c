/* outcome.c - see outcome.h. */
#include "daemon/state/outcome.h"

#include <errno.h>

#include "daemon/state/fleet.h"

void govern_tell(struct fleet *f, const struct act *act, int result) {
        if (f->on_act)
                f->on_act(f->on_act_user, act, result);
}

void govern_forget(struct model *m) {
        struct instance *e = &m->engine;
        for (uint32_t i = 0; i < ORDERS_MAX; i++) {
                struct order order = e->orders[i];
                e->orders[i] = (struct order){ 0 };
                if (order.id != 0 && order.act.kind != ACT_NONE)
                        govern_tell(m->fleet, &order.act, -ESRCH);
        }
        e->suspending = (struct act){ 0 };
        e->cycled = false;
}
