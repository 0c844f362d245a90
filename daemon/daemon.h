/*
 * daemon.h - the whole of the running daemon: its loop, its servers, its fleet, and the order of their beginning and end.
 *
 * Beginning: listen (so that a second daemon stops here), then the fleet, then READY. End, on SIGTERM or SIGINT: accept no more
 * and let running answers end for a grace time; then the fleet stops its engines, which ends what still runs with an in-band
 * error; then the last bytes go out. A second signal skips the grace.
 */
#ifndef HEADROOM_DAEMON_DAEMON_H
#define HEADROOM_DAEMON_DAEMON_H

#include "daemon/config/config.h"

/* Runs until told to stop; CONFIG follows its SOURCE when that is to be read again. 0; or -errno when it could not begin, which has been logged. */
int daemon_run(struct config *config, const struct config_source *source);

#endif
