/* verdict.c - the words of verdicts and rules. */
#include "policy/base/verdict.h"

#include <assert.h>

const char *policy_verdict_word(enum verdict verdict) {
        static const char *const words[VERDICT_COUNT] = {
                [VERDICT_ADMIT] = "admit",     [VERDICT_EVICT] = "evict",         [VERDICT_WAIT] = "wait",
                [VERDICT_BLOCKED] = "blocked", [VERDICT_PROTECTED] = "protected", [VERDICT_SHORT] = "short",
                [VERDICT_NEVER] = "never",     [VERDICT_HELD] = "held",
        };
        assert(verdict < VERDICT_COUNT);
        return words[verdict];
}

const char *policy_rule_word(enum admission_rule rule) {
        static const char *const words[RULE_COUNT] = {
                [RULE_NONE] = "none",           [RULE_BUDGET] = "budget", [RULE_WEIGHTS] = "weights_fraction",
                [RULE_AVAILABLE] = "available", [RULE_PLACES] = "places",
        };
        assert(rule < RULE_COUNT);
        return words[rule];
}
