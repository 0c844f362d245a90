/* lifecycle.h - one model's life: events, actions, and the end of an engine. */
#ifndef HEADROOM_DAEMON_MODELS_LIFECYCLE_H
#define HEADROOM_DAEMON_MODELS_LIFECYCLE_H

#include <stdint.h>

#include "policy/base/reason.h"
#include "daemon/config/config.h"
#include "daemon/state/model_state.h"
#include "daemon/requests/submit.h"

struct fleet;
struct model;

void model_init(struct model *m, struct fleet *f, const struct config_model *config, uint32_t number);
void model_done(struct model *m);
uint64_t model_wanted_since(const struct model *m); /* TIME_NEVER when it is not */
/* How long it stays when it is idle: as configured, or as a request has said. */
uint64_t model_keep_alive_ms(const struct model *m);
void model_event(struct model *m, enum model_event_kind event);
void model_tick(struct model *m);
/* Tells it to leave; FOR_WHOM is the model that needs the room, or NULL. */
void model_leave(struct model *m, enum reason why, const struct model *for_whom);
/* Tells the waiting requests, then gives the load up. */
void model_refuse(struct model *m, const struct failure *failure);
void model_refuse_load(struct model *m, const char *sentence);

#endif
