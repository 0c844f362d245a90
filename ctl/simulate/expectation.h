/*
 * expectation.h - the plan that a scenario expects: one `expect` line, parsed and compared. Pure.
 *
 * The words are those of headroom.scenario(5).
 */
#ifndef HEADROOM_CTL_SIMULATE_EXPECTATION_H
#define HEADROOM_CTL_SIMULATE_EXPECTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/base/bounds.h"
#include "policy/policy.h"

/* A piece of a line, not terminated. */
struct word {
        const char *text;
        size_t length;
};

bool word_is(struct word w, const char *text);

enum expectation_kind {
        EXPECT_NOTHING,
        EXPECT_ACTION,
        EXPECT_ANY_ACTION,
        EXPECT_LOAD,
        EXPECT_UNLOAD,
        EXPECT_RUNG,
        EXPECT_BECAUSE,
        EXPECT_HEAT_BECAUSE,
        EXPECT_FLAG,
        EXPECT_VERIFIED,
        EXPECT_NUMBER,
};

enum comparison { EXACTLY, AT_LEAST, AT_MOST };

struct expectation {
        enum expectation_kind kind;
        bool negated, until_now;
        uint32_t line;
        struct word text; /* as written, for messages; borrowed from the scenario */
        /* EXPECT_LOAD: of MODEL. EXPECT_UNLOAD: of MODEL, FOR_MODEL (UINT32_MAX: any) */
        enum verdict verdict; /* VERDICT_COUNT: any */
        bool refused;
        uint32_t for_model;
        /* EXPECT_ACTION, EXPECT_VERIFIED */
        enum action_kind action;
        uint32_t model; /* UINT32_MAX: any */
        bool has_to;
        uint32_t to;         /* of ACTION_DOWNSHIFT and ACTION_UPSHIFT an enum kv_type, else action.value */
        enum reason because; /* REASON_COUNT: any */
        /* the others */
        enum comparison comparison;
        enum rung rung;
        size_t member; /* EXPECT_FLAG: offset in struct plan; EXPECT_NUMBER: row of the table of numbers */
        int64_t number;
};

/* WORDS follow "expect". NULL and *ret, or what is wrong with them; line and text are left to the caller. */
const char *expectation_parse(const struct word words[], uint32_t count, struct expectation *ret);

/* Different actions that were planned so far, for `until_now`. All zero at first. */
struct deeds {
        uint32_t count;
        struct action all[DEEDS_MAX];
};
/* Adds the actions of PLAN. False when there are more different ones than DEEDS_MAX. */
bool deeds_add(struct deeds *d, const struct plan *plan);

bool expectation_holds(const struct expectation *e, const struct snapshot *snapshot, const struct plan *plan,
                       const struct deeds *deeds);

/* The value of ACTION_DOWNSHIFT, ACTION_UPSHIFT (a level) or the others: what an expectation names after `to`. */
uint32_t action_target(const struct action *action);

#endif
