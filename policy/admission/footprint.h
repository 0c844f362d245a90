/*
 * footprint.h - how much memory one model will need, before it is loaded.
 *
 *     weights + kv_tokens * kv bytes per token + (scratch + overhead) * learned / 1000
 *
 * Weights and KV cache are exact: the one is the file's tensors, the other fixed-size blocks up to a limit that we
 * set. Only the rest can be mispredicted, so only the rest is learned from measurement, and a model whose weights
 * have not all been touched yet, or whose cache was never full, does not make the next prediction too small.
 */
#ifndef HEADROOM_POLICY_ADMISSION_FOOTPRINT_H
#define HEADROOM_POLICY_ADMISSION_FOOTPRINT_H

#include <stdint.h>

/* Figures from the inspection of the file. Any value is possible; sums saturate. */
struct footprint_facts {
        uint64_t weights_bytes;
        uint64_t kv_bytes_per_token; /* of the precision in use, all layers */
        uint64_t scratch_bytes;
        uint64_t overhead_bytes;
};

struct footprint {
        uint64_t weights_bytes, kv_bytes, scratch_bytes, overhead_bytes;
        uint64_t total_bytes;
};

/* LEARNED in thousandths, LEARNED_NEUTRAL at first. */
struct footprint policy_footprint(const struct footprint_facts *facts, uint64_t kv_tokens, uint32_t learned);

/* How far a context may go: at least LEAST tokens, for which WHOLE_BYTES are needed in all, at most FULL, and TOKEN_BYTES for each. */
struct context_range {
        uint32_t least, full;
        uint64_t whole_bytes, token_bytes;
};

/* The largest context that a part (CONTEXT_FREE_PART) of what the rest of the model leaves of FREE_BYTES can hold; in whole steps where it is less than full. */
uint32_t policy_context(const struct context_range *range, uint64_t free_bytes);

/* The memory of a running engine that is neither weights nor KV cache, from one measurement. */
uint64_t policy_footprint_rest(const struct footprint_facts *facts, uint64_t total_bytes, uint64_t file_bytes,
                               uint64_t kv_used_bytes);

/*
 * The correction to remember after a life whose rest peaked at REST_PEAK bytes. More than predicted is believed at
 * once, less only by a quarter of the way and only if WORKED (it served something, so it reached its usual size).
 */
uint32_t policy_footprint_learn(uint32_t learned, const struct footprint_facts *facts, uint64_t rest_peak, int worked);

#endif
