/*
 * model_file.c - the GGUF writer: header, metadata, tensor directory, aligned data.
 */
#include "tests/demo_model/model_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/demo_model/q8.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is written as memory holds it");

/* Numbers of the GGUF specification. */
enum { GGUF_VERSION = 3, ALIGNMENT = 32 };
enum value_type { VALUE_U32 = 4, VALUE_I32 = 5, VALUE_F32 = 6, VALUE_BOOL = 7, VALUE_STRING = 8, VALUE_ARRAY = 9 };
enum tensor_kind { TENSOR_KIND_F32 = 0, TENSOR_KIND_Q8_0 = 8 };
enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, FILE_TYPE_MOSTLY_Q8_0 = 7, QUANTIZATION_VERSION = 2 };

static const char chat_template[] = "{% for message in messages %}"
                                    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
                                    "{% endfor %}"
                                    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/* The file being written. Metadata is written twice: the first time, to count its entries, to nowhere. */
struct writer {
        FILE *file;
        uint64_t entries;
};

static void put(struct writer *w, const void *bytes, size_t count) {
        if (w->file)
                (void) fwrite(bytes, 1, count, w->file); /* ferror is asked at the end */
}

static void put_u32(struct writer *w, uint32_t value) {
        put(w, &value, sizeof(value));
}

static void put_u64(struct writer *w, uint64_t value) {
        put(w, &value, sizeof(value));
}

static void put_string(struct writer *w, const char *text) {
        put_u64(w, strlen(text));
        put(w, text, strlen(text));
}

static void begin_entry(struct writer *w, const char *key, enum value_type type) {
        w->entries++;
        put_string(w, key);
        put_u32(w, type);
}

static void entry_u32(struct writer *w, const char *key, size_t value) {
        begin_entry(w, key, VALUE_U32);
        put_u32(w, (uint32_t) value);
}

static void entry_f32(struct writer *w, const char *key, float value) {
        begin_entry(w, key, VALUE_F32);
        put(w, &value, sizeof(value));
}

static void entry_string(struct writer *w, const char *key, const char *value) {
        begin_entry(w, key, VALUE_STRING);
        put_string(w, value);
}

static void entry_no(struct writer *w, const char *key) {
        begin_entry(w, key, VALUE_BOOL);
        put(w, "", 1);
}

static void begin_array(struct writer *w, const char *key, enum value_type type, size_t count) {
        begin_entry(w, key, VALUE_ARRAY);
        put_u32(w, type);
        put_u64(w, count);
}

static void put_shape(struct writer *w, const struct net_shape *s) {
        entry_u32(w, "llama.vocab_size", s->vocabulary);
        entry_u32(w, "llama.context_length", s->context);
        entry_u32(w, "llama.embedding_length", s->width);
        entry_u32(w, "llama.block_count", s->layers);
        entry_u32(w, "llama.feed_forward_length", s->ff_width);
        entry_u32(w, "llama.attention.head_count", s->heads);
        entry_u32(w, "llama.attention.head_count_kv", s->kv_heads);
        entry_f32(w, "llama.attention.layer_norm_rms_epsilon", s->norm_epsilon);
        entry_u32(w, "llama.rope.dimension_count", s->head_width);
        entry_f32(w, "llama.rope.freq_base", s->rope_base);
}

static void put_vocabulary(struct writer *w, const struct vocabulary *v) {
        char left[VOCABULARY_SPELLING_BYTES_MAX], right[VOCABULARY_SPELLING_BYTES_MAX], both[2 * sizeof(left)];
        uint32_t controls = vocabulary_control_id(v, VOCABULARY_END_OF_TEXT);

        begin_array(w, "tokenizer.ggml.tokens", VALUE_STRING, v->size);
        for (uint32_t id = 0; id < v->size; id++) {
                if (id < controls)
                        vocabulary_spell(v, id, left);
                put_string(w, id < controls ? left : vocabulary_control_names[id - controls]);
        }
        begin_array(w, "tokenizer.ggml.token_type", VALUE_I32, v->size);
        for (uint32_t id = 0; id < v->size; id++)
                put_u32(w, id < controls ? TOKEN_NORMAL : TOKEN_CONTROL);
        begin_array(w, "tokenizer.ggml.merges", VALUE_STRING, v->merges_count);
        for (size_t i = 0; i < v->merges_count; i++) {
                vocabulary_spell(v, v->merges[i].left, left);
                vocabulary_spell(v, v->merges[i].right, right);
                (void) snprintf(both, sizeof(both), "%s %s", left, right);
                put_string(w, both);
        }
}

static void put_metadata(struct writer *w, const char *name, const struct net_layout *l, const struct vocabulary *v) {
        w->entries = 0;
        entry_string(w, "general.architecture", "llama");
        entry_string(w, "general.type", "model");
        entry_string(w, "general.name", name);
        entry_string(w, "general.license", "mit");
        entry_u32(w, "general.file_type", FILE_TYPE_MOSTLY_Q8_0);
        entry_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
        put_shape(w, &l->shape);
        entry_string(w, "tokenizer.ggml.model", "gpt2");
        entry_string(w, "tokenizer.ggml.pre", "gpt-2");
        put_vocabulary(w, v);
        entry_u32(w, "tokenizer.ggml.bos_token_id", vocabulary_control_id(v, VOCABULARY_END_OF_TEXT));
        entry_u32(w, "tokenizer.ggml.eos_token_id", vocabulary_control_id(v, VOCABULARY_IM_END));
        entry_u32(w, "tokenizer.ggml.eot_token_id", vocabulary_control_id(v, VOCABULARY_IM_END));
        entry_no(w, "tokenizer.ggml.add_bos_token");
        entry_string(w, "tokenizer.chat_template", chat_template);
}

static uint64_t stored_bytes(const struct net_tensor *t) {
        return t->rows == 1 ? t->columns * sizeof(float) : t->rows * t->columns / Q8_VALUES * sizeof(struct q8_block);
}

static uint64_t aligned(uint64_t bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void put_directory(struct writer *w, const struct net_layout *l) {
        uint64_t offset = 0;

        for (size_t i = 0; i < l->tensors_count; i++) {
                const struct net_tensor *t = &l->tensors[i];

                put_string(w, t->name);
                put_u32(w, t->rows == 1 ? 1 : 2);
                put_u64(w, t->columns);
                if (t->rows > 1)
                        put_u64(w, t->rows);
                put_u32(w, t->rows == 1 ? TENSOR_KIND_F32 : TENSOR_KIND_Q8_0);
                put_u64(w, offset);
                offset += aligned(stored_bytes(t));
        }
}

static void put_padding(struct writer *w) {
        static const char zeros[ALIGNMENT];
        long at = ftell(w->file);

        if (at > 0)
                put(w, zeros, (size_t) (aligned((uint64_t) at) - (uint64_t) at));
}

static void put_tensor(struct writer *w, const struct net_tensor *t, const float *weights) {
        struct q8_block block;
        const float *x = weights + t->offset;

        if (t->rows == 1)
                put(w, x, t->columns * sizeof(float));
        for (size_t i = 0; t->rows > 1 && i < t->rows * t->columns; i += Q8_VALUES) {
                q8_encode(&block, x + i);
                put(w, &block, sizeof(block));
        }
        put_padding(w);
}

int model_file_check(const struct net_layout *l) {
        for (size_t i = 0; i < l->tensors_count; i++)
                if (l->tensors[i].rows > 1 && l->tensors[i].columns % Q8_VALUES != 0)
                        return -EINVAL;
        return 0;
}

int model_file_write(const char *path, const char *name, const struct net_layout *l, const float *weights,
                     const struct vocabulary *v) {
        char beside[PATH_MAX];
        struct writer w = { 0 };

        if (model_file_check(l) < 0)
                return -EINVAL;
        if (snprintf(beside, sizeof(beside), "%s.part", path) >= (int) sizeof(beside))
                return -ENAMETOOLONG;
        put_metadata(&w, name, l, v);
        w.file = fopen(beside, "we");
        if (!w.file)
                return -errno;
        put(&w, "GGUF", 4);
        put_u32(&w, GGUF_VERSION);
        put_u64(&w, l->tensors_count);
        put_u64(&w, w.entries);
        put_metadata(&w, name, l, v);
        put_directory(&w, l);
        put_padding(&w);
        for (size_t i = 0; i < l->tensors_count; i++)
                put_tensor(&w, &l->tensors[i], weights);
        int failed = ferror(w.file);

        if (fclose(w.file) != 0 || failed)
                return -EIO;
        return rename(beside, path) < 0 ? -errno : 0;
}

void model_file_round(const struct net_layout *l, const float *weights, float *ret_rounded) {
        struct q8_block block;

        memcpy(ret_rounded, weights, l->floats * sizeof(float));
        for (size_t i = 0; i < l->tensors_count; i++) {
                const struct net_tensor *t = &l->tensors[i];

                for (size_t at = 0; t->rows > 1 && at < t->rows * t->columns; at += Q8_VALUES) {
                        q8_encode(&block, weights + t->offset + at);
                        q8_decode(ret_rounded + t->offset + at, &block);
                }
        }
}
