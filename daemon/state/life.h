/* life.h - where a model is between unknown and loaded. */
#ifndef HEADROOM_DAEMON_STATE_LIFE_H
#define HEADROOM_DAEMON_STATE_LIFE_H

enum life {
        LIFE_ABSENT,     /* known, not loaded */
        LIFE_INSPECTING, /* its size is being read by a child */
        LIFE_WAITING,    /* wanted; room is being made, or a cooldown runs */
        LIFE_LOADING,    /* process started, not ready */
        LIFE_READY,
        LIFE_DRAINING, /* admits nothing more; stops when its last request ends */
        LIFE_STOPPING, /* told to go; its memory does not count as free yet */
        LIFE_COUNT,
};
const char *life_name(enum life life);

#endif
