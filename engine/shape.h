/*
 * shape.h - what a model is made of, read from the metadata alone: hyperparameters, and how many bytes
 * it will need. No weight is touched, so `inspect` and `headroomctl fit` cost nothing.
 *
 * The engine allocates by these same numbers, so prediction and use cannot drift apart.
 */
#ifndef HEADROOM_ENGINE_SHAPE_H
#define HEADROOM_ENGINE_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf.h"
#include "engine/kv_type.h"

enum arch {
        ARCH_LLAMA,
        ARCH_COUNT,
};

/* As `general.architecture` names it: "llama". It is also the prefix of the model's metadata keys. */
const char *arch_name(enum arch arch);

struct shape {
        enum arch arch;
        char name[64]; /* general.name, printable, shortened; "" when absent */
        uint32_t n_vocab;
        uint32_t n_embd;
        uint32_t n_layer;
        uint32_t n_ff;
        uint32_t n_head;
        uint32_t n_head_kv; /* per layer when the file gives an array: the largest; see head_kv */
        uint32_t *head_kv;  /* n_layer counts, owned */
        uint32_t d_head_k, d_head_v;
        uint32_t n_rot; /* dimensions rotated by RoPE, <= d_head_k, even */
        uint32_t n_ctx_train;
        float rms_epsilon;
        float rope_freq_base;
        float rope_freq_scale; /* 1 / factor of linear scaling; 1 without */
        bool has_rope_freqs;   /* tensor rope_freqs.weight divides each frequency */
        bool tied_output;      /* no output.weight: token_embd serves */
        char quantization[16]; /* the type that holds most weight bytes, e.g. "Q4_K" */
        uint32_t n_merges;     /* of the tokenizer; 0 when it has none */
        uint64_t parameters;
        uint64_t weights_bytes;   /* all tensors as stored */
        uint64_t directory_bytes; /* the rest of the files: metadata, names, padding; resident too */
        uint64_t decode_bytes;    /* weight bytes read for one decoded token: speed = bandwidth / this */
};

/* 0 and *ret, or -EBADMSG / -ENOTSUP / -ENOMEM and one sentence in *reterr. */
int shape_read(const struct gguf *g, struct shape *ret, struct gguf_error *reterr);
void shape_done(struct shape *s);

/*
 * KV bytes of one token: sum over layers of n_head_kv * (d_head_k * bytes(type) + d_head_v * bytes(type)).
 * 0 when TYPE cannot hold these heads (a quantised type needs d_head % 32 == 0).
 */
uint64_t shape_kv_bytes_per_token(const struct shape *s, enum kv_type type);

/*
 * Compute buffers for passes of up to BATCH tokens of up to ITEMS sequences on THREADS threads, exactly as
 * forward_new allocates them. Independent of the context length. (Defined in scratch.c, beside the layout.)
 */
uint64_t shape_scratch_bytes(const struct shape *s, uint32_t batch, uint32_t items, uint32_t threads);

/*
 * What a worker process needs besides weights, KV and scratch: program and libraries, requests in work, the file's
 * directory, the tables of the tokenizer and of the sampler.
 */
uint64_t shape_overhead_bytes(const struct shape *s);

#endif
