/*
 * single.h - one model and one sequence, for the command-line tools that measure or compare.
 */
#ifndef HEADROOM_ENGINE_CLI_SINGLE_H
#define HEADROOM_ENGINE_CLI_SINGLE_H

#include <stdbool.h>

#include "engine/compute/transformer.h"

struct single_config {
        const char *path;
        uint32_t threads; /* 0: as many as there are processors for us */
        enum kv_type kv;
        uint32_t tokens_max; /* of the sequence */
        uint32_t batch;      /* tokens per pass of prefill; 0: SINGLE_BATCH */
        bool for_ids;        /* no tokenizer is needed */
        bool vectors;        /* hidden states are wanted: a model that makes no text will do */
        uint32_t logits;     /* vectors that transformer_logits may be asked for at once; 0: 1 */
};

#define SINGLE_BATCH     512u
#define SINGLE_BATCH_MAX 65536u /* no pass gains beyond a hundredth of it; the buffers grow with it */

struct single {
        struct model *model;
        struct threads *threads;
        struct kv_cache *cache;
        struct transformer *transformer;
        struct kv_sequence sequence;
        uint32_t batch;
};

/* 0, or -errno and one sentence. S is released with single_close either way. */
int single_open(struct single *s, const struct single_config *config, struct gguf_error *reterr);
void single_close(struct single *s);
/* The same in two steps, for a caller that must look at the model to know the rest of the configuration. */
int single_open_model(struct single *s, const struct single_config *config, struct gguf_error *reterr);
int single_open_rest(struct single *s, const struct single_config *config, struct gguf_error *reterr);

/*
 * Takes COUNT (>= 1) tokens in at the end of the sequence, in chunks of the batch. *ret: the logits after the last,
 * good until the next call; NULL where they are not wanted. Each token is in 0 .. n_vocab-1.
 * 0, or -ENOSPC when the sequence is full.
 */
int single_feed(struct single *s, const int32_t *tokens, uint32_t count, const float **ret);
/*
 * COUNT tokens, at most the batch and the positions there are, into an empty sequence: *ret has n_embd floats for each, good
 * until the next call. 0, or -ENOSPC.
 */
int single_hidden(struct single *s, const int32_t *tokens, uint32_t count, const float **ret);
/* Forgets all but the first COUNT tokens. */
void single_rewind(struct single *s, uint32_t count);

#endif
