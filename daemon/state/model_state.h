/*
 * model_state.h - the life of a model as a state x event table.
 *
 * The table says which state follows and which act goes with it; whoever owns the model acts. A pair that is
 * not in the table cannot happen: the owner reports it and ends the engine, it does not guess.
 */
#ifndef HEADROOM_DAEMON_STATE_MODEL_STATE_H
#define HEADROOM_DAEMON_STATE_MODEL_STATE_H

#include <stdbool.h>

#include "daemon/state/life.h"

enum life_event {
        LIFE_EVENT_WANTED,    /* a request, the operator or the configuration wants it loaded */
        LIFE_EVENT_UNWANTED,  /* nobody waits for it any more */
        LIFE_EVENT_INSPECTED, /* its size is known */
        LIFE_EVENT_REFUSED,   /* it cannot be loaded; the waiters have been told */
        LIFE_EVENT_ADMITTED,  /* there is room for it */
        LIFE_EVENT_READY,     /* the engine is ready */
        LIFE_EVENT_FAILED,    /* the engine said that it cannot, or hung up: it is about to exit */
        LIFE_EVENT_LEAVE,     /* it should go: a victim, idle, or the operator's wish */
        LIFE_EVENT_EMPTY,     /* its last running request has ended */
        LIFE_EVENT_END,       /* now: it misbehaved, took too long, or the operator insists */
        LIFE_EVENT_EXITED,    /* the process is gone */
        LIFE_EVENT_FREED,     /* and its memory is back */
        LIFE_EVENT_COUNT,
};

enum life_act {
        LIFE_ACT_NONE,
        LIFE_ACT_START,      /* start the engine */
        LIFE_ACT_SHUT_DOWN,  /* ask the engine to exit; after stop_timeout it is killed */
        LIFE_ACT_AWAIT_EXIT, /* it exits by itself; if not, it is killed */
        LIFE_ACT_KILL,
        LIFE_ACT_SETTLE, /* the process is gone: see to its requests, wait for its memory */
        LIFE_ACT_FORGET, /* nothing of it is left */
};

struct life_step {
        bool known;
        enum life next;
        enum life_act act;
};

/* known is false for a pair that cannot happen. */
struct life_step life_next(enum life life, enum life_event event);
const char *life_event_name(enum life_event event);

#endif
