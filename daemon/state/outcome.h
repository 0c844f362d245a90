/* outcome.h - what became of an action, told to the governor. */
#ifndef HEADROOM_DAEMON_STATE_OUTCOME_H
#define HEADROOM_DAEMON_STATE_OUTCOME_H

#include "policy/state/snapshot.h"

struct fleet;
struct model;

/* RESULT: 0, or -errno. */
typedef void fleet_action_done(void *user, const struct action *action, int result);
void govern_tell(struct fleet *f, const struct action *action, int result);
/* The engine is gone: what it was asked for will not come. */
void govern_forget(struct model *m);

#endif
