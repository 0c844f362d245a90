/*
 * vectors.h - the shapes of an answer that is vectors of texts. They come one by one, and are written as they come.
 */
#ifndef HEADROOM_DAEMON_DIALECT_VECTORS_H
#define HEADROOM_DAEMON_DIALECT_VECTORS_H

#include <cjson/cJSON.h>

#include "daemon/dialect/dialect.h"

/* An answer that has all its vectors. */
struct vectors_answer {
        const char *model; /* as the client called it */
        uint32_t prompt_tokens;
        uint64_t total_ns;
};

/* What was asked for. */
struct vectors_asked {
        uint32_t count; /* of vectors or scores */
        bool is_base64;
        uint32_t top_n;             /* scores that are told; 0: all */
        struct json_value repeated; /* a list that has something for each score, which is told with it; or none */
};

struct vectors_dialect {
        const struct dialect *refusals; /* how a failure is told */
        /* Where scores are asked for in the place of vectors: all of the answer, at its end. The other two are NULL then. */
        void (*rank)(struct text *out, const float scores[], uint32_t count, const struct vectors_asked *asked,
                     const struct vectors_answer *a);
        /* VECTOR is the next of the answer, from INDEX 0; what stands before and between them goes with it. */
        void (*item)(struct text *out, uint32_t index, const cJSON *vector, bool is_base64);
        void (*end)(struct text *out, const struct vectors_answer *a);
};

extern const struct vectors_dialect vectors_openai;

/* [0.1,...]: numbers that give each float back exactly. */
void vectors_put(struct text *out, const cJSON *vector);

#endif
