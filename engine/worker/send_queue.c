/* send_queue.c - see send_queue.h. Whoever fills it watches send_queue_waiting: that is the bound. */
#include "engine/worker/send_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SEND_QUEUE_BYTES_FIRST 4096u
#define SEND_QUEUE_BYTES_KEPT  (64u << 10) /* an empty outbox gives a larger buffer back */

void send_queue_done(struct send_queue *o) {
        free(o->bytes);
        *o = (struct send_queue){ 0 };
}

int send_queue_add(struct send_queue *o, const void *bytes, size_t count) {
        if (o->sent > o->capacity / 2) {
                memmove(o->bytes, o->bytes + o->sent, o->used - o->sent);
                o->used -= o->sent;
                o->sent = 0;
        }
        if (o->used + count > o->capacity) {
                size_t capacity = o->capacity ? o->capacity : SEND_QUEUE_BYTES_FIRST;
                while (capacity < o->used + count)
                        capacity *= 2;
                uint8_t *grown = realloc(o->bytes, capacity);
                if (!grown)
                        return -ENOMEM;
                o->bytes = grown;
                o->capacity = capacity;
        }
        memcpy(o->bytes + o->used, bytes, count);
        o->used += count;
        return 0;
}

size_t send_queue_waiting(const struct send_queue *o) {
        return o->used - o->sent;
}

int send_queue_flush(struct send_queue *o, int socket_fd) {
        while (o->sent < o->used) {
                ssize_t n = send(socket_fd, o->bytes + o->sent, o->used - o->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
                o->sent += (size_t) n;
        }
        o->used = o->sent = 0;
        if (o->capacity > SEND_QUEUE_BYTES_KEPT)
                send_queue_done(o);
        return 0;
}
