/*
 * mutation.h - policies that are broken on purpose: the real one, with what it sees, remembers or plans changed around it.
 *
 * Each breaks one promise. If a checker of the simulator does not notice, it is the checker that is broken.
 */
#ifndef HEADROOM_TESTS_SIMULATOR_MUTATION_H
#define HEADROOM_TESTS_SIMULATOR_MUTATION_H

#include "policy/policy.h"

/* The memory of a mutation. All zero at first. */
struct mutant {
        struct snapshot snapshot;
        uint64_t stall_us;
        bool held;
};

struct mutation {
        const char *name, *breaks; /* NULL name ends the table */
        const char *caught_by;     /* the checker that must fire */
        /* Hooks before and after the plan, each may be NULL. SNAPSHOT is the mutant's own copy. */
        void (*before)(struct mutant *m, struct snapshot *snapshot, struct past *past);
        void (*after)(struct mutant *m, const struct snapshot *snapshot, struct plan *plan);
};

extern const struct mutation mutations[];

/* policy_decide, broken by MUTATION (NULL: not at all). */
void mutation_decide(const struct mutation *mutation, struct mutant *m, const struct limits *limits,
                     const struct snapshot *snapshot, struct past *past, struct plan *ret);

#endif
