/*
 * lesson.h - conversations in the ChatML form, as token ids, with the places where an answer is expected.
 *
 *     <|im_start|>user\nQUESTION<|im_end|>\n<|im_start|>assistant\nANSWER<|im_end|>\n
 *
 * Some get a system message in front, some further turns. The loss is on the answers and the control token
 * that ends each, since nothing else is ever generated.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_LESSON_H
#define HEADROOM_TESTS_DEMO_MODEL_LESSON_H

#include <stddef.h>
#include <stdint.h>

#include "tests/demo_model/corpus.h"
#include "tests/demo_model/net.h"
#include "tests/demo_model/random.h"
#include "tests/demo_model/vocabulary.h"

/* The text a tokenizer sees between control tokens. */
#define LESSON_SYSTEM    "system\n"
#define LESSON_USER      "user\n"
#define LESSON_ASSISTANT "assistant\n"

struct lesson {
        const struct corpus *corpus;
        const struct vocabulary *vocabulary;
        struct random *random;
        size_t *order; /* every phrasing of every item once per round, shuffled */
        size_t next;
};

int lesson_init(struct lesson *l, const struct corpus *corpus, const struct vocabulary *vocabulary, struct random *random);
void lesson_done(struct lesson *l);

/* Teaches the vocabulary all text that the tokenizer will meet. */
int lesson_teach_vocabulary(const struct corpus *corpus, struct learner *learner);

int lesson_batch_init(struct net_batch *b, size_t tokens_max);
void lesson_batch_done(struct net_batch *b);

/* Replaces what B holds by SEQUENCES conversations of at most SEQUENCE_TOKENS_MAX tokens each. */
void lesson_fill(struct lesson *l, struct net_batch *b, size_t sequences);

/* The prompt up to and with the assistant's opening. SYSTEM and BEFORE, a turn that has been answered, may be
 * NULL. The number of ids, or -ENOSPC. */
long lesson_prompt(const struct vocabulary *v, const char *system, const struct corpus_item *before, const char *question,
                   uint32_t *ids, size_t ids_max);

#endif
