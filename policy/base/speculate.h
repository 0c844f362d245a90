/*
 * speculate.h - whether an engine guesses the tokens to come, and checks several in one pass (engine/speculation). An answer is the same
 * either way.
 */
#ifndef HEADROOM_POLICY_BASE_SPECULATE_H
#define HEADROOM_POLICY_BASE_SPECULATE_H

enum speculate {
        SPECULATE_AUTO, /* while it is measured to pay */
        SPECULATE_OFF,
        SPECULATE_LOOKUP, /* wherever the text repeats itself, whether it pays or not */
        SPECULATE_COUNT,
};

/* "auto", "off", "lookup". */
const char *speculate_name(enum speculate s);
/* 0 and *ret, or -EINVAL. */
int speculate_by_name(const char *name, enum speculate *ret);

#endif
