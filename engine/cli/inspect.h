/*
 * inspect.h - facts about a model file that is not run, and the two ways of printing them: text for people, JSON for
 * programs. headroomd asks for the JSON in a child, since it never parses a model file itself.
 */
#ifndef HEADROOM_ENGINE_CLI_INSPECT_H
#define HEADROOM_ENGINE_CLI_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/runtime/engine.h"

struct inspection {
        const struct gguf *gguf;
        const struct hparams *hparams; /* NULL when it could not be read; then UNSUPPORTED says why */
        const char *unsupported;       /* why this engine cannot run the model; NULL: it can */
        const char *no_model;          /* what it is instead: "a projector ..."; NULL: a model */
        const char *chat_format;       /* NULL: the file has no chat template */
        const struct chat_template *chat;
        uint32_t files_count;
        struct engine_config load; /* what the account is computed for, resolved where the file tells its hyperparameters */
};

/* SUMMARY leaves metadata and tensors out. 0, or -ENOMEM. */
int inspect_print_json(const struct inspection *i, bool summary);
void inspect_print_text(const struct inspection *i);

#endif
