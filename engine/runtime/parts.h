/*
 * parts.h - the parts that a model runs on, opened or refused with one sentence: for the two that put it together,
 * engine.h (many sequences) and cli/single.h (one).
 */
#ifndef HEADROOM_ENGINE_RUNTIME_PARTS_H
#define HEADROOM_ENGINE_RUNTIME_PARTS_H

#include "engine/gguf/gguf.h"
#include "engine/kv/cache.h"
#include "engine/compute/threads.h"

/* Each: 0 and *ret, or -errno and the sentence. */
int parts_open_threads(uint32_t threads, struct threads **ret, struct gguf_error *reterr); /* 0: one per core */
int parts_open_cache(const struct hparams *s, uint32_t tokens, enum kv_type type, struct kv_cache **ret,
                     struct gguf_error *reterr);

/* ERROR (-errno), with "WHAT: ..." in *reterr. */
int parts_failed(struct gguf_error *reterr, int error, const char *what);

#endif
