/*
 * grammar.h - a context-free grammar over Unicode code points, compiled to nodes that a matcher follows.
 *
 * A node is one step; the next one stands behind it unless it says otherwise. CALL follows a rule's nodes up to their END
 * and comes back. REPEAT follows the nodes behind it up to their END, LEAST to MOST times, and goes on at TARGET: it is
 * counted, so a bound costs nothing. There is no left recursion: from any node, what may come next is found in finitely
 * many steps.
 *
 * Where a text can go only leads to places from which it can also end: `need` of a node is how many rules and repetitions
 * within each other it takes, at the least, to come from there to its END, GRAMMAR_NEVER where nothing finite does.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_GRAMMAR_H
#define HEADROOM_ENGINE_GRAMMAR_GRAMMAR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/grammar/bounds.h"
#include "engine/grammar/char_set.h"

enum grammar_op {
        GRAMMAR_END,    /* of a rule, or of what is repeated */
        GRAMMAR_RANGE,  /* a character FIRST .. LAST */
        GRAMMAR_CLASS,  /* a character of class FIRST */
        GRAMMAR_CALL,   /* the rule whose nodes begin at TARGET */
        GRAMMAR_SPLIT,  /* the next node, or TARGET */
        GRAMMAR_JUMP,   /* TARGET */
        GRAMMAR_REPEAT, /* the nodes behind it, LEAST to MOST times; then TARGET */
        GRAMMAR_FAIL,   /* leads nowhere */
};

#define GRAMMAR_UNBOUNDED UINT32_MAX
#define GRAMMAR_NEVER     (MATCHER_DEPTH_MAX + 1)

struct grammar_node {
        uint8_t op;      /* enum grammar_op */
        bool nullable;   /* its END can be reached without a character */
        bool body_empty; /* REPEAT: what is repeated can be empty */
        uint16_t need;
        uint32_t target;
        uint32_t first, last; /* RANGE, CLASS; REPEAT: least, most */
};

struct grammar_class {
        uint64_t ascii[2];     /* a bit for each code point below 128 */
        uint32_t first, count; /* its ranges */
};

struct grammar {
        struct grammar_node *nodes;
        struct grammar_class *classes;
        struct char_range *ranges;
        uint32_t nodes_count, classes_count, start;
};
void grammar_free(struct grammar *g);

struct grammar_error {
        char text[256]; /* one sentence, without a full stop */
        bool limit;     /* it is right, and too large */
};
/* Writes the sentence and returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int grammar_fail(struct grammar_error *reterr, const char *format, ...);

static inline bool grammar_class_has(const struct grammar *g, uint32_t class, uint32_t code) {
        const struct grammar_class *c = &g->classes[class];
        if (code < 128)
                return c->ascii[code / 64] >> (code % 64) & 1;
        return char_ranges_meet(g->ranges + c->first, c->count, code, code);
}

#endif
