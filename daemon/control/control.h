/*
 * control.h - the operator's surface on the Unix socket: what is, what was done and why, and what is to be done.
 *
 * Who may: root, the user the daemon runs as, and members of the group that the socket belongs to. The kernel says who
 * the peer is (SO_PEERCRED, SO_PEERGROUPS); the socket's mode keeps most others out already.
 */
#ifndef HEADROOM_DAEMON_CONTROL_CONTROL_H
#define HEADROOM_DAEMON_CONTROL_CONTROL_H

#include "daemon/http/exchange.h"

/* For the server of the control socket; USER is the api. */
void control_on_request(void *user, struct http_exchange *x);

#endif
