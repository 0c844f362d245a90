/* responses.h - what both halves of the dialect of POST /v1/responses know: the values of a request that its answer repeats. */
#ifndef HEADROOM_DAEMON_TRANSLATE_RESPONSES_H
#define HEADROOM_DAEMON_TRANSLATE_RESPONSES_H

/* Their places in `repeated` (translate.h). */
enum {
        REPEATED_INSTRUCTIONS,
        REPEATED_MAX_OUTPUT_TOKENS,
        REPEATED_METADATA,
        REPEATED_PARALLEL_TOOL_CALLS,
        REPEATED_REASONING,
        REPEATED_TEMPERATURE,
        REPEATED_TEXT,
        REPEATED_TOOL_CHOICE,
        REPEATED_TOOLS,
        REPEATED_TOP_LOGPROBS,
        REPEATED_TOP_P,
        REPEATED_USER,
        REPEATED_COUNT
};

#endif
