/*
 * pool.h - KV pools that grow while the account has room, and shrink where others need it.
 *
 * A pool counts in its model's account with all that it may hold, so it is an order from here that makes it larger, and the bytes are
 * counted before the engine hears of it. What it is told to give back counts until the engine has said that it is gone.
 *
 * What is taken from a pool for another model: first what nobody uses, then prefixes of finished sequences. Running requests
 * keep what they hold and will likely come to; only one that came before all of another model's requests, and cannot go on, has those wait.
 * So the oldest request of all is never made to wait. It always comes to its end: no model is loaded beside others unless one of
 * them, whichever, could have a whole context while the others have their smallest pools.
 */
#ifndef HEADROOM_POLICY_ADMISSION_POOL_H
#define HEADROOM_POLICY_ADMISSION_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/account.h"
#include "policy/state/plan.h"
#include "policy/state/snapshot.h"

/* How much of a pool is taken. */
enum pool_cut { POOL_UNUSED, POOL_PREFIXES, POOL_RUNNING };

bool policy_pool_is_elastic(const struct model_view *m);
/* Marks in A, the account of M, what comes back when so much is taken of its pool. False: nothing would, or PLAN
 * has an order for it already. */
bool policy_pool_cut(const struct model_view *m, enum pool_cut cut, const struct plan *plan, struct account *a);
/* Plans it. */
void policy_pool_order_cut(const struct model_view *m, enum pool_cut cut, enum reason because, struct plan *plan);
/* Marks what the engine has been told to give back and has not yet. */
void policy_pool_mark_asked(const struct model_view *m, struct account *a);
/* Of the account of M: with the smallest pool, and with a whole context. */
void policy_pool_range(const struct model_view *m, struct account *a);
/* Tokens that M's pool should hold: what its requests need (a part more where GENEROUS, prefixes too); no less than now. */
uint32_t policy_pool_goal(const struct model_view *m, bool generous);
uint64_t policy_pool_bytes(const struct model_view *m, uint32_t tokens);
/* False where the plan is full, or has one for M already. */
bool policy_pool_order(const struct model_view *m, enum action_kind kind, uint32_t tokens, enum reason because,
                       struct plan *plan);
/* Pools of models that nobody has asked for a while lose what they do not use. */
void policy_pools_rest(const struct snapshot *snapshot, struct plan *plan);

#endif
