/* presented.h - the secret that a request shows. */
#ifndef HEADROOM_DAEMON_KEYS_PRESENTED_H
#define HEADROOM_DAEMON_KEYS_PRESENTED_H

#include <stdbool.h>

#include "daemon/http/exchange.h"

#define KEY_PRESENTED_MAX 256u /* longer than any secret of ours */

/*
 * From Authorization (Bearer, or the password of Basic), X-Api-Key, or api-key, as Azure's clients say. False: none is shown, or one that
 * is too long to be ours.
 */
bool key_presented(const struct http_exchange *x, char ret[KEY_PRESENTED_MAX]);

#endif
