/*
 * cut.h - cuts a text into pieces by rules: the interpreter behind the pre-tokenizers of byte-level BPE.
 *
 * A vocabulary is trained on words that a regular expression, or several in a row, cut out of the text. Those
 * expressions are few and alike, so here they are tables. A *rule* is a row of steps over classes of characters, tried from
 * left to right, each step as long as it can be and shorter where the rest needs it. A *stage* is a list of rules, of
 * which the first that matches counts; what lies between two matches is a piece too. Each stage cuts the pieces of the
 * stage before it, and sees nothing of the text around them.
 *
 * Time is linear in the text: a step that runs over many characters is followed by no step that could refuse many of
 * its lengths, or the failure is remembered. Memory is one struct cutter.
 */
#ifndef HEADROOM_ENGINE_PRETOKENIZER_CUT_H
#define HEADROOM_ENGINE_PRETOKENIZER_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUT_STAGES_MAX 6u /* chameleon has the most */
#define CUT_STEPS_MAX  5u /* per rule: tekken's and gpt-4o's words */
#define CUT_MANY       UINT32_MAX

struct cut_range {
        uint32_t first, last; /* code points, inclusive */
};

/* A set of characters: those of any of the properties or of the ranges, or all others; less those of BUT. */
struct cut_class {
        uint32_t properties;            /* enum unicode_property */
        const struct cut_range *ranges; /* NULL, or ended by a pair of zeros */
        bool others;
        const struct cut_class *but;
};

enum cut_kind {
        CUT_END,             /* of the rule */
        CUT_CHARS,           /* LEAST to MOST characters of CLASS */
        CUT_TEXT,            /* TEXT itself */
        CUT_CONTRACTION,     /* 's 't 're 've 'm 'll 'd; LEAST 0: or nothing */
        CUT_LINES,           /* \s*[\r\n]+, or with one line break: white space up to its last one */
        CUT_NOT_BEFORE_TEXT, /* (?!\S): white space or the end follows */
        CUT_AT_END,          /* $; only behind a run of one class that is the whole rule */
        CUT_THREES,          /* one to three decimal digits, so many that a multiple of three is left of the run */
        CUT_SPACED_LETTERS,  /* (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ */
};

struct cut_step {
        enum cut_kind kind;
        const struct cut_class *class;
        uint32_t least, most;
        const char *text;
        bool any_case;  /* CUT_CONTRACTION: in capitals, too */
        bool word_ends; /* CUT_THREES: only where no letter, number or underscore follows the run */
};

struct cut_rule {
        struct cut_step steps[CUT_STEPS_MAX + 1];
};

struct cut_stage {
        const struct cut_rule *rules;
        size_t count;
};

/* One text being cut; begun by cut_begin. The text must stay where it is. */
struct cutter {
        const struct cut_stage *stages;
        size_t stages_count;
        const char *text;
        struct cut_level { /* the piece that a stage is cutting */
                size_t at, end;
                size_t matched_at, matched_end; /* a match that was found behind a gap; none where AT is neither */
                size_t hopeless_until;          /* no rule matches before here */
                size_t digits_at, digits_left;  /* CUT_THREES: so many digits from here on */
                size_t white_end, lines_end;    /* CUT_LINES: of the white space around AT, and of its last line break */
                bool digits_refused;
        } levels[CUT_STAGES_MAX];
};

/* STAGES: none (the whole text is one piece) to CUT_STAGES_MAX. */
void cut_begin(struct cutter *c, const struct cut_stage *stages, size_t stages_count, const char *text, size_t length);

/* The next piece, never empty; false at the end. The pieces in their order are the text. */
bool cut_next(struct cutter *c, size_t *ret_start, size_t *ret_length);

#endif
