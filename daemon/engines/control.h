/* control.h - orders to an engine, and their answers. */
#ifndef HEADROOM_DAEMON_ENGINES_CONTROL_H
#define HEADROOM_DAEMON_ENGINES_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engines/engine.h"
#include "policy/state/plan.h"

struct model;

/* An action for make_smaller, and a pace for slow_down. 0; -EBUSY: too many are unanswered; -errno. */
int control_request_send(struct model *m, const struct action *action);
int order_pace(struct model *m, const struct engine_pace *pace);
bool control_request_is_pending(const struct model *m, enum action_kind kind);
/* The level of one that is; KV_F16 where none is. */
enum kv_type control_request_level(const struct model *m, enum action_kind kind);
/* When the oldest that is unanswered was sent; TIME_NEVER when there is none. */
uint64_t control_request_oldest_ms(const struct model *m);
/* True when ID is that of a control request. */
bool control_request_answered(struct model *m, uint64_t id, bool good);
/* Takes over the engine's own report of its context, chunk and precision, except where a request is still pending. */
void control_compare_report(struct model *m);

#endif
