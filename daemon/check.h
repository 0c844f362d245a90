/* check.h - for --check-config: what `headroom-engine inspect` says of each model file, asked one after the other. */
#ifndef HEADROOM_DAEMON_CHECK_H
#define HEADROOM_DAEMON_CHECK_H

#include "daemon/config/config.h"

/*
 * Reports each file that gives no model: a warning for one that was found in the models directory, a problem for one that the
 * configuration names. 0, -EINVAL after a problem, or -errno.
 */
int check_models(const struct config *c, config_report *report, void *user);

#endif
