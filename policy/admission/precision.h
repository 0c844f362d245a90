/*
 * precision.h - KV caches that are stored less precisely, so that another model has room.
 *
 * An account falls when the engine has said that all of its cache has come down, and what was ordered counts as leaving until then.
 */
#ifndef HEADROOM_POLICY_ADMISSION_PRECISION_H
#define HEADROOM_POLICY_ADMISSION_PRECISION_H

#include <stdint.h>

#include "policy/base/account.h"
#include "policy/state/snapshot.h"

/* Memory that comes back when all blocks of M that are more precise than TO become that; 0: it may not. */
uint64_t policy_lowering_frees(const struct model_view *m, enum kv_type to);
/* Marks in A, the account of M, what comes back when its cache goes down to TO; nothing more where it may not. */
void policy_precision_mark(const struct model_view *m, enum kv_type to, struct account *a);
/* Marks what it has been told to give back so, and has not yet. */
void policy_precision_mark_told(const struct model_view *m, struct account *a);

#endif
