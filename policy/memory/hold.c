/* hold.c - see hold.h. */
#include "policy/memory/hold.h"

static bool nothing_runs(const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                if (snapshot->models[i].state != ACCOUNT_IDLE)
                        return false;
        }
        return true;
}

void policy_hold(const struct snapshot *snapshot, const struct headroom *headroom, const struct forecast *forecast,
                 const struct ladder *ladder, struct plan *plan) {
        bool held = plan->rung >= RUNG_HOLD;
        if (!held && forecast->jump) {
                plan->rung = RUNG_HOLD;
                plan->because = REASON_JUMP;
                held = true;
        }
        /* Where nothing runs, one model may be loaded: admission still asks for room, and somebody must be served. */
        bool first = nothing_runs(snapshot) && headroom->bytes > 0 && snapshot->now_ms - ladder->demand_ms >= RECOVERY_LOADS_MS;
        plan->hold_loads = held && !first;
        plan->hold_growth = held;
        plan->hold_batch = held;
        plan->batch_because = held ? REASON_MEMORY_HELD : REASON_NONE;
}
