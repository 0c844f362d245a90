/*
 * remember.h - the past of each model, found again by id and generation.
 *
 * A new generation is another engine: what was remembered of the one before it is void. Models come and go; the memory of one
 * that is away is kept while there is room for it.
 */
#ifndef HEADROOM_POLICY_STATE_REMEMBER_H
#define HEADROOM_POLICY_STATE_REMEMBER_H

#include "policy/state/past.h"

/* PASTS: for each model of SNAPSHOT, in its order. */
void policy_remember(struct past *past, const struct snapshot *snapshot, struct model_past *pasts[ACCOUNTS_MAX]);

#endif
