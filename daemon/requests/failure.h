/* failure.h - making the `struct failure` that a client, a log line or the operator sees from a reason and its numbers. */
#ifndef HEADROOM_DAEMON_REQUESTS_FAILURE_H
#define HEADROOM_DAEMON_REQUESTS_FAILURE_H

#include <cjson/cJSON.h>
#include <stdarg.h>

#include "policy/base/reason.h"
#include "daemon/requests/submit.h"

/* FORMAT is the sentence with the numbers; NULL: the reason's own. */
void failure_set(struct failure *f, enum reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));
void failure_set_list(struct failure *f, enum reason reason, const char *format, va_list arguments)
        __attribute__((format(printf, 3, 0)));
/* From an `error` frame of an engine. Nothing in it is trusted: wrong parts are replaced by harmless ones. */
void failure_from_frame(struct failure *f, const cJSON *frame);
/* Seconds, rounded up and at most 120: clients do not obey more. */
void failure_set_retry_after(struct failure *f, uint64_t ms);

#endif
