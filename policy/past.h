/*
 * past.h - what policy remembers between two looks. Written by policy alone; all zero is "nothing yet".
 *
 * Included by policy.h, whose parts it names; never by itself.
 */
#ifndef HEADROOM_POLICY_PAST_H
#define HEADROOM_POLICY_PAST_H

struct past {
        uint64_t looks;
        uint64_t last_ms;
};

#endif
