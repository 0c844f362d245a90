/* kinds.h - which kind of engine serves a model. */
#ifndef HEADROOM_DAEMON_ENGINES_KINDS_H
#define HEADROOM_DAEMON_ENGINES_KINDS_H

#include "daemon/engines/engine.h"

struct config_model;

const struct engine_ops *engine_kind_of(const struct config_model *config);

#endif
