/*
 * queue.h - requests in order of arrival. A request is in at most one queue; leaving from the middle costs nothing.
 */
#ifndef HEADROOM_DAEMON_STATE_QUEUE_H
#define HEADROOM_DAEMON_STATE_QUEUE_H

#include <stdint.h>

struct queue;

/* Embedded in what is queued. All zero: in no queue. */
struct queue_link {
        struct queue_link *next, *previous;
        struct queue *queue;
};

/* All zero: empty. */
struct queue {
        struct queue_link *first, *last;
        uint32_t count;
};

void queue_append(struct queue *q, struct queue_link *link);
void queue_prepend(struct queue *q, struct queue_link *link);
/* Behind AFTER, which is in Q; NULL: at its head. */
void queue_insert(struct queue *q, struct queue_link *link, struct queue_link *after);
/* Takes LINK out of the queue that it is in, if any. */
void queue_leave(struct queue_link *link);
/* The first, taken out; NULL when empty. */
struct queue_link *queue_take(struct queue *q);
/* Moves everything in FROM to the end of TO, in order. */
void queue_move_all(struct queue *from, struct queue *to);

#endif
