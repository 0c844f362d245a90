/* tool_call_json.h - the JSON of a call while it is still being written: its name, and where its arguments begin. */
#ifndef HEADROOM_ENGINE_OUTPUT_TOOL_CALL_JSON_H
#define HEADROOM_ENGINE_OUTPUT_TOOL_CALL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/bounds.h"

struct tool_call_header {
        char name[REQUEST_TOOL_NAME_BYTES_MAX + 1];
        size_t arguments_at; /* the value of the arguments begins here, or the object ends */
        bool without;        /* there are none */
};

enum tool_call_json {
        TOOL_CALL_JSON_UNFINISHED, /* so far it may be one */
        TOOL_CALL_JSON_CALL,
        TOOL_CALL_JSON_OTHER, /* no JSON, or not of a call */
};

/*
 * TEXT begins with the brace of an object with "name" (or "tool_name") and perhaps "arguments" (or "parameters"), in this order or the
 * other.
 */
enum tool_call_json tool_call_json_header(const char *text, size_t length, struct tool_call_header *ret);

/* The length of the JSON text, quotes included, that TEXT begins with; 0 when it is not whole. */
size_t tool_call_json_text_end(const char *text, size_t length);
/* The decoded value of such a text of LENGTH bytes; the caller frees it. NULL: not such a text, or out of memory. */
char *tool_call_json_decode(const char *text, size_t length);

#endif
