/* print.h - the answer of `fit`, for people and as JSON. */
#ifndef HEADROOM_CTL_FIT_PRINT_H
#define HEADROOM_CTL_FIT_PRINT_H

#include <stdio.h>

#include "ctl/base/bounds.h"
#include "ctl/fit/rows.h"
#include "engine/model/perplexity_record.h"
#include "engine/model/hparams.h"

struct fit_report {
        const char *path;
        const struct hparams *hparams;
        struct fit_model model;
        struct fit_question question;
        uint32_t threads;
        uint32_t bandwidth_threads; /* threads that measured the bandwidth; 0: it was given */
        struct fit_row rows[CONTEXTS_MAX * KV_TYPE_COUNT];
        uint32_t rows_count;
        bool is_measured; /* the next is valid: the user has measured this model */
        struct perplexity_record quality;
};

/* Whether some row is possible. */
bool fit_report_fits(const struct fit_report *r);

void fit_print(const struct fit_report *r, FILE *out);
void fit_print_json(const struct fit_report *r, FILE *out);

#endif
