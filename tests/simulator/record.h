/* record.h - a run as a scenario that headroomctl simulate replays, each plan as what is expected. */
#ifndef HEADROOM_TESTS_SIMULATOR_RECORD_H
#define HEADROOM_TESTS_SIMULATOR_RECORD_H

#include <stdio.h>

#include "policy/policy.h"

struct record {
        FILE *out; /* NULL: nothing is recorded */
        bool begun;
        struct snapshot before;
};

void record_limits(struct record *r, const char *title, const struct limits *limits);
void record_look(struct record *r, const struct snapshot *snapshot, const struct plan *plan);

#endif
