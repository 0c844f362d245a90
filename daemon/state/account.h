/* account.h - the account of a model: its bytes, its state, its requests. Reads only. */
#ifndef HEADROOM_DAEMON_STATE_ACCOUNT_H
#define HEADROOM_DAEMON_STATE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/admission/footprint.h"
#include "policy/base/kv_type.h"
#include "policy/state/limits.h"

struct config;
struct fleet;
struct form;
struct model;

/* The footprint with a whole context, the least it may have, in the KV cache: what an elastic pool must be able to grow to. */
struct footprint model_whole(const struct model *m, const struct form *form);
/* The context that it has, or would be loaded with now. */
uint32_t model_context(const struct model *m);
/* Tokens that the pool can grow to: as many contexts as there are places, where there could be memory for them. */
uint32_t model_pool_full(const struct model *m);
/* The footprint at the precision and with the KV pool in use now, which may be lower than the one it was loaded with. */
struct footprint model_footprint(const struct model *m);
uint64_t model_account_bytes(const struct model *m);
/* The bytes by which the account grows when the KV cache goes up one level; 0 where it is as precise as it was loaded. */
uint64_t model_upshift_bytes(const struct model *m);
/* The bytes by which the account falls when the KV cache goes down to LEVEL; 0 where that is not less precise. */
uint64_t model_lower_bytes(const struct model *m, enum kv_type level);
/* The part of it that already misses from MemAvailable: anonymous, shared and locked pages. */
uint64_t model_taken_bytes(const struct model *m);
enum account_state model_account_state(const struct model *m);
bool model_has_account(const struct model *m);
/* No other model turns it out before; 0, or a time that has passed: they may. */
uint64_t model_protected_until_ms(const struct model *m);
uint32_t model_running(const struct model *m); /* requests that are not suspended */
/* The configured limits, as policy is given them. */
struct limits fleet_limits(const struct config *c);
/* The most bytes that the weights of all models together may fill. */
uint64_t fleet_weights_max(const struct fleet *f);

#endif
