/*
 * model_state.h - the states of a model between unknown and loaded, as a state x event table.
 *
 * The table says which state follows and which action goes with it; the owner of the model acts. A pair that is not
 * in the table cannot happen: the owner reports it and ends the engine, it does not guess.
 */
#ifndef HEADROOM_DAEMON_STATE_MODEL_STATE_H
#define HEADROOM_DAEMON_STATE_MODEL_STATE_H

#include <stdbool.h>

enum model_state {
        MODEL_ABSENT,     /* known, not loaded */
        MODEL_INSPECTING, /* a child is reading its size */
        MODEL_WAITING,    /* wanted; room is being made, or a cooldown runs */
        MODEL_LOADING,    /* process started, not ready */
        MODEL_READY,
        MODEL_DRAINING, /* admits nothing more; stops when its last request ends */
        MODEL_STOPPING, /* told to go; its memory does not count as free yet */
        MODEL_COUNT,
};
const char *model_state_name(enum model_state state);

enum model_event_kind {
        MODEL_EVENT_WANTED,    /* a request, the operator or the configuration wants it loaded */
        MODEL_EVENT_UNWANTED,  /* no request waits for the model any more */
        MODEL_EVENT_INSPECTED, /* the size is known */
        MODEL_EVENT_REFUSED,   /* the model cannot be loaded; the waiters have been told */
        MODEL_EVENT_ADMITTED,  /* there is room for the model */
        MODEL_EVENT_READY,     /* the engine is ready */
        MODEL_EVENT_FAILED,    /* the engine said that it cannot, or hung up: it is about to exit */
        MODEL_EVENT_LEAVE,     /* the model should go: a victim, idle, or the operator's wish */
        MODEL_EVENT_EMPTY,     /* the last running request has ended */
        MODEL_EVENT_END,       /* now: it misbehaved, took too long, or the operator insists */
        MODEL_EVENT_EXITED,    /* the process is gone */
        MODEL_EVENT_FREED,     /* the memory of the engine is back */
        MODEL_EVENT_COUNT,
};

enum model_action {
        MODEL_ACTION_NONE,
        MODEL_ACTION_START,      /* start the engine */
        MODEL_ACTION_SHUT_DOWN,  /* ask the engine to exit; after stop_timeout it is killed */
        MODEL_ACTION_AWAIT_EXIT, /* it exits by itself; if not, it is killed */
        MODEL_ACTION_KILL,
        MODEL_ACTION_SETTLE, /* the process is gone: see to its requests, wait for its memory */
        MODEL_ACTION_FORGET, /* nothing of it is left */
};

struct model_transition {
        bool known;
        enum model_state next;
        enum model_action action;
};

/* known is false for a pair that cannot happen. */
struct model_transition model_state_next(enum model_state state, enum model_event_kind event);
const char *model_event_name(enum model_event_kind event);

#endif
