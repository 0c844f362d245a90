/*
 * completion.h - one response under way, of one answer or several, from the engine's frames on one side to the client's response on the other.
 *
 * A stream's headers go out with its first word, or with the first ping while it waits; a failure before that has its true HTTP
 * status, one after it stands in the stream. An answer that is not streamed is held until its end, so a failure always
 * has its status, and an engine that dies meanwhile costs only time.
 */
#ifndef HEADROOM_DAEMON_API_COMPLETION_H
#define HEADROOM_DAEMON_API_COMPLETION_H

#include "daemon/api/api_internal.h"
#include "daemon/dialect/dialect.h"

struct completion_options {
        const struct dialect *dialect;
        bool is_stream, includes_usage;
        const char *model; /* as the client called it; copied */
        enum request_class class;
        uint32_t prompts;    /* that the body has, as the next: 0 is 1 */
        uint32_t candidates; /* answers to each ... */
        uint32_t choices;    /* ... of which so many are sent: all, or the likeliest */
};

/* Asks the fleet. From here on the exchange is the completion's. */
void completion_start(struct api *api, struct http_exchange *x, const struct completion_options *options,
                      const struct body *body);

#endif
