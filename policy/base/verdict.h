/* verdict.h - admission's answer to a model that wants to be loaded, and the rule behind it. */
#ifndef HEADROOM_POLICY_BASE_VERDICT_H
#define HEADROOM_POLICY_BASE_VERDICT_H

enum verdict {
        VERDICT_ADMIT,
        VERDICT_EVICT,     /* the victims must leave first */
        VERDICT_WAIT,      /* room will come by itself: something leaves, loads, or is in its turn */
        VERDICT_BLOCKED,   /* only pinned models stand in the way */
        VERDICT_PROTECTED, /* only models that are protected from others for longer than the waiter waits */
        VERDICT_SHORT,     /* even alone it would not fit into what other programs leave */
        VERDICT_NEVER,     /* larger than the limits themselves */
        VERDICT_HELD,      /* nothing is loaded, or nothing of the batch class, while memory is short or the machine hot */
        VERDICT_COUNT,
};

enum admission_rule { RULE_NONE, RULE_BUDGET, RULE_WEIGHTS, RULE_AVAILABLE, RULE_PLACES, RULE_COUNT };

/* "admit", "evict", ...; "budget", "weights_fraction", ...: for logs, JSON and scenarios. */
const char *policy_verdict_word(enum verdict verdict);
const char *policy_rule_word(enum admission_rule rule);

#endif
