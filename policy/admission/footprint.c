/* footprint.c - predicted memory of one model, and what measurement teaches about it. */
#include "policy/admission/footprint.h"

#include "policy/base/bounds.h"
#include "policy/base/sat.h"

/* LEARNED <= LEARNED_MAX, so dividing first loses less than a promille and cannot wrap. */
static uint64_t scaled(uint64_t bytes, uint32_t learned) {
        if (bytes < UINT64_MAX / LEARNED_MAX)
                return bytes * learned / LEARNED_NEUTRAL;
        return sat_mul(bytes / LEARNED_NEUTRAL, learned);
}

static uint32_t clamped(uint64_t learned) {
        return (uint32_t) u64_min(u64_max(learned, LEARNED_MIN), LEARNED_MAX);
}

struct footprint policy_footprint(const struct footprint_facts *facts, uint64_t kv_tokens, uint32_t learned) {
        learned = clamped(learned);
        struct footprint f = {
                .weights_bytes = facts->weights_bytes,
                .kv_bytes = sat_mul(facts->kv_bytes_per_token, kv_tokens),
                .scratch_bytes = scaled(facts->scratch_bytes, learned),
                .overhead_bytes = scaled(facts->overhead_bytes, learned),
        };
        f.total_bytes = sat_add(sat_add(f.weights_bytes, f.kv_bytes), sat_add(f.scratch_bytes, f.overhead_bytes));
        return f;
}

uint32_t policy_context(const struct context_range *range, uint64_t free_bytes) {
        if (range->full <= range->least)
                return range->least;
        uint64_t without = sat_sub(range->whole_bytes, sat_mul(range->least, range->token_bytes));
        uint64_t room = sat_sub(free_bytes, without) / CONTEXT_FREE_PART;
        uint64_t tokens = range->token_bytes > 0 ? room / range->token_bytes : range->full;
        if (tokens >= range->full)
                return range->full;
        return (uint32_t) u64_max(tokens / CONTEXT_STEP * CONTEXT_STEP, range->least);
}

uint64_t policy_footprint_rest(const struct footprint_facts *facts, uint64_t total_bytes, uint64_t file_bytes,
                               uint64_t kv_used_bytes) {
        uint64_t weights_touched = u64_min(file_bytes, facts->weights_bytes);
        return sat_sub(total_bytes, sat_add(weights_touched, kv_used_bytes));
}

uint32_t policy_footprint_learn(uint32_t learned, const struct footprint_facts *facts, uint64_t rest_peak, int worked) {
        uint64_t rest = sat_add(facts->scratch_bytes, facts->overhead_bytes);
        if (rest == 0 || rest_peak == 0)
                return clamped(learned);
        uint64_t seen = clamped(rest_peak > UINT64_MAX / LEARNED_NEUTRAL ? LEARNED_MAX : rest_peak * LEARNED_NEUTRAL / rest);
        if (seen >= learned)
                return (uint32_t) seen;
        return worked ? clamped(learned - (learned - seen) / 4) : clamped(learned);
}
