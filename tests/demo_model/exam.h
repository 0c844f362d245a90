/*
 * exam.h - asks the finished model and counts the answers it gives word for word.
 *
 * Greedy decoding from the prompt alone, with the weights as the file stores them.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_EXAM_H
#define HEADROOM_TESTS_DEMO_MODEL_EXAM_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/demo_model/corpus.h"
#include "tests/demo_model/net.h"
#include "tests/demo_model/vocabulary.h"

struct exam {
        const struct corpus *corpus; /* what is asked, and what is expected */
        const struct vocabulary *vocabulary;
        const struct net_layout *layout;
        const float *weights;
        size_t threads;
        bool plain;         /* ask in lower case and without the question mark */
        const char *system; /* message in front, or NULL */
        bool second_turn;   /* ask after another question has been answered */
        bool show;          /* print each answer that differs */
};

struct exam_result {
        size_t asked, exact;
};

int exam_take(const struct exam *e, struct exam_result *ret);

#endif
