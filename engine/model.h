/*
 * model.h - a model that is ready to run: shape, checked tensors, tokenizer, chat format.
 *
 * Weights stay in the mapping of the file; a model owns its gguf. Every tensor that the forward pass
 * touches has been checked for presence, type and dimensions by then, and a file with tensors that it would
 * leave out (biases, experts) has been refused.
 */
#ifndef HEADROOM_ENGINE_MODEL_H
#define HEADROOM_ENGINE_MODEL_H

#include "engine/chat_template.h"
#include "engine/gguf.h"
#include "engine/shape.h"
#include "engine/tokenizer/tokenizer.h"

struct model_layer {
        const struct gguf_tensor *attn_norm, *attn_q, *attn_k, *attn_v, *attn_output;
        const struct gguf_tensor *ffn_norm, *ffn_gate, *ffn_up, *ffn_down;
};

struct model {
        struct gguf *gguf;
        struct shape shape;
        struct tokenizer *tokenizer;
        struct chat_template chat;
        const struct gguf_tensor *token_embd, *output_norm, *output, *rope_freqs; /* rope_freqs may be NULL */
        struct model_layer *layers;                                               /* shape.n_layer */
};

/* FDS as in gguf_open. 0, or -errno and one sentence. */
int model_open(const int fds[], uint32_t fds_count, struct model **ret, struct gguf_error *reterr);
/* Opens PATH and, when its name says "-00001-of-0000N.gguf", the other parts beside it. */
int model_open_path(const char *path, struct model **ret, struct gguf_error *reterr);
void model_close(struct model *m);

#endif
