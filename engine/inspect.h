/*
 * inspect.h - what can be told about a model file without running it, and the two ways of printing it: text for
 * people, JSON for programs. headroomd asks for the JSON in a child, since it never parses a model file itself.
 */
#ifndef HEADROOM_ENGINE_INSPECT_H
#define HEADROOM_ENGINE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf.h"
#include "engine/shape.h"

/* What the account is computed for. */
struct inspect_load {
        uint32_t ctx;       /* of one sequence */
        uint32_t kv_tokens; /* of all */
        uint32_t batch, parallel, threads;
};

struct inspection {
        const struct gguf *gguf;
        const struct shape *shape; /* NULL when it could not be read; then UNSUPPORTED says why */
        const char *unsupported;   /* why this engine cannot run the model; NULL: it can */
        const char *chat_format;   /* NULL: the file has no chat template */
        uint32_t files_count;
        struct inspect_load load;
};

/* SUMMARY leaves metadata and tensors out. 0, or -ENOMEM. */
int inspect_print_json(const struct inspection *i, bool summary);
void inspect_print_text(const struct inspection *i);

#endif
