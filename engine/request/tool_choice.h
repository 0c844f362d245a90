/*
 * tool_choice.h - which of its tools a client lets its model call: `tool_choice` in its forms.
 *
 * "auto", "none", "required"; {"type":"function","function":{"name"}}, or with the name beside the type, as in OpenAI's responses; and
 * {"type":"allowed_tools"} with a mode and some of the tools. `functions` and `function_call`, which tools took the place of, are refused.
 */
#ifndef HEADROOM_ENGINE_REQUEST_TOOL_CHOICE_H
#define HEADROOM_ENGINE_REQUEST_TOOL_CHOICE_H

#include "engine/request/request.h"

struct tool_choice {
        bool none, must;  /* the model may not call, or has to */
        const char *only; /* this one; NULL: any */
        cJSON *allowed;   /* those of the tools that it may call, the caller's to delete; NULL: all */
};

/* TOOLS: the list in BODY, or NULL. 0; -EINVAL, -ENOMEM and *reterr. */
int tool_choice_read(const cJSON *body, const cJSON *tools, struct tool_choice *ret, struct request_error *reterr);

#endif
