/* infill.h - answers of POST /infill of llama-server: a text between two others. */
#ifndef HEADROOM_DAEMON_DIALECT_INFILL_H
#define HEADROOM_DAEMON_DIALECT_INFILL_H

#include "daemon/dialect/dialect.h"

extern const struct dialect dialect_infill;

#endif
