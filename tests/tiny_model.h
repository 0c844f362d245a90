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

#include "engine/gguf/half.h"
#include "tests/arch_file.h"
#include "tests/block_scale.h"

struct tiny_model {
        enum arch arch;        /* (llama) */
        enum tensor_type type; /* of the matrices (F32) */
        /* (2, 256, 256, 4, 2, 64, d_head, d_head, 64) */
        uint32_t layers, embd, ff, heads, heads_kv, d_head, d_head_v, n_rot, vocab;
        bool untied, rope_freqs, rope_factors;
        float rope_scale;               /* factor of linear scaling (none) */
        float yarn_scale;               /* factor of YaRN, from 64 tokens on (none) */
        uint32_t experts, experts_used; /* (none; of an architecture that must have them 5, of which 2 are used) */
        bool experts_apart;             /* a tensor for each, as llama's first files with experts have it */
        bool level_router;              /* all experts score the same */
        uint32_t window;                /* (none; of an architecture with a pattern 40) */
        uint32_t pooling;               /* (none) */
        uint32_t labels;                /* (none; else it ranks by them) */
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

static inline struct arch_sizes tiny_sizes(const struct tiny_model *m) {
        bool learned = arch_parts(m->arch) & PART_POSITIONS;
        uint32_t experts = !m->experts ? 0 : m->experts_apart ? PART_EXPERTS_APART : PART_EXPERTS;
        return (struct arch_sizes){ .arch = m->arch,
                                    .parts = arch_file_parts(m->arch, experts) | (m->untied ? PART_OUTPUT : 0) |
                                             (m->rope_freqs ? PART_ROPE_FREQS : 0) | (m->rope_factors ? PART_ROPE_FACTORS : 0) |
                                             (m->labels ? PART_RANK | PART_RANK_MAY : 0),
                                    .layers = m->layers,
                                    .embd = m->embd,
                                    .ff = m->ff,
                                    .heads = m->heads,
                                    .heads_kv = m->heads_kv,
                                    .d_head = m->d_head,
                                    .d_head_v = m->d_head_v,
                                    .n_rot = m->n_rot,
                                    .vocab = m->vocab,
                                    .ctx = learned ? 512 : 4096,
                                    .experts = m->experts,
                                    .experts_used = m->experts_used,
                                    .labels = m->labels };
}

static inline void tiny_tensors(struct gguf_writer *w, struct gguf_writer *data, const struct tiny_model *m, const char *prefix,
                                const struct arch_tensors *list) {
        char name[64];
        for (uint32_t i = 0; i < list->count; i++) {
                const struct arch_tensor *t = &list->all[i];
                (void) snprintf(name, sizeof(name), "%s%s", prefix, t->name);
                tiny_tensor(w, data, m, name, t->rows ? m->type : TENSOR_F32, t->columns, t->rows, t->planes);
        }
}

static inline void tiny_rope_metadata(struct gguf_writer *w, const struct tiny_model *m) {
        if (arch_info(m->arch)->rope == ROPE_NONE)
                return;
        arch_write_u32(w, m->arch, "rope.dimension_count", m->n_rot);
        if (m->rope_factors)
                arch_write_u32(w, m->arch, "rope.scaling.original_context_length", 100);
        if (m->rope_scale == 0 && m->yarn_scale == 0)
                return;
        arch_write_string(w, m->arch, "rope.scaling.type", m->yarn_scale != 0 ? "yarn" : "linear");
        arch_write_f32(w, m->arch, "rope.scaling.factor", m->yarn_scale != 0 ? m->yarn_scale : m->rope_scale);
        if (m->yarn_scale != 0)
                arch_write_u32(w, m->arch, "rope.scaling.original_context_length", 64);
}

static inline void tiny_metadata(struct gguf_writer *w, const struct tiny_model *m, const struct arch_sizes *s) {
        gguf_write_string(w, "general.architecture", arch_name(m->arch));
        arch_write_sizes(w, s);
        arch_write_u32(w, m->arch, "attention.key_length", m->d_head);
        arch_write_u32(w, m->arch, "attention.value_length", m->d_head_v);
        tiny_rope_metadata(w, m);
        arch_write_experts(w, s);
        if (m->window)
                arch_write_u32(w, m->arch, "attention.sliding_window", m->window);
        if (arch_info(m->arch)->window == WINDOW_PATTERN)
                arch_write_u32(w, m->arch, "attention.sliding_window_pattern", 2);
        if (m->pooling || m->labels)
                arch_write_u32(w, m->arch, "pooling_type", m->labels ? 4 : m->pooling);
        arch_write_f32(w, m->arch, arch_info(m->arch)->kind->epsilon, 1e-5f);
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
        if (arch_parts(m->arch) & PART_EXPERTS && !m->experts)
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
        const struct arch_sizes sizes = tiny_sizes(&m);
        const struct arch_tensors before = arch_tensors_before_layers(&sizes), layer = arch_tensors_of_layer(&sizes),
                                  after = arch_tensors_after_layers(&sizes);
        gguf_write_begin(&w, 3);
        tiny_metadata(&w, &m, &sizes);
        tiny_tensors(&w, &data, &m, "", &before);
        for (uint32_t i = 0; i < m.layers; i++) {
                char prefix[24];
                (void) snprintf(prefix, sizeof(prefix), "blk.%u.", i);
                tiny_tensors(&w, &data, &m, prefix, &layer);
        }
        tiny_tensors(&w, &data, &m, "", &after);
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
