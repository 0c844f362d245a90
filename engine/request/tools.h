/*
 * tools.h - the tools that a client offers its model, and whether one of them must be called: `tools` and `tool_choice`.
 */
#ifndef HEADROOM_ENGINE_REQUEST_TOOLS_H
#define HEADROOM_ENGINE_REQUEST_TOOLS_H

#include "engine/request/request.h"

/* Points into the body. Released with request_tools_done. */
struct request_tools {
        const cJSON *offered; /* a list of functions with names, not empty; NULL: none that may be called */
        const char *only;     /* the answer must call this one; NULL: any */
        bool must;            /* the answer must be a call */
        cJSON *picked;        /* `offered`, where only some of the body's are allowed; else NULL */
};

/* Of one of them; what it takes is a schema, also where it says nothing: then it takes nothing. */
const cJSON *request_tool_arguments(const cJSON *tool);
const char *request_tool_name(const cJSON *tool);
/* Its arguments are to be all that they say, or it is not to be called. */
bool request_tool_is_strict(const cJSON *tool);
/* Whether a text satisfies VALUE, a schema within that of ARGUMENTS, as far as its types go. */
bool request_may_be_text(const cJSON *arguments, const cJSON *value);

/* 0; -EINVAL or -ENOMEM and *reterr. REPLY, the caller's to release either way, gets the calls that there may be. */
int request_read_tools(const struct request_rules *rules, const cJSON *body, struct chat_parser_setup *parser_setup,
                       struct request_tools *ret, struct request_error *reterr);
void request_tools_done(struct request_tools *tools);

#endif
