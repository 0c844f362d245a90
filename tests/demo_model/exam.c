/*
 * exam.c - greedy answers against expected ones, the questions dealt out to threads.
 */
#include "tests/demo_model/exam.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/demo_model/course.h"
#include "tests/demo_model/lesson.h"
#include "tests/demo_model/variation.h"

struct sitting {
        const struct exam *exam;
        struct exam_result results[SHARDS];
        int errors[SHARDS];
};

struct answer {
        char text[4 * CORPUS_LINE_BYTES_MAX];
        size_t length;
};

static void append(const struct vocabulary *v, struct answer *a, uint32_t id) {
        const struct vocabulary_piece *piece = &v->pieces[id];

        for (size_t i = 0; i < piece->length && a->length + 1 < sizeof(a->text); i++)
                a->text[a->length++] = (char) piece->bytes[i];
        a->text[a->length] = '\0';
}

/* Runs until the end token or the end of the context, and compares as it goes; the whole text in *ret. */
static bool ask(const struct exam *e, struct net_decoder *d, const struct corpus_item *before, const char *question,
                const char *expected, struct answer *ret) {
        uint32_t prompt[NET_CONTEXT_MAX], wanted[SEQUENCE_TOKENS_MAX + 1], id = 0;
        uint32_t end = vocabulary_control_id(e->vocabulary, VOCABULARY_IM_END);
        long prompt_count = lesson_prompt(e->vocabulary, e->system, before, question, prompt, e->layout->shape.context);
        long wanted_count = vocabulary_encode(e->vocabulary, expected, wanted, SEQUENCE_TOKENS_MAX);
        bool same = wanted_count >= 0;
        long given = 0;

        ret->length = 0;
        ret->text[0] = '\0';
        if (prompt_count < 0)
                return false;
        net_decoder_restart(d);
        for (long i = 0; i < prompt_count; i++)
                id = net_decoder_next(d, prompt[i]);
        for (; id != end && prompt_count + given < (long) e->layout->shape.context; given++) {
                same = same && given < wanted_count && wanted[given] == id;
                if (id < vocabulary_control_id(e->vocabulary, VOCABULARY_END_OF_TEXT))
                        append(e->vocabulary, ret, id);
                id = net_decoder_next(d, id);
        }
        return same && id == end && given == wanted_count;
}

static void sit(void *context, size_t part) {
        struct sitting *s = context;
        const struct exam *e = s->exam;
        struct net_decoder *d;
        struct answer answer;
        char question[QUESTION_BYTES_MAX];
        size_t number = 0;

        s->errors[part] = net_decoder_new(e->layout, e->weights, &d);
        if (s->errors[part] < 0)
                return;
        for (size_t i = 0; i < e->corpus->items_count; i++)
                for (size_t q = 0; q < e->corpus->items[i].questions_count; q++) {
                        const struct corpus_item *item = &e->corpus->items[i];

                        if (number++ % SHARDS != part)
                                continue;
                        if (e->plain)
                                variation_plain(item->questions[q], question);
                        else
                                (void) snprintf(question, sizeof(question), "%s", item->questions[q]);
                        const struct corpus_item *before = &e->corpus->items[(i + 1) % e->corpus->items_count];
                        bool exact = ask(e, d, e->second_turn ? before : NULL, question, item->answer, &answer);

                        s->results[part].asked++;
                        s->results[part].exact += exact;
                        if (!exact && e->show)
                                printf("asked:    %s\nexpected: %s\nanswered: %s\n\n", question, item->answer, answer.text);
                }
        net_decoder_free(d);
}

int exam_take(const struct exam *e, struct exam_result *ret) {
        struct sitting s = { .exam = e };
        struct exam_result all = { 0 };
        int result = course_run_parts(e->threads, sit, &s);

        for (size_t i = 0; i < SHARDS; i++) {
                all.asked += s.results[i].asked;
                all.exact += s.results[i].exact;
                if (result == 0)
                        result = s.errors[i];
        }
        if (result == 0)
                *ret = all;
        return result;
}
