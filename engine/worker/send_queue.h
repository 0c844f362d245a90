/* send_queue.h - frames on their way to a socket that takes them when it can. */
#ifndef HEADROOM_ENGINE_WORKER_SEND_QUEUE_H
#define HEADROOM_ENGINE_WORKER_SEND_QUEUE_H

#include <stddef.h>

#include "engine/base/strbuf.h"

struct send_queue { /* start with all zero; release with send_queue_done */
        struct text bytes;
        size_t sent;
};
void send_queue_done(struct send_queue *o);

int send_queue_add(struct send_queue *o, const void *bytes, size_t count); /* 0 or -ENOMEM */
size_t send_queue_waiting(const struct send_queue *o);                     /* bytes not sent yet */
/* Sends what the socket takes, without waiting. 0, or -errno: the peer is gone. */
int send_queue_flush(struct send_queue *o, int socket_fd);

#endif
