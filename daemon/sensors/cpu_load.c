/* cpu_load.c - "cpu user nice system idle iowait irq softirq steal ..." (proc_stat(5)); who waits for a disk makes no heat. */
#include "daemon/sensors/cpu_load.h"

#include <inttypes.h>
#include <stdio.h>

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, TIMES };

static bool parse(const char *text, uint64_t *ret_busy, uint64_t *ret_total) {
        uint64_t t[TIMES] = { 0 };
        if (!text ||
            sscanf(text, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
                   &t[USER], &t[NICE], &t[SYSTEM], &t[IDLE], &t[IOWAIT], &t[IRQ], &t[SOFTIRQ], &t[STEAL]) <= IDLE)
                return false;
        *ret_busy = t[USER] + t[NICE] + t[SYSTEM] + t[IRQ] + t[SOFTIRQ] + t[STEAL];
        *ret_total = *ret_busy + t[IDLE] + t[IOWAIT];
        return true;
}

void cpu_load_take(struct cpu_load *c, const char *text) {
        uint64_t busy, total;
        if (!parse(text, &busy, &total)) {
                *c = (struct cpu_load){ .permille = LOAD_UNKNOWN };
                return;
        }
        /* Counters of the idle go back now and then; and two readings within a tick tell nothing new. */
        bool is_forward = c->begun && busy >= c->busy && total > c->total && busy - c->busy <= total - c->total;
        if (is_forward)
                c->permille = (uint32_t) ((busy - c->busy) * 1000 / (total - c->total));
        else if (!c->begun)
                c->permille = LOAD_UNKNOWN;
        *c = (struct cpu_load){ .begun = true, .busy = busy, .total = total, .permille = c->permille };
}
