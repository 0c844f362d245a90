/* lookup.h - finding a model by what a client calls it. */
#ifndef HEADROOM_DAEMON_STATE_LOOKUP_H
#define HEADROOM_DAEMON_STATE_LOOKUP_H

#include <stdint.h>

struct fleet;

/* By id or alias; -ENOENT. */
int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index);

#endif
