/* request.h - a request (an ask) while the fleet has it. */
#ifndef HEADROOM_DAEMON_STATE_REQUEST_H
#define HEADROOM_DAEMON_STATE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/state/queue.h"
#include "daemon/state/ask_events.h"

struct model;

struct ask {
        struct queue_link link; /* first: an ask is its link */
        struct model *model;
        enum ask_kind kind;
        cJSON *body;
        struct ask_events events;
        void *user;
        uint64_t id;       /* on the wire; 0 while it waits */
        uint64_t since_ms; /* submitted */
        uint64_t turn_ms;  /* its place in the queue: one of the batch class ages into it */
        uint32_t attempts; /* engines it was sent to */
        bool batch;
        bool paused;
        bool moving;       /* out of memory or back: it has been told and has not answered */
        bool suspended;    /* the engine has said so: it takes no place there until it is restored */
        bool started;      /* on_start was called */
        bool has_recalled; /* the engine has asked for a file with its beginning ... */
        uint64_t recalled; /* ... and was given this one; 0: none */
        bool spoke;        /* some of the answer was told */
        const char *why;   /* last told by on_waiting */
};

static inline struct ask *ask_of(struct queue_link *link) {
        return (struct ask *) link;
}

#endif
