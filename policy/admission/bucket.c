/* bucket.c - see bucket.h. */
#include "policy/admission/bucket.h"

static double level_at(const struct bucket *b, uint64_t now_ms) {
        uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
        double level = b->level + (double) passed * (double) b->capacity / (double) b->period_ms;
        return level < (double) b->capacity ? level : (double) b->capacity;
}

struct bucket bucket_new(uint64_t capacity, uint64_t period_ms, uint64_t now_ms) {
        return (struct bucket){ .capacity = capacity, .period_ms = period_ms, .level = (double) capacity, .at_ms = now_ms };
}

uint64_t bucket_wait_ms(const struct bucket *b, double amount, uint64_t now_ms) {
        if (b->capacity == 0)
                return 0;
        double missing = amount - level_at(b, now_ms);
        return missing > 0 ? (uint64_t) (missing * (double) b->period_ms / (double) b->capacity) + 1 : 0;
}

void bucket_take(struct bucket *b, double amount, uint64_t now_ms) {
        if (b->capacity == 0)
                return;
        b->level = level_at(b, now_ms) - amount;
        b->at_ms = now_ms;
}
