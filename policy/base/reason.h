/*
 * reason.h - why something was done or refused: one table for the log, the HTTP answer and the command line.
 */
#ifndef HEADROOM_POLICY_BASE_REASON_H
#define HEADROOM_POLICY_BASE_REASON_H

#include <stdbool.h>

enum reason {
        REASON_NONE,
        REASON_MODEL_NOT_FOUND,
        REASON_NEVER_FITS,          /* larger than the budget even with nothing else loaded */
        REASON_INSUFFICIENT_MEMORY, /* would fit, not now, and nothing may be evicted in time */
        REASON_PROTECTED,           /* would fit, and those in the way are protected from others for a time */
        REASON_LOAD_COOLDOWN,       /* the engine died repeatedly; waiting before the next try */
        REASON_LOAD_FAILED,         /* the file is damaged or not supported */
        REASON_QUEUE_FULL,
        REASON_CONCURRENCY_LIMIT,
        REASON_WAIT_TOO_LONG,
        REASON_ENGINE_DIED,
        REASON_SHUTTING_DOWN,
        REASON_UNLOADED, /* the operator unloaded the model while the request waited */
        /* why a model was loaded or unloaded */
        REASON_REQUEST,
        REASON_MAKE_ROOM,
        REASON_OVER_BUDGET, /* an engine grew past its prediction */
        REASON_IDLE,
        REASON_OPERATOR,
        REASON_PRELOAD,
        REASON_REMOVED,      /* it is no longer in the configuration, or its file is gone */
        REASON_FILE_CHANGED, /* the weights were written to while they were mapped */
        REASON_STOPPED,      /* somebody has stopped the process of the engine */
        REASON_GOES_ON,      /* ... and let it go on */
        /* why the governor acts, or refuses */
        REASON_MEMORY_HELD,     /* nothing that would grow is admitted now */
        REASON_TOO_HOT,         /* batch waits for the box to cool down */
        REASON_BATCH_HOURS,     /* it is not the hour for batch */
        REASON_CONTEXT_LOWERED, /* the request needs more context than is given at the moment */
        REASON_FORECAST,        /* memory will be gone soon at this pace */
        REASON_JUMP,            /* a large piece went at once */
        REASON_RESERVE,         /* the reserve is being eaten */
        REASON_STALL,           /* tasks wait for memory, and pages come back that had been dropped */
        REASON_THRASH,          /* a model is far below its own speed while it stalls */
        REASON_LIVELOCK,        /* a memory.high above an engine stalls it for ever */
        REASON_CALM,            /* there has been room for a while */
        REASON_FLAPPING,        /* changed too often: it stays low */
        REASON_HEAT,            /* the margin to critical is below target */
        REASON_THROTTLED,       /* the processor throttles itself */
        REASON_SENSOR_LOST,     /* not seeing the temperature: as if hot */
        REASON_SENSOR_STUCK,    /* the temperature does not move while the load does: not obeyed */
        REASON_SENSOR_MOVES,    /* ... and it does again */
        /* why a trace ends, or none begins */
        REASON_TIME_UP,
        REASON_TRACE_FULL,
        REASON_TRACE_FAILED, /* the file cannot be made or written */
        REASON_TRACED,       /* already */
        REASON_NOT_TRACED,
        REASON_TOO_MANY_TRACES,
        /* why a request cannot be served */
        REASON_INVALID_REQUEST,
        REASON_CONTEXT_EXCEEDED,
        REASON_ENGINE_ERROR,   /* the engine broke it off and lives on */
        REASON_NO_NUMBERS,     /* what the model computes is NaN or infinity */
        REASON_ENGINE_FULL,    /* it takes no more requests for now */
        REASON_OUT_OF_MEMORY,  /* of the daemon itself */
        REASON_REQUEST_MEMORY, /* what requests and answers may take together is taken */
        REASON_ANSWER_TOO_LONG,
        REASON_CLIENT_GONE, /* in the log alone */
        REASON_NOT_FOUND,
        REASON_METHOD_NOT_ALLOWED,
        REASON_NOT_OFFERED, /* the path is known, and no engine does what it is for */
        REASON_FORBIDDEN,
        /* access keys */
        REASON_KEY_WRONG, /* there is none, or nobody's */
        REASON_KEY_MODEL,
        REASON_KEY_RATE,
        REASON_KEY_TOKENS,
        REASON_KEY_CONCURRENT,
        REASON_KEYS_FAILED, /* their file cannot be written */
        /* what a web page may not do */
        REASON_HOST_NOT_ALLOWED,
        REASON_ORIGIN_NOT_ALLOWED,
        REASON_CONTENT_TYPE,
        /* what is wrong with the HTTP itself */
        REASON_BAD_REQUEST,
        REASON_HEADER_TOO_LARGE,
        REASON_BODY_TOO_LARGE,
        REASON_REQUEST_TIMEOUT,
        REASON_CONTENT_ENCODING,
        REASON_EXPECTATION,
        REASON_TRANSFER_ENCODING,
        REASON_HTTP_VERSION,
        REASON_TOO_MANY_CONNECTIONS,
        REASON_COUNT,
};

/* Texts hold no quotes and no backslashes: they go into JSON as they are. */
struct reason_info {
        const char *word;       /* "insufficient_memory": log, JSON `code`, stable */
        const char *sentence;   /* for a person; numbers are added by whoever has them */
        int http_status;        /* 0: never an answer to a request */
        const char *http_kind;  /* OpenAI error type */
        unsigned retry_after_s; /* default Retry-After; 0: none */
        int should_retry;       /* x-should-retry: 1, 0, or -1 for no header */
        const char *advice;     /* advice on the next step; "" where the sentence says it or nothing can be done */
        bool no_code;           /* JSON `code` is null, as OpenAI has it: `type` and `param` tell clients enough */
};

const struct reason_info *reason_info(enum reason reason);

#endif
