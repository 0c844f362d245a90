/* headroom.c - sums that saturate: the counts come from files and children. */
#include "policy/memory/headroom.h"

#include "policy/base/sat.h"

/* A - B where both may be anything: far beyond any machine it stops, so that sums and differences of results are safe. */
static int64_t difference(uint64_t a, uint64_t b) {
        if (a >= b)
                return (int64_t) u64_min(a - b, INT64_MAX / 4);
        return -(int64_t) u64_min(b - a, INT64_MAX / 4);
}

struct headroom policy_headroom(const struct limits *limits, const struct snapshot *snapshot) {
        uint64_t weights = 0;
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                const struct model_view *m = &snapshot->models[i];
                if (m->state != ACCOUNT_LOADING)
                        weights = sat_add(weights, m->weights_bytes);
        }
        uint64_t spoken_for = sat_add(weights, snapshot->loading_bytes);
        return (struct headroom){
                .bytes = difference(snapshot->available_bytes, sat_add(spoken_for, limits->reserve_bytes)),
                .cliff_bytes = difference(snapshot->available_bytes, spoken_for),
                .weights_bytes = weights,
        };
}
