/*
 * model.h - a model that is ready to run: hyperparameters, checked tensors, tokenizer, chat format.
 *
 * Weights stay in the mapping of the file; a model owns its gguf. Every tensor that the forward pass
 * touches has been checked for presence, type and dimensions by then, and a file with tensors that it would
 * leave out has been refused (tensors.h).
 */
#ifndef HEADROOM_ENGINE_MODEL_MODEL_H
#define HEADROOM_ENGINE_MODEL_MODEL_H

#include "engine/chat/template.h"
#include "engine/gguf/gguf.h"
#include "engine/model/matrix.h"
#include "engine/model/hparams.h"
#include "engine/model/infill_tokens.h"
#include "engine/tokenizer/tokenizer.h"

/* Vectors are floats as stored, perhaps unaligned. NULL, or a matrix without data: it is not there, its step is left out. */

struct model_layer {
        const uint8_t *attn_norm, *attn_q_norm, *attn_k_norm, *attn_post_norm;
        struct matrix attn_q, attn_k, attn_v, attn_output;
        const uint8_t *attn_q_bias, *attn_k_bias, *attn_v_bias, *attn_output_bias;
        const uint8_t *attn_after_norm, *attn_after_norm_bias; /* layer norm of the sum */

        const uint8_t *ffn_norm, *ffn_post_norm;
        struct matrix ffn_gate, ffn_up, ffn_down; /* of the first expert, where there are experts */
        struct matrix ffn_router;                 /* a row per expert */
        const uint8_t *ffn_gate_bias, *ffn_up_bias, *ffn_down_bias;
        const uint8_t *ffn_after_norm, *ffn_after_norm_bias;
};

struct model {
        struct gguf *gguf;
        struct hparams hparams;
        struct tokenizer *tokenizer; /* NULL: opened for token ids alone */
        struct chat_template chat;
        struct infill_tokens infill;
        struct matrix token_embd, token_types, positions;
        const uint8_t *embd_norm, *embd_norm_bias, *output_norm;
        struct matrix output;          /* that of the embeddings where the file has none; none where no text is made */
        struct matrix cls, cls_output; /* of a model that ranks (compute/rank.h) */
        const uint8_t *cls_bias, *cls_output_bias;
        struct gguf_string rank_prompt; /* how two texts are put to it (request/rank.c); empty: one after the other */
        const uint8_t *rope_freqs, *rope_factors_long, *rope_factors_short;
        bool context_is_long;       /* rope_factors_long are meant; see model_set_context */
        struct model_layer *layers; /* shape.n_layer */
        const uint8_t **planes;     /* PART_EXPERTS_APART: of all matrices; else NULL */
};

/* FDS as in gguf_open. 0, or -errno and one sentence. */
int model_open(const int fds[], uint32_t fds_count, struct model **ret, struct gguf_error *reterr);
/* Opens PATH and, when its name says "-00001-of-0000N.gguf", the other parts beside it. */
int model_open_path(const char *path, struct model **ret, struct gguf_error *reterr);
/* The same without tokenizer and chat format: for tools that are given token ids. */
int model_open_for_ids(const char *path, struct model **ret, struct gguf_error *reterr);
void model_close(struct model *m);

/*
 * How long a sequence may become, before a forward pass is made: models with two sets of frequencies use the one for long contexts
 * where it is more than they were trained on at first. One choice for all positions, since keys are stored rotated.
 */
void model_set_context(struct model *m, uint32_t tokens);

#endif
