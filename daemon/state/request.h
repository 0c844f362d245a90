/* request.h - a request while the fleet has it. */
#ifndef HEADROOM_DAEMON_STATE_REQUEST_H
#define HEADROOM_DAEMON_STATE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/state/queue.h"
#include "daemon/state/request_events.h"

struct model;

struct request {
        struct queue_link link; /* first: a request is its link */
        struct model *model;
        enum request_kind kind;
        struct request_body body; /* dropped when it will not be sent again */
        struct request_events events;
        void *user;
        uint64_t id;       /* on the wire; 0 while it waits */
        uint64_t since_ms; /* submitted */
        uint64_t sent_ms;  /* to the engine */
        uint64_t turn_ms;  /* place in the queue: a request of the batch class ages into it */
        uint32_t attempts; /* engines it was sent to */
        bool batch;
        bool says_keep_alive; /* how long its model stays when it is idle, from when the request is sent */
        uint64_t keep_alive_ms;
        uint64_t protect_ms; /* so long after it begins, and after it ends, no other model turns out its own */
        bool paused;
        bool moving;                        /* out of memory or back: it has been told and has not answered */
        bool suspended;                     /* the engine has said so: it takes no place there until it is restored */
        bool begun;                         /* this engine has said that it has the prompt: its answer may follow */
        bool noted;                         /* ... or what of it is left out, which is said once */
        uint32_t calls;                     /* of tools, that have begun in the answer */
        uint32_t vectors;                   /* that an answer to texts to embed has; 0: not known */
        uint32_t vectors_taken, dimensions; /* that have come of them, and how long they are */
        bool started;                       /* on_start was called */
        bool has_looked_up;                 /* the engine has looked up its prefix ... */
        uint64_t found_file;                /* ... and was given this one; 0: none */
        bool spoke;                         /* a part of the answer has gone to the owner */
        const char *why;                    /* last told by on_waiting */
};

static inline struct request *request_of(struct queue_link *link) {
        return (struct request *) link;
}

#endif
