/* unicode_table.h - the tables that make_unicode_table.py writes; each is sorted by its first member. */
#ifndef HEADROOM_ENGINE_UNICODE_UNICODE_TABLE_H
#define HEADROOM_ENGINE_UNICODE_UNICODE_TABLE_H

#include <stdint.h>

/* Each entry: first code point << 5 | category; the run ends where the next one begins. */
extern const uint32_t unicode_categories[];
extern const uint32_t unicode_categories_count;

/* Every STEP-th code point from FIRST to LAST has its lower case DISTANCE away. */
struct unicode_lower_run {
        uint32_t first, last;
        int32_t distance;
        uint32_t step;
};
extern const struct unicode_lower_run unicode_lower_runs[];
extern const uint32_t unicode_lower_runs_count;

/* The whole canonical decomposition, ended by 0 where shorter than four. */
struct unicode_decomposition {
        uint32_t codepoint, to[4];
};
extern const struct unicode_decomposition unicode_decompositions[];
extern const uint32_t unicode_decompositions_count;

#endif
