/*
 * infill_tokens.h - the tokens by which a model was taught to fill a gap in a text: what stands before it, what behind it, and
 * the place where the middle begins.
 *
 * Files name them by keys (`tokenizer.ggml.fim_pre_token_id` ..., older ones `tokenizer.ggml.prefix_token_id` ...), or by the texts that the
 * families of models have for them.
 */
#ifndef HEADROOM_ENGINE_MODEL_INFILL_TOKENS_H
#define HEADROOM_ENGINE_MODEL_INFILL_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf/gguf.h"

enum infill_token {
        INFILL_PREFIX,
        INFILL_SUFFIX,
        INFILL_MIDDLE,
        INFILL_REPOSITORY, /* other files follow, each behind ... */
        INFILL_FILE,
        INFILL_PAD,
        INFILL_TOKENS
};

struct infill_tokens {
        int32_t ids[INFILL_TOKENS]; /* TOKEN_NONE: the model has none */
};

void infill_tokens_find(const struct gguf *g, struct infill_tokens *ret);
/* Whether the model can fill a gap: the first three are there. */
bool infill_tokens_are_there(const struct infill_tokens *t);
/* Whether ID, made while a gap is filled, says that it is filled: another file would follow. */
bool infill_tokens_end(const struct infill_tokens *t, int32_t id);

#endif
