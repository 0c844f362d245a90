/*
 * framing.h - where the lines and chunks of a request end. Pure.
 *
 * Two servers, one behind the other, that disagree about where a request ends can be made to take the rest of one for another
 * (request smuggling). Parsers forgive some of what RFC 9112 does not allow, each version its own, so every byte of a head
 * and of a chunked body passes here before it comes to one: lines end with CR LF and nothing else, no line goes on in the next,
 * a chunk is as long as it says and a CR LF follows.
 */
#ifndef HEADROOM_DAEMON_HTTP_FRAMING_H
#define HEADROOM_DAEMON_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum framing_place {
        FRAMING_BEFORE_HEAD, /* empty lines may come before a request */
        FRAMING_EMPTY_LF,
        FRAMING_REQUEST_LINE,
        FRAMING_LINE_START,
        FRAMING_LINE,
        FRAMING_LINE_LF,
        FRAMING_LAST_LF,
        FRAMING_SIZE_START,
        FRAMING_SIZE,
        FRAMING_EXTENSION,
        FRAMING_SIZE_LF,
        FRAMING_DATA,
        FRAMING_DATA_CR,
        FRAMING_DATA_LF,
        FRAMING_END,
};

struct http_framing {
        enum framing_place place;
        uint64_t chunk_left; /* bytes; while its size is read, the size so far */
        bool after_blank;    /* in the request line */
};

void framing_begin_head(struct http_framing *f);
void framing_begin_chunks(struct http_framing *f);

/* How many of COUNT bytes are in order, up to the end of the head or of the chunks; where one is not, *reterr says what is wrong. */
size_t framing_pass(struct http_framing *f, const char *bytes, size_t count, const char **reterr);

#endif
