/*
 * variation.c - small changes of a question, each by its own chance.
 */
#include "tests/demo_model/variation.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct exchange {
        const char *from, *to;
};

/* clang-format off */
static const struct exchange openings[] = {
        { "What is ",   "What's " },
        { "What is ",   "Explain " },
        { "What is ",   "Tell me about " },
        { "What is ",   "Define " },
        { "What are ",  "Explain " },
        { "What are ",  "Tell me about " },
        { "What does ", "Tell me what does " },
        { "How do I ",  "How can I " },
        { "How do I ",  "How to " },
        { "How do I ",  "How would I " },
        { "How can I ", "How do I " },
        { "Can I ",     "Is it possible to " },
        { "Can I ",     "May I " },
        { "Can I ",     "Could I " },
        { "Which ",     "What " },
        { "Which ",     "Tell me which " },
        { "How ",       "Explain how " },
        { "How ",       "Can you tell me how " },
        { "Why ",       "Do you know why " },
        { "Why ",       "Explain why " },
        { "Where ",     "Do you know where " },
        { "When ",      "Tell me when " },
        { "Where is ",  "Where do I find " },
};
/* clang-format on */

/* Words that another person would choose; some of the pairs bend the grammar, as people do. */
/* clang-format off */
static const struct exchange synonyms[] = {
        { " box", " machine" },         { " box", " computer" },        { " large", " big" },
        { " see ", " check " },         { " see ", " view " },          { " know ", " find out " },
        { " need", " require" },        { " happens ", " occurs " },    { " mean?", " stand for?" },
        { " model", " LLM" },           { " run ", " start " },         { " get ", " receive " },
        { " use ", " take " },          { " should I ", " do I " },     { " do I ", " can I " },
        { " choose ", " pick " },       { " my ", " the " },            { " a ", " my " },
        { " change ", " modify " },     { " show", " display" },        { " fast ", " quick " },
        { " stop ", " end " },          { " explain", " describe" },    { " does ", " will " },
        { " is ", " exactly is " },     { " memory", " RAM" },          { " cache", " cache memory" },
};
/* clang-format on */

static const char *const polite[] = {
        "Please tell me: ",
        "Hi, ",
        "Hello, ",
        "Quick question: ",
        "I would like to know: ",
        "So, ",
        "Can you tell me: ",
        "One more thing: ",
        "Okay, ",
        "Please explain: ",
};

static const char *const thanks[] = { " Thanks.", " Thank you!", " Please be brief.", " please" };

static const char *const articles[] = { " the ", " a ", " an " };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void cut_mark(char *text) {
        size_t length = strlen(text);

        if (length > 0 && strchr("?.!", text[length - 1]))
                text[length - 1] = '\0';
}

static void lower(char *text) {
        for (; *text; text++)
                *text = (char) tolower((unsigned char) *text);
}

/* TEXT with the LENGTH bytes at AT replaced by BY; left alone when it would not fit. */
static void replace(char *text, size_t at, size_t length, const char *by) {
        size_t total = strlen(text), added = strlen(by);

        assert(at + length <= total);
        if (total - length + added >= QUESTION_BYTES_MAX)
                return;
        memmove(text + at + added, text + at + length, total - at - length + 1);
        memcpy(text + at, by, added);
}

static void reopen(struct random *random, char *text) {
        size_t first = random_below(random, COUNT(openings));

        for (size_t i = 0; i < COUNT(openings); i++) {
                const struct exchange *o = &openings[(first + i) % COUNT(openings)];

                if (!strncmp(text, o->from, strlen(o->from))) {
                        replace(text, 0, strlen(o->from), o->to);
                        return;
                }
        }
}

static void choose_other_word(struct random *random, char *text) {
        size_t first = random_below(random, COUNT(synonyms));

        for (size_t i = 0; i < COUNT(synonyms); i++) {
                const struct exchange *s = &synonyms[(first + i) % COUNT(synonyms)];
                const char *at = strstr(text, s->from);

                if (at) {
                        replace(text, (size_t) (at - text), strlen(s->from), s->to);
                        return;
                }
        }
}

static void drop_article(struct random *random, char *text) {
        const char *article = articles[random_below(random, COUNT(articles))];
        const char *at = strstr(text, article);

        if (at)
                replace(text, (size_t) (at - text), strlen(article), " ");
}

/* Two neighbours inside a word exchanged, or one letter lost. */
static void slip(struct random *random, char *text) {
        size_t length = strlen(text);

        if (length < 8)
                return;
        size_t at = 1 + random_below(random, length - 2);

        if (!isalpha((unsigned char) text[at]) || !isalpha((unsigned char) text[at + 1]))
                return;
        if (random_chance(random, 0.5)) {
                char swapped[] = { text[at + 1], text[at], '\0' };

                replace(text, at, 2, swapped);
        } else {
                replace(text, at, 1, "");
        }
}

/* Some words lost: what is left must do. */
static void thin_out(struct random *random, char *text) {
        char *to = text;

        for (const char *word = text; *word;) {
                size_t length = strcspn(word, " ");
                bool kept = random_chance(random, 0.75);

                if (kept && to > text)
                        *to++ = ' ';
                if (kept) {
                        memmove(to, word, length);
                        to += length;
                }
                word += length + (word[length] == ' ');
        }
        if (to > text)
                *to = '\0';
}

void variation_make(struct random *random, const char *question, char ret[QUESTION_BYTES_MAX]) {
        (void) snprintf(ret, QUESTION_BYTES_MAX, "%s", question);
        if (random_chance(random, 0.30))
                return;
        if (random_chance(random, 0.15))
                thin_out(random, ret);
        if (random_chance(random, 0.25))
                reopen(random, ret);
        if (random_chance(random, 0.25))
                choose_other_word(random, ret);
        if (random_chance(random, 0.15))
                drop_article(random, ret);
        if (random_chance(random, 0.10))
                slip(random, ret);
        if (random_chance(random, 0.30))
                cut_mark(ret);
        if (random_chance(random, 0.10))
                replace(ret, 0, 0, polite[random_below(random, COUNT(polite))]);
        if (random_chance(random, 0.06))
                replace(ret, strlen(ret), 0, thanks[random_below(random, COUNT(thanks))]);
        if (random_chance(random, 0.30))
                lower(ret);
}

void variation_plain(const char *question, char ret[QUESTION_BYTES_MAX]) {
        (void) snprintf(ret, QUESTION_BYTES_MAX, "%s", question);
        lower(ret);
        cut_mark(ret);
}
