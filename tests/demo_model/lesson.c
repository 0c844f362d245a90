/*
 * lesson.c - draws questions, varies them and lays them out as token ids.
 */
#include "tests/demo_model/lesson.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/demo_model/variation.h"

enum { ITEM_STRIDE = CORPUS_QUESTIONS_MAX }; /* order[] holds item * ITEM_STRIDE + phrasing */

enum { TURNS_MAX = 4 };
static const double system_share = 0.20, further_turn_share = 0.20, coarse_share = 0.30;
/* Behind a stranger's question an answer must go on from its own beginning: so one that was begun by
 * mistake, or for a question never seen, is at least finished in whole sentences. */
static const double stranger_share = 0.12;
enum { STRANGER_GIVEN_TOKENS = 4 };

/* Ids being written, with a failure that sticks. */
struct writer {
        uint32_t *ids;
        size_t count, max;
        bool full;
};

static void put_id(struct writer *w, uint32_t id) {
        if (w->count == w->max)
                w->full = true;
        else
                w->ids[w->count++] = id;
}

static void put_text(struct writer *w, const struct vocabulary *v, const char *text) {
        long count = vocabulary_encode(v, text, w->ids + w->count, w->max - w->count);

        if (count < 0)
                w->full = true;
        else
                w->count += (size_t) count;
}

static void put_opening(struct writer *w, const struct vocabulary *v, const char *role, const char *text) {
        char whole[QUESTION_BYTES_MAX + 16];

        (void) snprintf(whole, sizeof(whole), "%s%s", role, text);
        put_id(w, vocabulary_control_id(v, VOCABULARY_IM_START));
        put_text(w, v, whole);
}

static void put_ending(struct writer *w, const struct vocabulary *v) {
        put_id(w, vocabulary_control_id(v, VOCABULARY_IM_END));
        put_text(w, v, "\n");
}

int lesson_init(struct lesson *l, const struct corpus *corpus, const struct vocabulary *vocabulary, struct random *random) {
        size_t count = 0;

        *l = (struct lesson){ .corpus = corpus, .vocabulary = vocabulary, .random = random };
        l->order = calloc(corpus->questions_count + 1, sizeof(*l->order));
        if (!l->order)
                return -ENOMEM;
        for (size_t i = 0; i < corpus->items_count; i++)
                for (size_t q = 0; q < corpus->items[i].questions_count; q++)
                        l->order[count++] = i * ITEM_STRIDE + q;
        l->next = count;
        return 0;
}

void lesson_done(struct lesson *l) {
        free(l->order);
        l->order = NULL;
}

int lesson_teach_vocabulary(const struct corpus *corpus, struct learner *learner) {
        char whole[QUESTION_BYTES_MAX + 16];
        int result = 0;

        for (size_t i = 0; result == 0 && i < corpus->items_count; i++) {
                const struct corpus_item *item = &corpus->items[i];

                for (size_t q = 0; result == 0 && q < item->questions_count; q++) {
                        (void) snprintf(whole, sizeof(whole), "%s%s", LESSON_USER, item->questions[q]);
                        result = learner_add(learner, whole);
                        variation_plain(item->questions[q], whole);
                        if (result == 0)
                                result = learner_add(learner, whole);
                }
                (void) snprintf(whole, sizeof(whole), "%s%s", LESSON_ASSISTANT, item->answer);
                if (result == 0)
                        result = learner_add(learner, whole);
        }
        for (size_t i = 0; result == 0 && i < corpus->systems_count; i++) {
                (void) snprintf(whole, sizeof(whole), "%s%s", LESSON_SYSTEM, corpus->systems[i]);
                result = learner_add(learner, whole);
        }
        return result;
}

int lesson_batch_init(struct net_batch *b, size_t tokens_max) {
        *b = (struct net_batch){ 0 };
        b->ids = calloc(tokens_max, sizeof(*b->ids));
        b->targets = calloc(tokens_max, sizeof(*b->targets));
        if (b->ids && b->targets)
                return 0;
        lesson_batch_done(b);
        return -ENOMEM;
}

void lesson_batch_done(struct net_batch *b) {
        free(b->ids);
        free(b->targets);
        b->ids = NULL;
        b->targets = NULL;
}

static size_t draw(struct lesson *l) {
        size_t count = l->corpus->questions_count;

        if (l->next == count) {
                for (size_t i = count; i-- > 1;) {
                        size_t j = random_below(l->random, i + 1), kept = l->order[i];

                        l->order[i] = l->order[j];
                        l->order[j] = kept;
                }
                l->next = 0;
        }
        return l->order[l->next++];
}

/* Question and answer; each token of the answer, and its end, is the target of the token before. */
static void put_turn(struct lesson *l, struct writer *w, struct net_batch *b) {
        size_t drawn = draw(l), asked = drawn;
        const struct corpus_item *item = &l->corpus->items[drawn / ITEM_STRIDE];
        char question[QUESTION_BYTES_MAX];
        bool stranger = random_chance(l->random, stranger_share);

        if (stranger)
                asked = l->order[random_below(l->random, l->corpus->questions_count)];
        variation_make(l->random, l->corpus->items[asked / ITEM_STRIDE].questions[asked % ITEM_STRIDE], question);
        put_opening(w, l->vocabulary, LESSON_USER, question);
        put_ending(w, l->vocabulary);
        put_opening(w, l->vocabulary, LESSON_ASSISTANT, "");
        size_t first = w->count;

        put_text(w, l->vocabulary, item->answer);
        put_ending(w, l->vocabulary);
        size_t start = b->starts[b->sequences_count];

        for (size_t i = first + (stranger ? STRANGER_GIVEN_TOKENS : 0); !w->full && i + 1 < w->count; i++)
                b->targets[b->targets_count++] = (struct net_target){ (uint32_t) (start + i - 1), w->ids[i] };
}

static void put_conversation(struct lesson *l, struct net_batch *b) {
        struct writer w = { .ids = b->ids + b->tokens_count, .max = SEQUENCE_TOKENS_MAX };
        size_t targets = b->targets_count;

        if (l->corpus->systems_count > 0 && random_chance(l->random, system_share)) {
                put_opening(&w, l->vocabulary, LESSON_SYSTEM,
                            l->corpus->systems[random_below(l->random, l->corpus->systems_count)]);
                put_ending(&w, l->vocabulary);
        }
        put_turn(l, &w, b);
        for (int turn = 1; turn < TURNS_MAX && random_chance(l->random, further_turn_share); turn++)
                put_turn(l, &w, b);
        if (w.full) {
                b->targets_count = targets;
                return;
        }
        b->coarse[b->sequences_count++] = random_chance(l->random, coarse_share);
        b->tokens_count += w.count;
        b->starts[b->sequences_count] = b->tokens_count;
}

void lesson_fill(struct lesson *l, struct net_batch *b, size_t sequences) {
        assert(sequences <= SHARD_SEQUENCES_MAX);
        b->tokens_count = b->sequences_count = b->targets_count = 0;
        b->starts[0] = 0;
        for (size_t i = 0; i < sequences; i++)
                put_conversation(l, b);
}

long lesson_prompt(const struct vocabulary *v, const char *system, const struct corpus_item *before, const char *question,
                   uint32_t *ids, size_t ids_max) {
        struct writer w = { .ids = ids, .max = ids_max };

        if (system) {
                put_opening(&w, v, LESSON_SYSTEM, system);
                put_ending(&w, v);
        }
        if (before) {
                put_opening(&w, v, LESSON_USER, before->questions[0]);
                put_ending(&w, v);
                put_opening(&w, v, LESSON_ASSISTANT, before->answer);
                put_ending(&w, v);
        }
        put_opening(&w, v, LESSON_USER, question);
        put_ending(&w, v);
        put_opening(&w, v, LESSON_ASSISTANT, "");
        return w.full ? -ENOSPC : (long) w.count;
}
