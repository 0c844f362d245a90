/* queue.c - a doubly linked list whose members know where they are. */
#include "daemon/state/queue.h"

#include <assert.h>
#include <stddef.h>

void queue_append(struct queue *q, struct queue_link *link) {
        assert(link->queue == NULL);
        *link = (struct queue_link){ .previous = q->last, .queue = q };
        if (q->last)
                q->last->next = link;
        else
                q->first = link;
        q->last = link;
        q->count++;
}

void queue_prepend(struct queue *q, struct queue_link *link) {
        assert(link->queue == NULL);
        *link = (struct queue_link){ .next = q->first, .queue = q };
        if (q->first)
                q->first->previous = link;
        else
                q->last = link;
        q->first = link;
        q->count++;
}

void queue_insert(struct queue *q, struct queue_link *link, struct queue_link *after) {
        if (!after) {
                queue_prepend(q, link);
                return;
        }
        if (after == q->last) {
                queue_append(q, link);
                return;
        }
        assert(link->queue == NULL && after->queue == q);
        *link = (struct queue_link){ .next = after->next, .previous = after, .queue = q };
        after->next->previous = link;
        after->next = link;
        q->count++;
}

void queue_leave(struct queue_link *link) {
        struct queue *q = link->queue;
        if (!q)
                return;
        if (link->previous)
                link->previous->next = link->next;
        else
                q->first = link->next;
        if (link->next)
                link->next->previous = link->previous;
        else
                q->last = link->previous;
        q->count--;
        *link = (struct queue_link){ 0 };
}

struct queue_link *queue_take(struct queue *q) {
        struct queue_link *link = q->first;
        if (link)
                queue_leave(link);
        return link;
}

void queue_move_all(struct queue *from, struct queue *to) {
        for (struct queue_link *link; (link = queue_take(from));)
                queue_append(to, link);
}
