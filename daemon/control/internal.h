/* internal.h - within daemon/control only: who handles what. */
#ifndef HEADROOM_DAEMON_CONTROL_INTERNAL_H
#define HEADROOM_DAEMON_CONTROL_INTERNAL_H

#include "daemon/api/api_internal.h"

handler handle_keys, handle_key_add, handle_key_remove; /* keys_route.c */
handler handle_reload;                                  /* reload_route.c */
handler handle_weights; /* weights.c */

#endif
