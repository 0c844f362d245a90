/* outcome.h - what became of an act, told to the governor. */
#ifndef HEADROOM_DAEMON_STATE_OUTCOME_H
#define HEADROOM_DAEMON_STATE_OUTCOME_H

#include "policy/state/snapshot.h"

struct fleet;
struct model;

/* RESULT: 0, or -errno. */
typedef void fleet_acted(void *user, const struct act *act, int result);
void govern_tell(struct fleet *f, const struct act *act, int result);
/* The engine is gone: what it was asked for will not come. */
void govern_forget(struct model *m);

#endif
