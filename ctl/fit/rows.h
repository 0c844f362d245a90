/*
 * rows.h - the table of `fit`: for each context length and KV precision, what the model needs, whether it may be
 * loaded, and how fast it can be at most. Pure: the verdict is that of policy/admission/admission.h, which the daemon asks too.
 */
#ifndef HEADROOM_CTL_FIT_ROWS_H
#define HEADROOM_CTL_FIT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/fit/machine.h"
#include "policy/base/kv_type.h"
#include "policy/admission/admission.h"

/*
 * The largest share of the measured bandwidth that decoding on CPUs has been seen to use: two threads of llama.cpp on
 * Llama-3.2-1B used 88 % (F16), 85 % (Q4_K_M) and 77 % (Q8_0). So the speeds below are upper bounds.
 */
#define DECODE_EFFICIENCY_MAX 0.88

struct fit_model {
        uint64_t weights_bytes, scratch_bytes, overhead_bytes;
        uint64_t kv_bytes_per_token[KV_TYPE_COUNT]; /* 0: this precision cannot hold its heads */
        uint64_t decode_bytes;                      /* weights read for one token */
        uint32_t context_trained;
};

struct fit_question {
        uint32_t parallel; /* requests that fill their whole context */
        struct admission_limits limits;
        const struct machine *machine;
        double bandwidth;     /* bytes per second; 0: unknown */
        uint64_t cache_bytes; /* of the processor: what fits into it is not bound by memory */
};

enum fit {
        FIT_NOW,
        FIT_AFTER_UNLOADING, /* of engines that run now */
        FIT_NOT_NOW,         /* other programs leave too little */
        FIT_NEVER,           /* larger than the limits themselves */
        FIT_COUNT,
};

struct fit_row {
        uint32_t context;
        enum kv_type kv_type;
        uint64_t kv_bytes, total_bytes;
        enum fit fit;
        enum admission_rule rule; /* the rule that is broken now; RULE_NONE with FIT_NOW */
        uint64_t short_bytes;     /* by how much */
        double tokens_per_second; /* one request at the end of its context, at most; 0: unknown */
};

const char *fit_word(enum fit fit); /* "now", "after_unloading", "not_now", "never" */

/* Whether it may be loaded, now or once others are unloaded. */
bool fit_is_possible(enum fit fit);

struct fit_row fit_row(const struct fit_model *model, const struct fit_question *q, uint32_t context, enum kv_type kv_type);

/* What a daemon would load it with now, where the configuration leaves the context to it. */
uint32_t fit_context_auto(const struct fit_model *model, const struct fit_question *q);

/*
 * CONTEXT_SMALLEST and its doubles below TRAINED, then TRAINED itself. Returns how many were written to RET, at
 * most CONTEXTS_MAX.
 */
uint32_t fit_contexts(uint32_t trained, uint32_t ret[]);

#endif
