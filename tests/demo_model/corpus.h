/*
 * corpus.h - the questions and answers the demo model is taught, as people write them.
 *
 * A text file holds paragraphs. `Q:` lines are phrasings of one question, the `A:` line is their answer,
 * an `S:` line is a system message to mix in, `#` starts a comment line. Plain ASCII, one line each.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_CORPUS_H
#define HEADROOM_TESTS_DEMO_MODEL_CORPUS_H

#include <stddef.h>

#include "tests/demo_model/bounds.h"

struct corpus_item {
        char *questions[CORPUS_QUESTIONS_MAX];
        size_t questions_count;
        char *answer;
};

struct corpus {
        struct corpus_item items[CORPUS_ITEMS_MAX];
        size_t items_count;
        size_t questions_count; /* phrasings of all items together */
        char *systems[CORPUS_SYSTEMS_MAX];
        size_t systems_count;
};

struct corpus_error {
        char text[256];
};

/* A NULL-safe heap object. corpus_read adds one file; -errno and one sentence in *reterr. */
int corpus_new(struct corpus **ret);
void corpus_free(struct corpus *c);
int corpus_read(struct corpus *c, const char *path, struct corpus_error *reterr);

#endif
