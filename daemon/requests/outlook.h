/* outlook.h - when a request's turn is expected, by the facts that the fleet has; the forecast itself is policy/admission/wait.h. */
#ifndef HEADROOM_DAEMON_REQUESTS_OUTLOOK_H
#define HEADROOM_DAEMON_REQUESTS_OUTLOOK_H

#include "daemon/requests/submit.h"

struct model;

/* Until a request begins before which AHEAD others do; TIME_NEVER: nobody can tell. */
uint64_t model_outlook_ms(const struct model *m, uint32_t ahead);

#endif
