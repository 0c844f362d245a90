/*
 * tiny_model.h - a model of a few thousand random weights, of any architecture, as a GGUF file in memory: for tests of the
 * forward pass and of what opens models. Everything that a test varies is a field; 0 stands for the default in brackets.
 */
#ifndef HEADROOM_TESTS_TINY_MODEL_H
#define HEADROOM_TESTS_TINY_MODEL_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/arch.h"
#include "engine/kernels/half.h"
#include "tests/block_scale.h"
#include "tests/gguf_writer.h"

struct tiny_model {
        enum arch arch;        /* (llama) */
        enum tensor_type type; /* of the matrices (F32) */
        /* (2, 256, 256, 4, 2, 64, d_head, d_head, 64) */
        uint32_t layers, embd, ff, heads, heads_kv, d_head, d_head_v, n_rot, vocab;
        bool untied, rope_freqs, rope_factors;
        float rope_scale;               /* factor of linear scaling (none) */
        float yarn_scale;               /* factor of YaRN, from 64 tokens on (none) */
        uint32_t experts, experts_used; /* (none; of an architecture that must have them 5, of which 2 are used) */
        bool level_router;              /* all experts score the same */
        uint32_t window;                /* (none; of an architecture with a pattern 40) */
        uint32_t pooling;               /* (none) */
        const char *without;            /* a tensor to leave out */
        const char *odd;                /* a tensor whose type or shape is changed */
        enum tensor_type odd_type;
        uint32_t odd_rows; /* 0: as it is */
        const char *extra; /* a tensor more */
        uint64_t seed;
};

static uint64_t tiny_state;

static inline uint32_t tiny_random(void) {
        tiny_state = tiny_state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (tiny_state >> 32);
}

static inline float tiny_uniform(void) { /* of deviation one */
        return ((float) tiny_random() * 0x1p-32f - 0.5f) * 3.4641016f;
}

static inline void tiny_block(enum tensor_type type, uint8_t *block, float deviation) {
        const struct tensor_type_info *info = tensor_type_info(type);
        float f = deviation * tiny_uniform();
        for (uint32_t i = 0; i < info->block_bytes; i++)
                block[i] = (uint8_t) tiny_random();
        if (type == TENSOR_F32)
                memcpy(block, &f, 4);
        else if (type == TENSOR_F16)
                store_u16(block, half_from_float(f));
        else if (type == TENSOR_BF16)
                store_u16(block, (uint16_t) (float_to_bits(f) >> 16));
        else if (type == TENSOR_Q8_0 || type == TENSOR_Q4_0)
                store_u16(block, half_from_float(deviation / (type == TENSOR_Q8_0 ? 74 : 4.6f)));
        else if (type == TENSOR_Q6_K)
                store_u16(block + 208, half_from_float(deviation / (74 * 18)));
        else if (type != TENSOR_Q4_K && type != TENSOR_Q5_K)
                block_put_deviation(type, block, deviation);
        else {
                float scale = deviation / (type == TENSOR_Q5_K ? 470.0f : 290.0f);
                store_u16(block, half_from_float(scale));
                store_u16(block + 2, half_from_float(scale * (type == TENSOR_Q5_K ? 15.5f : 7.5f)));
        }
}

/* One tensor: its row of the directory into W, its data into DATA. */
static inline void tiny_tensor(struct gguf_writer *w, struct gguf_writer *data, const struct tiny_model *m, const char *name,
                               enum tensor_type type, uint32_t columns, uint32_t rows, uint32_t planes) {
        if (m->without && !strcmp(m->without, name))
                return;
        if (m->odd && !strcmp(m->odd, name)) {
                type = m->odd_type;
                rows = m->odd_rows ? m->odd_rows : rows;
        }
        uint64_t bytes = gguf_write_tensor(w, name, type, columns, rows, planes, 0);
        const struct tensor_type_info *info = tensor_type_info(type);
        uint8_t block[256];
        for (uint64_t at = 0; at < bytes; at += info->block_bytes) {
                float near = 0.1f * tiny_uniform() + !strstr(name, ".bias");
                tiny_block(type, block, 1 / sqrtf((float) columns));
                if (type == TENSOR_F32 && rows == 0)
                        memcpy(block, &near, 4);
                if (m->level_router && strstr(name, "ffn_gate_inp"))
                        memset(block, 0, info->block_bytes);
                gguf_write_bytes(data, block, info->block_bytes);
        }
        gguf_write_zeros(data, (32 - bytes % 32) % 32);
}

/* What tensors of PARTS there are, with their lengths; rows 0: a vector. */
struct tiny_part {
        const char *name;
        uint32_t parts, columns, rows, planes;
};

static inline uint32_t tiny_parts(const struct tiny_model *m) {
        uint32_t parts = arch_info(m->arch)->parts;
        if (m->experts)
                parts = (parts & ~(uint32_t) PART_FF_GATED) | PART_EXPERTS;
        parts |= m->untied ? PART_OUTPUT : 0;
        parts |= m->rope_freqs ? PART_ROPE_FREQS : 0;
        return parts | (m->rope_factors ? PART_ROPE_FACTORS : 0);
}

static inline void tiny_write_parts(struct gguf_writer *w, struct gguf_writer *data, const struct tiny_model *m,
                                    const char *prefix, const struct tiny_part parts[], size_t count) {
        char name[64];
        for (size_t i = 0; i < count; i++) {
                if (!(parts[i].parts & tiny_parts(m)))
                        continue;
                (void) snprintf(name, sizeof(name), "%s%s", prefix, parts[i].name);
                tiny_tensor(w, data, m, name, parts[i].rows ? m->type : TENSOR_F32, parts[i].columns, parts[i].rows,
                            parts[i].planes);
        }
}

static inline void tiny_layer(struct gguf_writer *w, struct gguf_writer *data, const struct tiny_model *m, uint32_t layer) {
        uint32_t embd = m->embd, ff = m->ff, queries = m->heads * m->d_head, keys = m->heads_kv * m->d_head,
                 values = m->heads_kv * m->d_head_v, attended = m->heads * m->d_head_v;
        char prefix[24];
        /* clang-format off */
        const struct tiny_part parts[] = {
                { "attn_norm.weight", PART_NORMS_BEFORE, embd, 0, 0 },
                { "attn_q.weight", PART_QKV, embd, queries, 0 }, { "attn_q.bias", PART_QKV_BIAS, queries, 0, 0 },
                { "attn_k.weight", PART_QKV, embd, keys, 0 }, { "attn_k.bias", PART_QKV_BIAS, keys, 0, 0 },
                { "attn_v.weight", PART_QKV, embd, values, 0 }, { "attn_v.bias", PART_QKV_BIAS, values, 0, 0 },
                { "attn_qkv.weight", PART_QKV_FUSED, embd, queries + keys + values, 0 },
                { "attn_q_norm.weight", PART_HEAD_NORMS, m->d_head, 0, 0 }, { "attn_k_norm.weight", PART_HEAD_NORMS, m->d_head, 0, 0 },
                { "attn_output.weight", PART_ALWAYS, attended, embd, 0 }, { "attn_output.bias", PART_OUT_BIAS, embd, 0, 0 },
                { "post_attention_norm.weight", PART_NORMS_POST, embd, 0, 0 },
                { "attn_output_norm.weight", PART_NORMS_AFTER, embd, 0, 0 }, { "attn_output_norm.bias", PART_NORMS_AFTER, embd, 0, 0 },
                { "ffn_norm.weight", PART_NORMS_BEFORE, embd, 0, 0 },
                { "ffn_gate.weight", PART_FF_GATED, embd, ff, 0 }, { "ffn_up.weight", PART_FF | PART_FF_GATED, embd, ff, 0 },
                { "ffn_up.weight", PART_FF_GATED_FUSED, embd, 2 * ff, 0 }, { "ffn_up.bias", PART_FF_BIAS, ff, 0, 0 },
                { "ffn_down.weight", PART_FF | PART_FF_GATED | PART_FF_GATED_FUSED, ff, embd, 0 }, { "ffn_down.bias", PART_FF_BIAS, embd, 0, 0 },
                { "ffn_gate_inp.weight", PART_EXPERTS, embd, m->experts, 0 }, { "ffn_gate_exps.weight", PART_EXPERTS, embd, ff, m->experts },
                { "ffn_up_exps.weight", PART_EXPERTS, embd, ff, m->experts }, { "ffn_down_exps.weight", PART_EXPERTS, ff, embd, m->experts },
                { "post_ffw_norm.weight", PART_NORMS_POST, embd, 0, 0 },
                { "layer_output_norm.weight", PART_NORMS_AFTER, embd, 0, 0 }, { "layer_output_norm.bias", PART_NORMS_AFTER, embd, 0, 0 },
        };
        /* clang-format on */
        (void) snprintf(prefix, sizeof(prefix), "blk.%u.", layer);
        tiny_write_parts(w, data, m, prefix, parts, sizeof(parts) / sizeof(*parts));
}

static inline uint32_t tiny_context(const struct tiny_model *m) {
        return arch_info(m->arch)->parts & PART_POSITIONS ? 512 : 4096;
}

static inline void tiny_key_u32(struct gguf_writer *w, const struct tiny_model *m, const char *suffix, uint32_t value) {
        char key[96];
        (void) snprintf(key, sizeof(key), "%s.%s", arch_name(m->arch), suffix);
        gguf_write_u32(w, key, value);
}

static inline void tiny_key_f32(struct gguf_writer *w, const struct tiny_model *m, const char *suffix, float value) {
        char key[96];
        (void) snprintf(key, sizeof(key), "%s.%s", arch_name(m->arch), suffix);
        gguf_write_f32(w, key, value);
}

static inline void tiny_rope_metadata(struct gguf_writer *w, const struct tiny_model *m) {
        char key[96];
        if (arch_info(m->arch)->rope == ROPE_NONE)
                return;
        tiny_key_u32(w, m, "rope.dimension_count", m->n_rot);
        if (m->rope_factors)
                tiny_key_u32(w, m, "rope.scaling.original_context_length", 100);
        if (m->rope_scale == 0 && m->yarn_scale == 0)
                return;
        (void) snprintf(key, sizeof(key), "%s.rope.scaling.type", arch_name(m->arch));
        gguf_write_string(w, key, m->yarn_scale != 0 ? "yarn" : "linear");
        tiny_key_f32(w, m, "rope.scaling.factor", m->yarn_scale != 0 ? m->yarn_scale : m->rope_scale);
        if (m->yarn_scale != 0)
                tiny_key_u32(w, m, "rope.scaling.original_context_length", 64);
}

static inline void tiny_metadata(struct gguf_writer *w, const struct tiny_model *m) {
        gguf_write_string(w, "general.architecture", arch_name(m->arch));
        tiny_key_u32(w, m, "context_length", tiny_context(m));
        tiny_key_u32(w, m, "embedding_length", m->embd);
        tiny_key_u32(w, m, "block_count", m->layers);
        tiny_key_u32(w, m, "feed_forward_length", m->ff);
        tiny_key_u32(w, m, "attention.head_count", m->heads);
        tiny_key_u32(w, m, "attention.head_count_kv", m->heads_kv);
        tiny_key_u32(w, m, "attention.key_length", m->d_head);
        tiny_key_u32(w, m, "attention.value_length", m->d_head_v);
        tiny_rope_metadata(w, m);
        if (m->experts) {
                tiny_key_u32(w, m, "expert_count", m->experts);
                tiny_key_u32(w, m, "expert_used_count", m->experts_used);
        }
        if (m->window)
                tiny_key_u32(w, m, "attention.sliding_window", m->window);
        if (arch_info(m->arch)->window == WINDOW_PATTERN)
                tiny_key_u32(w, m, "attention.sliding_window_pattern", 2);
        if (m->pooling)
                tiny_key_u32(w, m, "pooling_type", m->pooling);
        tiny_key_f32(w, m, arch_info(m->arch)->epsilon, 1e-5f);
        gguf_write_string(w, "tokenizer.ggml.model", "gpt2");
        gguf_write_string(w, "tokenizer.ggml.pre", "gpt-2");
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, m->vocab);
        for (uint32_t i = 0; i < m->vocab; i++) {
                char text[16];
                int length = snprintf(text, sizeof(text), "t%u", i);
                gguf_write_text(w, text, (size_t) length);
        }
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, 0);
        gguf_write_u32(w, "tokenizer.ggml.eos_token_id", 1);
}

static inline void tiny_defaults(struct tiny_model *m) {
        const struct tiny_model d = {
                .layers = 2, .embd = 256, .ff = 256, .heads = 4, .heads_kv = 2, .d_head = 64, .vocab = 64, .seed = 1
        };
        m->layers = m->layers ? m->layers : d.layers;
        m->embd = m->embd ? m->embd : d.embd;
        m->ff = m->ff ? m->ff : d.ff;
        m->heads = m->heads ? m->heads : d.heads;
        m->heads_kv = m->heads_kv ? m->heads_kv : d.heads_kv;
        m->d_head = m->d_head ? m->d_head : d.d_head;
        m->d_head_v = m->d_head_v ? m->d_head_v : m->d_head;
        m->n_rot = m->n_rot ? m->n_rot : m->d_head;
        m->vocab = m->vocab ? m->vocab : d.vocab;
        if (arch_info(m->arch)->parts & PART_EXPERTS && !m->experts)
                m->experts = 5;
        if (m->experts && !m->experts_used)
                m->experts_used = 2;
        if (arch_info(m->arch)->window == WINDOW_PATTERN && !m->window)
                m->window = 40;
        tiny_state = m->seed ? m->seed : d.seed;
}

/* The whole file; the caller's to gguf_write_done. */
static inline struct gguf_writer tiny_model_bytes(struct tiny_model m) {
        struct gguf_writer w = { 0 }, data = { 0 };
        tiny_defaults(&m);
        gguf_write_begin(&w, 3);
        tiny_metadata(&w, &m);
        const struct tiny_part begin[] = {
                { "token_embd.weight", PART_ALWAYS, m.embd, m.vocab, 0 },
                { "token_types.weight", PART_TOKEN_TYPES, m.embd, 2, 0 },
                { "position_embd.weight", PART_POSITIONS, m.embd, tiny_context(&m), 0 },
                { "token_embd_norm.weight", PART_EMBD_NORM, m.embd, 0, 0 },
                { "token_embd_norm.bias", PART_EMBD_NORM, m.embd, 0, 0 },
                { "rope_freqs.weight", PART_ROPE_FREQS, m.n_rot / 2, 0, 0 },
                { "rope_factors_long.weight", PART_ROPE_FACTORS, m.n_rot / 2, 0, 0 },
                { "rope_factors_short.weight", PART_ROPE_FACTORS, m.n_rot / 2, 0, 0 },
        };
        const struct tiny_part end[] = {
                { "output_norm.weight", PART_OUTPUT_NORM, m.embd, 0, 0 },
                { "output.weight", PART_OUTPUT, m.embd, m.vocab, 0 },
        };
        tiny_write_parts(&w, &data, &m, "", begin, sizeof(begin) / sizeof(*begin));
        for (uint32_t i = 0; i < m.layers; i++)
                tiny_layer(&w, &data, &m, i);
        tiny_write_parts(&w, &data, &m, "", end, sizeof(end) / sizeof(*end));
        if (m.extra)
                tiny_tensor(&w, &data, &m, m.extra, TENSOR_F32, m.embd, 0, 0);
        gguf_write_end(&w);
        gguf_write_bytes(&w, data.bytes, data.length);
        gguf_write_done(&data);
        return w;
}

/* An open descriptor of a file in memory with these bytes. */
static inline int tiny_file(const uint8_t *bytes, size_t length) {
        int fd = memfd_create("model", MFD_CLOEXEC);
        assert(fd >= 0 && write(fd, bytes, length) == (ssize_t) length);
        return fd;
}

#endif
