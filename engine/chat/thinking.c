/* thinking.c - see thinking.h. */
#include "engine/chat/thinking.h"

#include <stdio.h>
#include <string.h>

/* By how much they ask for. */
enum effort {
        EFFORT_NONE,
        EFFORT_NO_THINK,
        EFFORT_MINIMAL,
        EFFORT_LOW,
        EFFORT_MEDIUM,
        EFFORT_HIGH,
        EFFORT_XHIGH,
        EFFORT_MAX,
        EFFORT_COUNT
};

static const char *const words[EFFORT_COUNT] = {
        [EFFORT_NONE] = "none",     [EFFORT_NO_THINK] = "no_think", [EFFORT_MINIMAL] = "minimal", [EFFORT_LOW] = "low",
        [EFFORT_MEDIUM] = "medium", [EFFORT_HIGH] = "high",         [EFFORT_XHIGH] = "xhigh",     [EFFORT_MAX] = "max",
};

/* The words that will do for one, the best first; the last is what a template gets that spells out none of them. */
static const enum effort stand_ins[EFFORT_COUNT][4] = {
        [EFFORT_NONE] = { EFFORT_NONE, EFFORT_NO_THINK, EFFORT_MINIMAL, EFFORT_LOW },
        [EFFORT_NO_THINK] = { EFFORT_NO_THINK, EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW },
        [EFFORT_MINIMAL] = { EFFORT_MINIMAL, EFFORT_LOW, EFFORT_LOW, EFFORT_LOW },
        [EFFORT_LOW] = { EFFORT_LOW, EFFORT_LOW, EFFORT_LOW, EFFORT_LOW },
        [EFFORT_MEDIUM] = { EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_MEDIUM, EFFORT_MEDIUM },
        [EFFORT_HIGH] = { EFFORT_HIGH, EFFORT_HIGH, EFFORT_HIGH, EFFORT_HIGH },
        [EFFORT_XHIGH] = { EFFORT_XHIGH, EFFORT_MAX, EFFORT_HIGH, EFFORT_HIGH },
        [EFFORT_MAX] = { EFFORT_MAX, EFFORT_XHIGH, EFFORT_HIGH, EFFORT_HIGH },
};

static bool spells_out(const char *template, size_t length, const char *word) {
        char quoted[16];
        for (const char *quote = "'\""; *quote; quote++) {
                int bytes = snprintf(quoted, sizeof(quoted), "%c%s%c", *quote, word, *quote);
                if (length && memmem(template, length, quoted, (size_t) bytes))
                        return true;
        }
        return false;
}

uint32_t chat_thinking_efforts(const char *template, size_t length) {
        uint32_t known = 0;
        for (unsigned i = 0; i < EFFORT_COUNT; i++)
                known |= (uint32_t) spells_out(template, length, words[i]) << i;
        return known;
}

static const char *nearest(uint32_t known, enum effort wanted) {
        const enum effort *row = stand_ins[wanted];
        for (unsigned i = 0; i < 4; i++)
                if (known >> row[i] & 1)
                        return words[row[i]];
        return words[row[3]];
}

/* NULL: the template's default will do. A word that nobody knows is for the template to judge. */
static const char *effort_of(uint32_t known, const struct chat_thinking *t) {
        if (!t->on)
                return nearest(known, EFFORT_NONE);
        if (!t->effort) /* who has a word for "not at all" may have it as the default */
                return known >> EFFORT_NO_THINK & 1 ? nearest(known, EFFORT_HIGH) : NULL;
        for (unsigned i = 0; i < EFFORT_COUNT; i++)
                if (!strcmp(t->effort, words[i]))
                        return nearest(known, (enum effort) i);
        return t->effort;
}

size_t chat_thinking_variables(uint32_t efforts, const struct chat_thinking *t, struct chat_thinking_values *values,
                               struct jinja_variable out[THINKING_VARIABLES_MAX]) {
        static const char *const switches[] = { "enable_thinking", "thinking", "reasoning" }, *const measures[] = {
                "reasoning_effort", "thinking_effort"
        };
        const char *effort = t->asked ? effort_of(efforts, t) : NULL;
        size_t count = 0;
        values->on = (cJSON){ .type = t->on ? cJSON_True : cJSON_False };
        values->effort = (cJSON){ .type = cJSON_String, .valuestring = (char *) (uintptr_t) effort };
        for (size_t i = 0; t->asked && i < 3; i++)
                out[count++] = (struct jinja_variable){ .name = switches[i], .value = &values->on };
        for (size_t i = 0; effort && i < 2; i++)
                out[count++] = (struct jinja_variable){ .name = measures[i], .value = &values->effort };
        return count;
}
