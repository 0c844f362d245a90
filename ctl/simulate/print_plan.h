/* print_plan.h - the plan of one look of a replay: as a sentence, as a row of a table, as JSON. */
#ifndef HEADROOM_CTL_SIMULATE_PRINT_PLAN_H
#define HEADROOM_CTL_SIMULATE_PRINT_PLAN_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/base/bounds.h"
#include "ctl/output/units.h"
#include "policy/admission/loads.h"
#include "policy/policy.h"

struct sentence {
        char text[SENTENCE_MAX];
        size_t used;
};

/* "evict 2 (forecast, 2.0 GiB); hold loads growth; emergency; trim 1 freed 30 MiB; unload 1 (make_room for 3)"; empty when
 * nothing is to be done. */
void look_say(struct sentence *ret, const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan);
/* "3.2 s"; "-" for never. */
struct human look_time_left(uint64_t ms);

/* Fixed columns: rows are printed as they are made, however many there will be. */
void look_print_heading(FILE *out);
void look_print(const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan, bool colours, FILE *out);

/* The caller's. */
cJSON *look_json(const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan);

#endif
