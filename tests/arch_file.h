/*
 * arch_file.h - what a GGUF file of an architecture holds: its keys under the architecture's name, and its tensors with their
 * extents, in the order in which files have them. For whoever writes such files with weights of its own (tiny_model.h,
 * tools/make-gguf.c).
 */
#ifndef HEADROOM_TESTS_ARCH_FILE_H
#define HEADROOM_TESTS_ARCH_FILE_H

#include <assert.h>
#include <stdio.h>

#include "engine/model/arch.h"
#include "tests/gguf_writer.h"

struct arch_sizes {
        enum arch arch;
        uint32_t parts; /* enum arch_part: which tensors there are; arch_file_parts and whatever more */
        uint32_t layers, embd, ff, heads, heads_kv, d_head, d_head_v, n_rot, vocab, ctx, experts, experts_used,
                labels; /* of one that ranks */
};

/* The parts that all files of ARCH have; EXPERTS: PART_EXPERTS or PART_EXPERTS_APART in the place of one feed-forward, or 0. */
static inline uint32_t arch_file_parts(enum arch arch, uint32_t experts) {
        uint32_t parts = arch_parts(arch);
        return experts ? (parts & ~(uint32_t) (PART_FF_GATED | PART_EXPERTS)) | experts : parts;
}

/* --- keys --- */

static inline void arch_write_u32(struct gguf_writer *w, enum arch arch, const char *suffix, uint32_t value) {
        char key[96];
        (void) snprintf(key, sizeof(key), "%s.%s", arch_name(arch), suffix);
        gguf_write_u32(w, key, value);
}

static inline void arch_write_f32(struct gguf_writer *w, enum arch arch, const char *suffix, float value) {
        char key[96];
        (void) snprintf(key, sizeof(key), "%s.%s", arch_name(arch), suffix);
        gguf_write_f32(w, key, value);
}

static inline void arch_write_string(struct gguf_writer *w, enum arch arch, const char *suffix, const char *value) {
        char key[96];
        (void) snprintf(key, sizeof(key), "%s.%s", arch_name(arch), suffix);
        gguf_write_string(w, key, value);
}

/* The sizes that every architecture has; heads are embd / heads long unless a key says otherwise. */
static inline void arch_write_sizes(struct gguf_writer *w, const struct arch_sizes *s) {
        arch_write_u32(w, s->arch, "context_length", s->ctx);
        arch_write_u32(w, s->arch, "embedding_length", s->embd);
        arch_write_u32(w, s->arch, "block_count", s->layers);
        arch_write_u32(w, s->arch, "feed_forward_length", s->ff);
        arch_write_u32(w, s->arch, "attention.head_count", s->heads);
        arch_write_u32(w, s->arch, "attention.head_count_kv", s->heads_kv);
}

static inline void arch_write_experts(struct gguf_writer *w, const struct arch_sizes *s) {
        if (!s->experts)
                return;
        arch_write_u32(w, s->arch, "expert_count", s->experts);
        arch_write_u32(w, s->arch, "expert_used_count", s->experts_used);
}

/* --- tensors --- */

struct arch_tensor {
        char name[40];                  /* known ones that are apart: with a place for the expert's number */
        uint32_t parts;                 /* of a file that has it */
        uint32_t columns, rows, planes; /* rows 0: a vector; planes 0: a matrix */
};

#define ARCH_TENSORS_MAX 64u

struct arch_tensors {
        struct arch_tensor all[ARCH_TENSORS_MAX];
        uint32_t count;
};

static inline struct arch_tensors arch_tensors_in(const struct arch_sizes *s, const struct arch_tensor known[], size_t count) {
        struct arch_tensors list = { .count = 0 };
        for (size_t i = 0; i < count; i++) {
                uint32_t copies = !(known[i].parts & s->parts) ? 0 : known[i].parts == PART_EXPERTS_APART ? s->experts : 1;
                for (uint32_t n = 0; n < copies; n++) {
                        struct arch_tensor *t = &list.all[list.count++];
                        assert(list.count <= ARCH_TENSORS_MAX);
                        *t = known[i];
                        (void) snprintf(t->name, sizeof(t->name), known[i].name, n);
                }
        }
        return list;
}

static inline struct arch_tensors arch_tensors_before_layers(const struct arch_sizes *s) {
        const struct arch_tensor known[] = {
                { "token_embd.weight", PART_ALWAYS, s->embd, s->vocab, 0 },
                { "token_types.weight", PART_TOKEN_TYPES, s->embd, 2, 0 },
                { "position_embd.weight", PART_POSITIONS, s->embd, s->ctx, 0 },
                { "token_embd_norm.weight", PART_EMBD_NORM, s->embd, 0, 0 },
                { "token_embd_norm.bias", PART_EMBD_NORM, s->embd, 0, 0 },
                { "rope_freqs.weight", PART_ROPE_FREQS, s->n_rot / 2, 0, 0 },
                { "rope_factors_long.weight", PART_ROPE_FACTORS, s->n_rot / 2, 0, 0 },
                { "rope_factors_short.weight", PART_ROPE_FACTORS, s->n_rot / 2, 0, 0 },
        };
        return arch_tensors_in(s, known, sizeof(known) / sizeof(known[0]));
}

/* The tensors of a layer, by their names behind "blk.N.". */
static inline struct arch_tensors arch_tensors_of_layer(const struct arch_sizes *s) {
        uint32_t embd = s->embd, ff = s->ff, queries = s->heads * s->d_head, keys = s->heads_kv * s->d_head,
                 values = s->heads_kv * s->d_head_v, attended = s->heads * s->d_head_v;
        /* clang-format off */
        const struct arch_tensor known[] = {
                { "attn_norm.weight", PART_NORMS_BEFORE, embd, 0, 0 },
                { "attn_q.weight", PART_QKV, embd, queries, 0 }, { "attn_q.bias", PART_QKV_BIAS, queries, 0, 0 },
                { "attn_k.weight", PART_QKV, embd, keys, 0 }, { "attn_k.bias", PART_QKV_BIAS, keys, 0, 0 },
                { "attn_v.weight", PART_QKV, embd, values, 0 }, { "attn_v.bias", PART_QKV_BIAS, values, 0, 0 },
                { "attn_qkv.weight", PART_QKV_FUSED, embd, queries + keys + values, 0 },
                { "attn_q_norm.weight", PART_HEAD_NORMS, s->d_head, 0, 0 }, { "attn_k_norm.weight", PART_HEAD_NORMS, s->d_head, 0, 0 },
                { "attn_output.weight", PART_ALWAYS, attended, embd, 0 }, { "attn_output.bias", PART_OUT_BIAS, embd, 0, 0 },
                { "post_attention_norm.weight", PART_NORMS_POST, embd, 0, 0 },
                { "attn_output_norm.weight", PART_NORMS_AFTER, embd, 0, 0 }, { "attn_output_norm.bias", PART_NORMS_AFTER, embd, 0, 0 },
                { "ffn_norm.weight", PART_NORMS_BEFORE, embd, 0, 0 },
                { "ffn_gate.weight", PART_FF_GATED, embd, ff, 0 }, { "ffn_up.weight", PART_FF | PART_FF_GATED, embd, ff, 0 },
                { "ffn_up.weight", PART_FF_GATED_FUSED, embd, 2 * ff, 0 }, { "ffn_up.bias", PART_FF_BIAS, ff, 0, 0 },
                { "ffn_down.weight", PART_FF | PART_FF_GATED | PART_FF_GATED_FUSED, ff, embd, 0 }, { "ffn_down.bias", PART_FF_BIAS, embd, 0, 0 },
                { "ffn_gate_inp.weight", PART_EXPERTS | PART_EXPERTS_APART, embd, s->experts, 0 }, { "ffn_gate_exps.weight", PART_EXPERTS, embd, ff, s->experts },
                { "ffn_up_exps.weight", PART_EXPERTS, embd, ff, s->experts }, { "ffn_down_exps.weight", PART_EXPERTS, ff, embd, s->experts },
                { "ffn_gate.%u.weight", PART_EXPERTS_APART, embd, ff, 0 }, { "ffn_up.%u.weight", PART_EXPERTS_APART, embd, ff, 0 },
                { "ffn_down.%u.weight", PART_EXPERTS_APART, ff, embd, 0 },
                { "post_ffw_norm.weight", PART_NORMS_POST, embd, 0, 0 },
                { "layer_output_norm.weight", PART_NORMS_AFTER, embd, 0, 0 }, { "layer_output_norm.bias", PART_NORMS_AFTER, embd, 0, 0 },
        };
        /* clang-format on */
        return arch_tensors_in(s, known, sizeof(known) / sizeof(known[0]));
}

static inline struct arch_tensors arch_tensors_after_layers(const struct arch_sizes *s) {
        const struct arch_tensor known[] = {
                { "output_norm.weight", PART_OUTPUT_NORM, s->embd, 0, 0 }, { "output.weight", PART_OUTPUT, s->embd, s->vocab, 0 },
                { "cls.weight", PART_RANK_MAY, s->embd, s->embd, 0 },      { "cls.bias", PART_RANK_MAY, s->embd, 0, 0 },
                { "cls.output.weight", PART_RANK, s->embd, s->labels, 0 }, { "cls.output.bias", PART_RANK_MAY, s->labels, 0, 0 },
        };
        return arch_tensors_in(s, known, sizeof(known) / sizeof(known[0]));
}

#endif
