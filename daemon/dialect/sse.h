/* sse.h - the lines of a stream of events (server-sent events, as the HTML standard has them), for dialects whose streams are one. */
#ifndef HEADROOM_DAEMON_DIALECT_SSE_H
#define HEADROOM_DAEMON_DIALECT_SSE_H

#include "engine/base/strbuf.h"

/* ": ping WHY", a comment, which clients skip. */
void sse_comment(struct text *out, const char *why);
/* An event NAME whose data is an object of that type: event: NAME, data: {"type":"NAME" - and the caller goes on. */
void sse_begin(struct text *out, const char *name);
/* } - of the object, and the event. */
void sse_end(struct text *out);

#endif
