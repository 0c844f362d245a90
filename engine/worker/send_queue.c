/* send_queue.c - see send_queue.h. The worker watches send_queue_waiting while it fills the queue: that is the bound. */
#include "engine/worker/send_queue.h"

#include <errno.h>
#include <sys/socket.h>

#define SEND_QUEUE_BYTES_KEPT (64u << 10) /* an empty outbox gives a larger buffer back */

void send_queue_done(struct send_queue *o) {
        text_done(&o->bytes);
        o->sent = 0;
}

int send_queue_add(struct send_queue *o, const void *bytes, size_t count) {
        if (o->sent > o->bytes.capacity / 2) {
                text_drop(&o->bytes, o->sent);
                o->sent = 0;
        }
        o->bytes.max = TEXT_MAX_NONE;
        return text_add(&o->bytes, bytes, count) ? 0 : -ENOMEM;
}

size_t send_queue_waiting(const struct send_queue *o) {
        return o->bytes.used - o->sent;
}

int send_queue_flush(struct send_queue *o, int socket_fd) {
        while (send_queue_waiting(o) > 0) {
                ssize_t n = send(socket_fd, o->bytes.bytes + o->sent, send_queue_waiting(o), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
                o->sent += (size_t) n;
        }
        text_drop(&o->bytes, o->sent);
        o->sent = 0;
        if (o->bytes.capacity > SEND_QUEUE_BYTES_KEPT)
                send_queue_done(o);
        return 0;
}
