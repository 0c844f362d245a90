/* send.h - requests go to the engine as places become free there. */
#ifndef HEADROOM_DAEMON_REQUESTS_SEND_H
#define HEADROOM_DAEMON_REQUESTS_SEND_H

struct model;

void requests_send(struct model *m);

#endif
