/* control.h - control frames to an engine, and their answers. */
#ifndef HEADROOM_DAEMON_ENGINES_CONTROL_H
#define HEADROOM_DAEMON_ENGINES_CONTROL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/state/snapshot.h"

struct model;

/* SETTINGS is taken over, NULL is fine. 0; -EBUSY: too many are unanswered; -errno. */
int control_request_send(struct model *m, cJSON *settings, const struct action *action);
bool control_request_is_pending(const struct model *m, enum action_kind kind);
/* When the oldest that is unanswered was sent; TIME_NEVER when there is none. */
uint64_t control_request_oldest_ms(const struct model *m);
/* True when ID is that of a control request. */
bool control_request_answered(struct model *m, uint64_t id, bool good);
/* What the engine says of itself is what it does. */
void control_compare_report(struct model *m);

#endif
