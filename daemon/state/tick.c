/* tick.c - see tick.h. What the tick then does is not known here: the fleet sets it. */
#include "daemon/state/tick.h"

#include <string.h>

#include "daemon/base/cgroup_limits.h"
#include "daemon/base/meminfo.h"
#include "daemon/state/fleet.h"
#include "daemon/system/log.h"
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

void fleet_observe_memory(struct fleet *f, uint64_t age_max_ms) {
        uint64_t now = fleet_clock_ms();
        if (f->memory_known && age_max_ms > 0 && sat_sub(now, f->memory_read_ms) < age_max_ms)
                return;
        int r = memory_read(f->proc, &f->memory);
        f->memory_read_ms = now;
        if (r == 0) {
                cgroup_limit_apply(f->proc, f->sys, &f->memory);
                f->memory_known = true;
                return;
        }
        /* Not seeing is no reason to admit: nothing is available until it is seen again. */
        f->memory.available_bytes = 0;
        if (f->memory_known || f->memory.total_bytes == 0)
                log_error("memory_unknown", LOG_TEXT("path", "/proc/meminfo"), LOG_TEXT("error", strerror(-r)),
                          LOG_TEXT("effect", "no model is loaded until it can be read"));
        f->memory_known = false;
        f->memory.total_bytes = u64_max(f->memory.total_bytes, f->config->ram_bytes);
}

void fleet_measure_want(struct model *m) {
        m->engine.measure_wanted = true;
        fleet_poke(m->fleet);
}
