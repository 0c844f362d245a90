/* sse.c - see sse.h. */
#include "daemon/dialect/sse.h"

void sse_comment(struct text *out, const char *why) {
        text_puts(out, ": ping ");
        for (const char *c = why; *c; c++)
                if ((unsigned char) *c >= 0x20) /* a line end would end the comment */
                        text_add(out, c, 1);
        text_puts(out, "\n");
}

void sse_begin(struct text *out, const char *name) {
        text_printf(out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

void sse_end(struct text *out) {
        text_puts(out, "}\n\n");
}
