/*
 * scenario.h - reads a scenario (headroom.scenario(5)): limits, then look by look what was seen and what is expected.
 *
 * The text may come from anywhere: every line is checked, every table bounded, and what is wrong is named with its line.
 */
#ifndef HEADROOM_CTL_SIMULATE_SCENARIO_H
#define HEADROOM_CTL_SIMULATE_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/base/bounds.h"
#include "ctl/simulate/expectation.h"
#include "policy/policy.h"

struct scenario {
        /* The text, borrowed, and where we are in it. */
        const char *next, *end;
        uint32_t line; /* of the line that was read last, from 1 */
        char error[SCENARIO_ERROR_MAX];

        struct limits limits;
        struct snapshot snapshot; /* of the current look */
        uint32_t looks;
        uint32_t look_line; /* of its `at` */
        uint32_t expectations_count;
        struct expectation expectations[SCENARIO_EXPECTATIONS_MAX];
        bool resident_said[ACCOUNTS_MAX]; /* of snapshot.models: weights_resident was given */
        bool in_look;                     /* an `at` has been read whose look was not handed out yet */
};

/* TEXT must outlive S. */
void scenario_init(struct scenario *s, const char *text, size_t size);

/* Reads the next look into S: 1, 0 at the end, -EINVAL with s->line and s->error (a sentence without the file's name). */
int scenario_next(struct scenario *s);

/* Goes through all of TEXT: the number of looks in *ret_looks and 0, or -EINVAL, line and error in S. */
int scenario_check(struct scenario *s, const char *text, size_t size, uint32_t *ret_looks);

#endif
