/*
 * char_set.h - a set of Unicode code points, as sorted ranges that neither overlap nor touch.
 *
 * A set being built may be in any order; char_set_settle puts it in order. NUL is no member of any settled set, since no
 * answer can carry it. Adding to a set that could not grow marks it `broken`, and it stays so.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_CHAR_SET_H
#define HEADROOM_ENGINE_GRAMMAR_CHAR_SET_H

#include <stdbool.h>
#include <stdint.h>

#define CODE_POINT_MAX 0x10ffffu

struct char_range {
        uint32_t first, last; /* inclusive */
};

struct char_set { /* all zero: empty; release with char_set_done */
        struct char_range *ranges;
        uint32_t count, capacity;
        bool broken;
};
void char_set_done(struct char_set *s);

void char_set_add(struct char_set *s, uint32_t first, uint32_t last);
void char_set_settle(struct char_set *s);
/* All code points that are not in it. Settles it. */
void char_set_invert(struct char_set *s);
/* Without FIRST .. LAST. Settles it. */
void char_set_remove(struct char_set *s, uint32_t first, uint32_t last);
/* Of a settled one. */
bool char_set_has(const struct char_set *s, uint32_t code);

/* Whether one of the COUNT settled RANGES has a member in FIRST .. LAST. */
bool char_ranges_meet(const struct char_range *ranges, uint32_t count, uint32_t first, uint32_t last);

#endif
