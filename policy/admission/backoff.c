/* backoff.c - pauses between attempts to start an engine that keeps failing. */
#include "policy/admission/backoff.h"

#include "policy/base/bounds.h"
#include "policy/base/sat.h"

struct backoff policy_backoff_failed(struct backoff b, uint64_t now_ms, const struct engine_life *life) {
        if (life->was_ready && (life->healthy_ms >= BACKOFF_HEALTHY_MS || life->answers >= BACKOFF_HEALTHY_ANSWERS))
                b.failures = 0;
        if (b.failures < UINT32_MAX)
                b.failures++;
        uint32_t doublings = life->was_ready ? b.failures - 1 : b.failures;
        uint64_t pause = doublings == 0 ? 0 : BACKOFF_FIRST_MS;
        for (; doublings > 1 && pause < BACKOFF_MAX_MS; doublings--)
                pause *= 2;
        b.until_ms = sat_add(now_ms, u64_min(pause, BACKOFF_MAX_MS));
        return b;
}

uint64_t policy_backoff_left(struct backoff b, uint64_t now_ms) {
        return sat_sub(b.until_ms, now_ms);
}
