/* units.h - numbers for people: sizes, times, rates; and sizes that people type. Pure. */
#ifndef HEADROOM_CTL_OUTPUT_UNITS_H
#define HEADROOM_CTL_OUTPUT_UNITS_H

#include <stdint.h>

struct human {
        char text[32];
};

/* "5.9 GiB", "636 MiB", "22.0 KiB", "17 B": powers of 1024, one decimal from GiB up and below 100. */
struct human human_bytes(uint64_t bytes);
struct human human_signed_bytes(int64_t bytes);
/* "3.2 s", "45 s", "12m 3s", "3h 4m", "2d 3h". */
struct human human_duration_ms(uint64_t ms);
/* "Nov 30 09:21:15": local time, "-" where it is none. */
struct human human_clock(uint64_t unix_ms);
/* "1.24 B", "260 K": parameters. */
struct human human_count(uint64_t count);
/* "62.1", "8.43", "1250": three digits that matter. */
struct human human_rate(double rate);

/*
 * A size as typed: digits with an optional fraction, then nothing, B, K, M, G or T ("iB" or "B" may follow: powers
 * of 1024 either way), or % of WHOLE, at most 100. 0 and *ret, or -EINVAL.
 */
int human_parse_bytes(const char *text, uint64_t whole, uint64_t *ret);
/* A whole number within MIN..MAX. 0 and *ret, or -EINVAL. */
int human_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

#endif
