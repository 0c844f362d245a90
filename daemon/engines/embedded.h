/* embedded.h - headroom-engine, our own: the kind of engine that has every verb. */
#ifndef HEADROOM_DAEMON_ENGINES_EMBEDDED_H
#define HEADROOM_DAEMON_ENGINES_EMBEDDED_H

#include "daemon/engines/engine.h"

extern const struct engine_ops embedded_engine;

#endif
