/* check_internal.h - what the checkers of the plan and those of the world share. */
#ifndef HEADROOM_TESTS_SIMULATOR_CHECK_INTERNAL_H
#define HEADROOM_TESTS_SIMULATOR_CHECK_INTERNAL_H

#include "tests/simulator/check.h"
#include "tests/simulator/parts.h"

/* Figures of the promises are from the issue and the findings; none is taken from the policy's own bounds. */
#define MIB             1048576.0
#define MARGIN_DEGREES  15.0

#define SETTLE_CHECK_MS 2000u /* an action that has not shown: no other before this */

/* WHO noticed, and what. Only the first thing is kept. */
void check_fire(struct check *c, const char *who, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* True headroom, some steps ago. */
int64_t check_headroom_ago(const struct check *c, uint64_t steps);
/* Seconds until headroom and BEYOND_BYTES are gone, by the steepest of some windows: whoever has cause to hurry is given
 * the doubt. */
double check_seconds_left(const struct check *c, double beyond_bytes);
/* Bytes a second at which headroom went of late, by the slowest of some windows; not more than 0 where it did not. */
double check_pace(const struct check *c);
/* A milder means than to hurt somebody who is busy, and of which model; NULL when there is none. */
const char *check_milder_means(const struct check *c, const struct world *w, bool suspend_counts, uint32_t *ret_model);
/* Bytes that would come free if all KV not yet at LEVEL were converted to it. */
double check_to_convert_bytes(const struct model *m, enum kv_type level);
/* Does the model stand still under a memory.high for long? Then only its end helps. */
bool check_stands_still(const struct world *w, const struct model *m);
static inline bool check_is_pool_order(const struct action *a) {
        return a->kind == ACTION_POOL || a->kind == ACTION_TURN_OUT;
}

/* check_pool.c */
void check_pool_orders(struct check *c, const struct world *w, const struct plan *plan);
void check_pools(struct check *c, const struct world *w);

/* Has an action that was ordered had its effect? */
bool check_has_shown(const struct world *w, const struct ordered *o);

#endif
