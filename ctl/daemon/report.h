/* report.h - how a command says that it failed: one line on stderr, and with --json an object on stdout. */
#ifndef HEADROOM_CTL_DAEMON_REPORT_H
#define HEADROOM_CTL_DAEMON_REPORT_H

#include <cjson/cJSON.h>

#include "ctl/daemon/client.h"
#include "ctl/base/command.h"

/* {"message","code"} of P, the caller's. */
cJSON *report_object(const struct problem *p);

/* Says it both ways and returns the exit code. */
int report(const struct invocation *in, const struct problem *p);

#endif
