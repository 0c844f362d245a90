/*
 * variation.h - the same question as another person would type it.
 *
 * Lower case, a missing question mark, a polite frame, another opening, a dropped article, now and then a
 * slip of the fingers: trained on these, the model minds them less when it is asked.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_VARIATION_H
#define HEADROOM_TESTS_DEMO_MODEL_VARIATION_H

#include "tests/demo_model/bounds.h"
#include "tests/demo_model/random.h"

void variation_make(struct random *random, const char *question, char ret[QUESTION_BYTES_MAX]);

/* The plainest one: all lower case and without the mark at the end. */
void variation_plain(const char *question, char ret[QUESTION_BYTES_MAX]);

#endif
