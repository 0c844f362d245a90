/*
 * frames.h - the engine's frames to the daemon (docs/wire-protocol.md).
 *
 * Each function makes one message; NULL when memory is short.
 */
#ifndef HEADROOM_ENGINE_WORKER_FRAMES_H
#define HEADROOM_ENGINE_WORKER_FRAMES_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "engine/runtime/engine.h"
#include "engine/scheduler/scheduler.h"

cJSON *frame_ready(const struct engine *e);
cJSON *frame_failed(const char *message);
/* Of the tokens of input number INPUT those from AT on, as many as a frame carries. */
cJSON *frame_prompt(uint64_t id, uint32_t input, const struct token_list *tokens, size_t at);
cJSON *frame_note(uint64_t id, const char *message);
cJSON *frame_start(uint64_t id, uint32_t prompt_tokens, uint32_t cached_tokens, const char *relaxed); /* RELAXED: or NULL */
cJSON *frame_text(uint64_t id, const struct tokenizer *t, const struct output_chunk *chunk);
/* TEXT, characters without a NUL, which no token of an answer has made. */
cJSON *frame_words(uint64_t id, const char *text);
cJSON *frame_end(uint64_t id, const struct output_stream_end *end);
cJSON *frame_embedding(uint64_t id, const struct embedding *e, uint32_t index); /* one vector of it */
cJSON *frame_error(uint64_t id, const struct request_error *error);
/* ASKED: as the answer to a question. */
cJSON *frame_statistics(const struct engine *e, bool asked);
cJSON *frame_controlled(uint64_t id);
/* ERROR: why not, or NULL. */
cJSON *frame_suspended(uint64_t id, uint64_t bytes, const char *error);
cJSON *frame_restored(uint64_t id, bool recomputed);
cJSON *frame_save_candidate(uint64_t id, const struct scheduler_save_candidate *candidate);
cJSON *frame_saved(uint64_t id, uint64_t bytes, const char *error);
cJSON *frame_lookup(uint64_t id, const uint64_t *hashes, uint32_t blocks);
cJSON *frame_corrupt(uint64_t id, const char *error, bool damaged);

#endif
