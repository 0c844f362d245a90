/* suspend.h - requests on disk. */
#ifndef HEADROOM_DAEMON_ENGINES_SUSPEND_H
#define HEADROOM_DAEMON_ENGINES_SUSPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/state/plan.h"

struct fleet;
struct model;
struct request;

int suspension_begin(struct model *m, const struct action *action);
int suspension_resume(struct model *m, const struct action *action);
void suspension_answered(struct request *request, bool good);
void suspension_tick(struct model *m);
/* KV that saving batch requests of M would free. */
uint64_t suspension_bytes(const struct model *m);
void suspension_clean(const struct fleet *f); /* removes the files of an earlier daemon */

#endif
