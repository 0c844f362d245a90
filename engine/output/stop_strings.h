/*
 * stop_strings.h - stop strings, found in a stream of text that arrives in arbitrary pieces.
 *
 * The stream ends before the stop string that is complete first (of several complete at once: the longest),
 * whichever way the text was cut into pieces. Text that may still become a stop string is held back and
 * never handed out; the rest flows at once. Fed with whole UTF-8 characters, it hands out whole characters,
 * since a stop string is one or more whole characters too.
 */
#ifndef HEADROOM_ENGINE_OUTPUT_STOP_STRINGS_H
#define HEADROOM_ENGINE_OUTPUT_STOP_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/base/strbuf.h"

struct stop_set { /* the strings: none empty, each at most REQUEST_STOP_BYTES_MAX */
        char *strings[REQUEST_STOPS_MAX];
        uint32_t count;
};
void stop_set_done(struct stop_set *set); /* frees the strings */

/* Text on its way out: what may be handed out, then what is held back. Start with all zero; release with stop_stream_done. */
struct stop_stream {
        struct text text;
        size_t free_count; /* bytes that may be handed out; those behind them may begin a stop string */
        const char *found; /* of the set: it and all after it are gone, nothing more is taken; NULL: none has been found */
};
void stop_stream_done(struct stop_stream *s);
/* 0 or -ENOMEM, now and from then on. */
int stop_stream_push(struct stop_stream *s, const struct stop_set *set, const char *text, size_t count);
/* The text ends here: what was held back is free. */
void stop_stream_end(struct stop_stream *s);
/* The free bytes have been handed out. */
void stop_stream_take(struct stop_stream *s);

#endif
