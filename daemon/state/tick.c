/* tick.c - see tick.h. The governor sets the function that the tick calls. */
#include "daemon/state/tick.h"

#include "daemon/state/fleet.h"
#include "policy/base/sat.h"

uint64_t fleet_clock_ms(void) {
        return uv_hrtime() / 1000000;
}

void fleet_poke(struct fleet *f) {
        if (f->poked || f->stopped)
                return;
        f->poked = true;
        (void) uv_idle_start(&f->soon, f->on_soon);
}

void fleet_due(struct fleet *f, uint64_t at_ms) {
        f->due_ms = u64_min(f->due_ms, at_ms);
}

void fleet_measure_want(struct model *m) {
        m->engine.measure_wanted = true;
        fleet_poke(m->fleet);
}
