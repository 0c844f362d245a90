/*
 * hparams.h - the make of a model, read from the metadata alone: hyperparameters, and how many bytes it will need. No
 * weight is touched, so `inspect` and `headroomctl fit` cost nothing.
 *
 * The engine allocates by these same numbers, so prediction and use cannot drift apart.
 */
#ifndef HEADROOM_ENGINE_MODEL_HPARAMS_H
#define HEADROOM_ENGINE_MODEL_HPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/model/arch.h"
#include "engine/gguf/gguf.h"
#include "policy/base/kv_type.h"

/* How one vector is made of the hidden states of a text. The file's numbers for it. */
enum pooling {
        POOLING_NONE, /* each token keeps its own */
        POOLING_MEAN,
        POOLING_CLS, /* the first token's */
        POOLING_LAST,
        POOLING_RANK, /* a score of two texts, and no vector (compute/rank.h) */
        POOLING_COUNT,
};

/* "none", "mean", "cls", "last", "rank". */
const char *pooling_name(enum pooling pooling);
/* 0 and *ret, or -EINVAL. */
int pooling_by_name(const char *name, enum pooling *ret);

enum rope_scaling {
        ROPE_UNSCALED,
        ROPE_LINEAR, /* frequencies times freq_scale: position interpolation, Chen et al. 2023 */
        ROPE_YARN,   /* the high ones stay, the low ones are scaled, and between the two it slides: Peng et al. 2023 */
};

/* How positions rotate queries and keys (compute/rope.h). Divisors of single frequencies are tensors. */
struct rope_hparams {
        float freq_base, freq_scale; /* freq_scale: 1 / factor; 1 without */
        enum rope_scaling scaling;
        float beta_fast, beta_slow; /* YaRN: turns within the original context from where nothing, up to where all is scaled */
        uint32_t n_ctx_original;    /* of the training before it was stretched */
        float magnitude;            /* rotated values become longer by this */
};

struct hparams {
        enum arch arch;
        uint32_t parts; /* enum arch_part: what the file's model has, except that tensors of parts_may are there or not */
        char name[64];  /* general.name, printable, shortened; "" when absent */
        uint32_t n_vocab;
        uint32_t n_embd;
        uint32_t n_layer;
        uint32_t n_ff;
        uint32_t n_head;
        uint32_t n_head_kv; /* per layer when the file gives an array: the largest; see head_kv */
        uint32_t *head_kv;  /* n_layer counts, owned */
        uint32_t d_head_k, d_head_v;
        uint32_t n_rot; /* dimensions rotated by RoPE, <= d_head_k, even; 0: it has none */
        uint32_t n_ctx_train;
        uint32_t n_expert, n_expert_used, n_ff_expert; /* 0: no mixture of experts */
        uint32_t window;         /* positions that a token looks back on, its own included, in layers that have one; 0: all */
        uint32_t window_pattern; /* each last of so many layers has none; 0: all have */
        float norm_epsilon;
        struct rope_hparams rope, rope_local; /* rope_local: of layers with a window, where the two differ */
        bool has_rope_local;
        bool has_rope_freqs;             /* tensor rope_freqs.weight divides each frequency */
        float attention_scale;           /* of a product of query and key */
        float attention_cap, logits_cap; /* cap * tanh(x / cap) of such a product, and of a logit; 0: none */
        bool causal;                     /* makes text; else a text goes through as a whole, and gives vectors alone */
        enum pooling pooling;
        uint32_t n_labels;     /* POOLING_RANK: that the model tells apart */
        bool tied_output;      /* no output.weight: token_embd serves */
        char quantization[16]; /* the type that holds most weight bytes, e.g. "Q4_K" */
        uint32_t n_merges;     /* of the tokenizer; 0 when it has none */
        uint64_t parameters;
        uint64_t weights_bytes;   /* all tensors as stored */
        uint64_t directory_bytes; /* the rest of the files: metadata, names, padding; resident too */
        uint64_t decode_bytes;    /* weight bytes read for one decoded token: speed = bandwidth / this */
};

/* 0 and *ret, or -EBADMSG / -ENOTSUP / -ENOMEM and one sentence in *reterr. */
int hparams_read(const struct gguf *g, struct hparams *ret, struct gguf_error *reterr);
void hparams_done(struct hparams *s);

/* Otherwise it makes vectors, or ranks. */
bool hparams_makes_text(const struct hparams *s);
/* Positions that layer LAYER looks back on; 0: all. */
uint32_t hparams_window(const struct hparams *s, uint32_t layer);
/* The longest sequence of CTX tokens asked for that the model has positions for. */
uint32_t hparams_context(const struct hparams *s, uint32_t ctx);
/* Tokens of one pass where CHUNK are wanted: a text that goes through as a whole has up to CTX. */
uint32_t hparams_pass_tokens(const struct hparams *s, uint32_t chunk, uint32_t ctx);
/* Feed-forward values of one token that are there at once: of all experts that it uses together. */
uint32_t hparams_ff_values(const struct hparams *s);

/*
 * KV bytes of one token: sum over layers of n_head_kv * (d_head_k * bytes(type) + d_head_v * bytes(type)).
 * 0 when TYPE cannot hold these heads (a quantised type needs d_head % 32 == 0).
 */
uint64_t hparams_kv_bytes_per_token(const struct hparams *s, enum kv_type type);

/*
 * Compute buffers for passes of up to BATCH tokens of up to ITEMS sequences on THREADS threads, exactly as
 * transformer_new allocates them. Independent of the context length. (Defined in compute/buffers.c, beside the layout.)
 */
uint64_t hparams_buffer_bytes(const struct hparams *s, uint32_t batch, uint32_t items, uint32_t threads);

/*
 * Memory of a worker process besides weights, KV and scratch: program and libraries, requests in work, the file's directory, the
 * tables of the tokenizer and of the sampler.
 */
uint64_t hparams_overhead_bytes(const struct hparams *s);

#endif
