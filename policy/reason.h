/*
 * reason.h - why something was done or refused: one table for the log, the HTTP answer and the command line.
 */
#ifndef HEADROOM_POLICY_REASON_H
#define HEADROOM_POLICY_REASON_H

enum reason {
        REASON_NONE,
        REASON_MODEL_NOT_FOUND,
        REASON_NEVER_FITS,          /* larger than the budget even with nothing else loaded */
        REASON_INSUFFICIENT_MEMORY, /* would fit, not now, and nothing may be evicted in time */
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
        REASON_COUNT,
};

struct reason_info {
        const char *word;       /* "insufficient_memory": log, JSON `code`, stable */
        const char *sentence;   /* for a person; numbers are added by whoever has them */
        int http_status;        /* 0: never an answer to a request */
        const char *http_kind;  /* OpenAI error type */
        unsigned retry_after_s; /* default Retry-After; 0: none */
        int should_retry;       /* x-should-retry: 1, 0, or -1 for no header */
};

const struct reason_info *reason_info(enum reason reason);

#endif
