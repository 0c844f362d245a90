/*
 * bucket.h - a limit of so much in so long: a bucket that starts full, and fills evenly.
 *
 * What is taken may be known only afterwards, as the tokens of an answer are: then the level goes below zero, and nothing more is
 * given until that is paid back.
 */
#ifndef HEADROOM_POLICY_ADMISSION_BUCKET_H
#define HEADROOM_POLICY_ADMISSION_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
        uint64_t capacity;  /* 0: no limit */
        uint64_t period_ms; /* in which it fills from empty */
        double level;
        uint64_t at_ms; /* of LEVEL */
};

/* Full, at NOW_MS. */
struct bucket bucket_new(uint64_t capacity, uint64_t period_ms, uint64_t now_ms);
/* Milliseconds until AMOUNT is there (AMOUNT is at most what it holds); 0: now. */
uint64_t bucket_wait_ms(const struct bucket *b, double amount, uint64_t now_ms);
/* Whatever the level is. */
void bucket_take(struct bucket *b, double amount, uint64_t now_ms);

#endif
