/* send_queue.h - frames on their way to a socket that takes them when it can. */
#ifndef HEADROOM_ENGINE_WORKER_SEND_QUEUE_H
#define HEADROOM_ENGINE_WORKER_SEND_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct outbox { /* start with all zero; release with outbox_done */
        uint8_t *bytes;
        size_t used, sent, capacity;
};
void outbox_done(struct outbox *o);

int outbox_add(struct outbox *o, const void *bytes, size_t count); /* 0 or -ENOMEM */
size_t outbox_waiting(const struct outbox *o);                     /* bytes not sent yet */
/* Sends what the socket takes, without waiting. 0, or -errno: the peer is gone. */
int outbox_flush(struct outbox *o, int socket_fd);

#endif
