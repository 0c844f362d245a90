/*
 * names.h - the numbers by which policy, events and traces know models: a name has the same number all through the daemon's life.
 *
 * So what is told of a model that has left still has its name, and no other model is taken for it. Only when more names have
 * come and gone than the table holds, the one that left longest ago gives its number to the next.
 */
#ifndef HEADROOM_DAEMON_STATE_NAMES_H
#define HEADROOM_DAEMON_STATE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/bounds.h"

/* All zero: empty. */
struct names {
        uint32_t count;
        uint64_t leavings;
        struct {
                char *text;
                bool is_taken;
                uint64_t left; /* the count of leavings then */
        } all[NAMES_MAX];
};

/* 0 and *ret, which is NAME's until names_leave; -ENOSPC; -ENOMEM. */
int names_take(struct names *n, const char *name, uint32_t *ret);
void names_leave(struct names *n, uint32_t number);
/* "" for a number that was never given. Lives on after the model has left, until another has its number. */
const char *names_text(const struct names *n, uint32_t number);
void names_done(struct names *n);

#endif
