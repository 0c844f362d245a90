/* char_set.c - see char_set.h. */
#include "engine/grammar/char_set.h"

#include <stdlib.h>

#include "engine/grammar/bounds.h"

void char_set_done(struct char_set *s) {
        free(s->ranges);
        *s = (struct char_set){ 0 };
}

void char_set_add(struct char_set *s, uint32_t first, uint32_t last) {
        if (s->count == s->capacity) {
                uint32_t capacity = s->capacity ? 2 * s->capacity : 8;
                struct char_range *grown = NULL;
                if (capacity <= 2 * GRAMMAR_RANGES_MAX)
                        grown = realloc(s->ranges, capacity * sizeof(*grown));
                if (!grown) {
                        s->broken = true;
                        return;
                }
                s->ranges = grown;
                s->capacity = capacity;
        }
        s->ranges[s->count++] = (struct char_range){ first, last };
}

static int by_first(const void *left, const void *right) {
        const struct char_range *a = left, *b = right;
        return a->first < b->first ? -1 : a->first > b->first;
}

/* Merges ranges that overlap or touch; they are sorted. */
static void merge(struct char_set *s) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < s->count; i++) {
                struct char_range r = s->ranges[i];
                if (kept && r.first <= s->ranges[kept - 1].last + 1) {
                        if (r.last > s->ranges[kept - 1].last)
                                s->ranges[kept - 1].last = r.last;
                } else {
                        s->ranges[kept++] = r;
                }
        }
        s->count = kept;
}

void char_set_settle(struct char_set *s) {
        if (s->count)
                qsort(s->ranges, s->count, sizeof(*s->ranges), by_first);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < s->count; i++) {
                struct char_range r = s->ranges[i];
                if (r.first == 0)
                        r.first = 1;
                if (r.last > CODE_POINT_MAX)
                        r.last = CODE_POINT_MAX;
                if (r.first <= r.last)
                        s->ranges[kept++] = r;
        }
        s->count = kept;
        merge(s);
}

void char_set_invert(struct char_set *s) {
        char_set_settle(s);
        uint32_t from = 1, count = s->count;
        for (uint32_t i = 0; i < count; i++) { /* writing stays at or before reading */
                struct char_range r = s->ranges[i];
                s->ranges[i] = (struct char_range){ from, r.first - 1 }; /* may be empty: settled away */
                from = r.last + 1;
        }
        if (from <= CODE_POINT_MAX)
                char_set_add(s, from, CODE_POINT_MAX);
        char_set_settle(s);
}

void char_set_remove(struct char_set *s, uint32_t first, uint32_t last) {
        char_set_invert(s);
        char_set_add(s, first, last);
        char_set_invert(s);
}

bool char_ranges_meet(const struct char_range *ranges, uint32_t count, uint32_t first, uint32_t last) {
        uint32_t low = 0, high = count; /* the first range that does not end before FIRST */
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (ranges[middle].last < first)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < count && ranges[low].first <= last;
}

bool char_set_has(const struct char_set *s, uint32_t code) {
        return char_ranges_meet(s->ranges, s->count, code, code);
}
