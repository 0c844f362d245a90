/*
 * forecast.h - when will memory be gone, at this pace?
 *
 * The slope of headroom is an EWMA of its change (weight 0.3 at 500 ms, corrected for the real interval), and beside it a
 * slow one that sees growth in bursts. Each knows its own noise, taken from the differences of successive samples, which
 * a steady decline does not have. Only the part of a slope that noise does not explain is believed: one drop, however
 * large, or a box that breathes, forecasts nothing; three looks at a hog do.
 *
 * A forecast is news only if the decline has already cost something and goes below where the box has been in the last
 * minutes: a box that lives at 90 % goes up and down there for ever.
 *
 * Our own book-keeping is no slope: weights that are counted anew and promises to new loads are taken out, and what
 * comes back at once, by an action or the end of a program, does not hide a decline that goes on.
 */
#ifndef HEADROOM_POLICY_MEMORY_FORECAST_H
#define HEADROOM_POLICY_MEMORY_FORECAST_H

#include "policy/memory/headroom.h"
#include "policy/state/past.h"

struct forecast {
        double slope_per_ms;    /* bytes, as it looks: for people */
        double sure_per_ms;     /* the part that noise does not explain: never positive */
        uint64_t exhaustion_ms; /* until headroom is gone, by the sure slope; 0 where it is gone; UINT64_MAX: never */
        uint64_t cliff_ms;      /* until the cliff, likewise */
        bool news;              /* worth acting upon */
        bool goes_on;           /* in the last moments too, it fell as the slope says: slopes outlive a growth that has stopped */
        bool jump;              /* a large piece went at once; not confirmed yet */
        bool unconfirmed;       /* the same, or a smaller one: look again soon ... */
        uint64_t confirm_ms;    /* ... after so long: sooner the nearer the cliff would be if it went on like that */
        uint64_t fallen_bytes;  /* in the decline that is going on */
        uint64_t flat_ms;       /* for how long nothing has fallen */
};

/* Until BYTES are gone at this slope; 0 where they are, UINT64_MAX: never. */
uint64_t policy_time_left(int64_t bytes, double per_ms);
/* What a decline must have cost to be news. */
uint64_t policy_material_bytes(const struct snapshot *snapshot);

/* Takes one look. Where memory is blind, nothing is learned and nothing forecast. */
struct forecast policy_forecast(struct forecast_past *f, const struct snapshot *snapshot, const struct headroom *headroom);

#endif
