/*
 * make-gguf.c - writes a model of any size with random weights: for tests that need hundreds of megabytes, and
 * for measuring speed, which does not depend on what the weights say.
 *
 * The blocks of the quantised types are filled with random bits directly, scaled so that logits have a standard
 * deviation of a few units and nothing overflows. The tokenizer is byte-level BPE: 256 bytes, a few merges, made-up
 * words up to the vocabulary's size, and the marks of ChatML. Block layouts are those of the GGUF specification.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "engine/arch.h"
#include "engine/kernels/kernels.h"
#include "tests/block_scale.h"
#include "tests/gguf_writer.h"
#include "tests/random_bits.h"

#define TENSORS_MAX    4096
#define PARTS_MAX      64
#define FILL_BYTES     (1u << 20)

#define BIAS_DEVIATION 0.05
#define EXPERTS_USED   2u
#define WINDOW         512u /* of an architecture whose layers have one in turn */

struct options {
        const char *out;
        enum arch arch;
        uint32_t layers, embd, ff, heads, kv_heads, vocab, ctx;
        uint32_t experts; /* 0: none */
        enum tensor_type type;
        bool mixed; /* Q4_K_M: the tensors that suffer most get Q6_K */
        bool untied, rope_freqs;
        float rope_base;
        uint64_t seed;
        uint32_t parts;
        const char *chat_template, *last_word; /* NULL: the usual ones */
};

struct preset {
        const char *name;
        struct options values;
};

static const struct preset presets[] = {
        { "tiny",
          { .layers = 2, .embd = 256, .ff = 512, .heads = 4, .kv_heads = 2, .vocab = 512, .ctx = 2048, .rope_base = 1e4f } },
        { "160m",
          { .layers = 12,
            .embd = 768,
            .ff = 2560,
            .heads = 12,
            .kv_heads = 12,
            .vocab = 50257,
            .ctx = 2048,
            .untied = true,
            .rope_base = 1e4f } },
        { "1b",
          { .layers = 16,
            .embd = 2048,
            .ff = 8192,
            .heads = 32,
            .kv_heads = 8,
            .vocab = 128256,
            .ctx = 131072,
            .rope_freqs = true,
            .rope_base = 5e5f } },
};

/* ---- random bits ---- */

static void random_fill(void *out, size_t count) {
        uint8_t *bytes = out;
        for (; count >= 8; count -= 8, bytes += 8) {
                uint64_t bits = random_bits();
                memcpy(bytes, &bits, 8);
        }
        uint64_t bits = random_bits();
        memcpy(bytes, &bits, count);
}

static void put_u16(uint8_t *at, unsigned value) {
        at[0] = (uint8_t) value;
        at[1] = (uint8_t) (value >> 8);
}

/* A positive normal number as IEEE 754 half precision; precise enough for a scale. */
static void put_half(uint8_t *at, double value) {
        int exponent;
        double mantissa = frexp(value, &exponent); /* 0.5 .. 1 */
        if (value < ldexp(1, -14))
                put_u16(at, (unsigned) (value * 0x1p24)); /* subnormal */
        else
                put_u16(at, (unsigned) ((exponent + 14) << 10) + (unsigned) ((mantissa * 2 - 1) * 1024));
}

/*
 * A float with MANTISSA bits of mantissa, uniform over +-2^POWER: each lower exponent is half as likely. Its bits in
 * the format with that mantissa and the exponent bias BIAS, below a sign at bit SIGN.
 */
static uint32_t random_float(int power, unsigned mantissa, int bias, unsigned sign) {
        uint64_t bits = random_bits();
        int exponent = bias + power - 1 - __builtin_ctzll(bits | 1u << 12);
        uint32_t below = (uint32_t) (bits >> 40) & ((1u << mantissa) - 1);
        if (exponent < 1)
                exponent = 0;
        return ((uint32_t) (bits >> 16) & 1u) << sign | (uint32_t) exponent << mantissa | below;
}

/* ---- blocks: each fills one block with values of standard deviation DEVIATION ---- */

static int power_of(double deviation) { /* uniform over +-a has deviation a / sqrt(3) */
        return (int) lround(log2(deviation * 1.7320508));
}

static void fill_f32(uint8_t *block, double deviation) {
        uint32_t bits = random_float(power_of(deviation), 23, 127, 31);
        for (unsigned i = 0; i < 4; i++)
                block[i] = (uint8_t) (bits >> 8 * i);
}

static void fill_f16(uint8_t *block, double deviation) {
        put_u16(block, random_float(power_of(deviation), 10, 15, 15));
}

static void fill_bf16(uint8_t *block, double deviation) {
        put_u16(block, random_float(power_of(deviation), 7, 127, 15));
}

static void fill_q8_0(uint8_t *block, double deviation) {
        put_half(block, deviation / 73.9); /* of -128 .. 127, each as likely */
        random_fill(block + 2, 32);
}

static void fill_q4_0(uint8_t *block, double deviation) {
        put_half(block, deviation / 4.61); /* of -8 .. 7 */
        random_fill(block + 2, 16);
}

/* Scales and minima of 6 bits for 8 sub-blocks, packed as Q4_K and Q5_K have them. The minimum of each equals its scale. */
static void put_scales(uint8_t *at) {
        uint8_t scale[8];
        for (unsigned i = 0; i < 8; i++)
                scale[i] = (uint8_t) (24 + random_bits() % 16);
        for (unsigned i = 0; i < 4; i++) {
                at[i] = at[i + 4] = (uint8_t) (scale[i] | (scale[i + 4] >> 4) << 6);
                at[i + 8] = (uint8_t) ((scale[i + 4] & 15) | (scale[i + 4] & 15) << 4);
        }
}

static void fill_q4_k(uint8_t *block, double deviation) {
        double scale = deviation / (31.5 * 4.61);
        put_half(block, scale);
        put_half(block + 2, scale * 7.5); /* the mean of 0 .. 15 becomes 0 */
        put_scales(block + 4);
        random_fill(block + 16, 128);
}

static void fill_q5_k(uint8_t *block, double deviation) {
        double scale = deviation / (31.5 * 9.23);
        put_half(block, scale);
        put_half(block + 2, scale * 15.5);
        put_scales(block + 4);
        random_fill(block + 16, 32 + 128);
}

static void fill_q6_k(uint8_t *block, double deviation) {
        random_fill(block, 128 + 64);
        for (unsigned i = 0; i < 16; i++)
                block[192 + i] = (uint8_t) (24 + random_bits() % 16);
        put_half(block + 208, deviation / (31.5 * 18.5));
}

typedef void fill_block(uint8_t *block, double deviation);

static fill_block *const fills[TENSOR_TYPE_COUNT] = {
        [TENSOR_F32] = fill_f32,   [TENSOR_F16] = fill_f16,   [TENSOR_BF16] = fill_bf16, [TENSOR_Q8_0] = fill_q8_0,
        [TENSOR_Q4_0] = fill_q4_0, [TENSOR_Q4_K] = fill_q4_k, [TENSOR_Q5_K] = fill_q5_k, [TENSOR_Q6_K] = fill_q6_k,
};

/* Types without a function of their own: any bits, below a scale that was measured. */
static void fill_measured(enum tensor_type type, uint8_t *block, double deviation) {
        random_fill(block, tensor_type_info(type)->block_bytes);
        block_put_deviation(type, block, (float) deviation);
}

/* ---- the list of tensors ---- */

struct tensor {
        char name[64];
        enum tensor_type type;
        uint32_t columns, rows, planes; /* rows 0: a vector; planes 0: a matrix */
        double deviation;               /* 0: all ones */
};

static struct tensor tensors[TENSORS_MAX];
static uint32_t tensors_count;

static void add(enum tensor_type type, uint32_t columns, uint32_t rows, uint32_t planes, double deviation, const char *name) {
        struct tensor *t = &tensors[tensors_count++];
        if (tensors_count == TENSORS_MAX) {
                fputs("make-gguf: too many layers\n", stderr);
                exit(1);
        }
        *t = (struct tensor){ .type = type, .columns = columns, .rows = rows, .planes = planes, .deviation = deviation };
        snprintf(t->name, sizeof(t->name), "%s", name);
}

/* In the usual Q4_K_M mix some layers' value and down projections have more bits. */
static bool has_more_bits(const struct options *o, uint32_t layer) {
        return o->mixed && (layer < o->layers / 8 || layer >= 7 * o->layers / 8 || (layer - o->layers / 8) % 3 == 2);
}

/* A tensor of a layer; rows 0: a vector, and planes 0: a matrix. */
struct layer_tensor {
        const char *name;
        uint32_t parts; /* of an architecture that has it: enum arch_part */
        uint32_t columns, rows, planes;
};

static uint32_t parts_of(const struct options *o) {
        uint32_t parts = arch_info(o->arch)->parts;
        return o->experts ? (parts & ~(uint32_t) PART_FF_GATED) | PART_EXPERTS : parts;
}

static void list_layer(const struct options *o, uint32_t layer) {
        uint32_t embd = o->embd, head = o->embd / o->heads, kv = head * o->kv_heads, ff = o->ff;
        enum tensor_type precious = has_more_bits(o, layer) ? TENSOR_Q6_K : o->type;
        /* clang-format off */
        const struct layer_tensor known[] = {
                { "attn_norm.weight", PART_NORMS_BEFORE, embd, 0, 0 },
                { "attn_q.weight", PART_QKV, embd, embd, 0 }, { "attn_q.bias", PART_QKV_BIAS, embd, 0, 0 },
                { "attn_k.weight", PART_QKV, embd, kv, 0 }, { "attn_k.bias", PART_QKV_BIAS, kv, 0, 0 },
                { "attn_v.weight", PART_QKV, embd, kv, 0 }, { "attn_v.bias", PART_QKV_BIAS, kv, 0, 0 },
                { "attn_qkv.weight", PART_QKV_FUSED, embd, embd + 2 * kv, 0 },
                { "attn_q_norm.weight", PART_HEAD_NORMS, head, 0, 0 }, { "attn_k_norm.weight", PART_HEAD_NORMS, head, 0, 0 },
                { "attn_output.weight", PART_ALWAYS, embd, embd, 0 }, { "attn_output.bias", PART_OUT_BIAS, embd, 0, 0 },
                { "post_attention_norm.weight", PART_NORMS_POST, embd, 0, 0 },
                { "attn_output_norm.weight", PART_NORMS_AFTER, embd, 0, 0 }, { "attn_output_norm.bias", PART_NORMS_AFTER, embd, 0, 0 },
                { "ffn_norm.weight", PART_NORMS_BEFORE, embd, 0, 0 },
                { "ffn_gate.weight", PART_FF_GATED, embd, ff, 0 }, { "ffn_up.weight", PART_FF | PART_FF_GATED, embd, ff, 0 },
                { "ffn_up.weight", PART_FF_GATED_FUSED, embd, 2 * ff, 0 }, { "ffn_up.bias", PART_FF_BIAS, ff, 0, 0 },
                { "ffn_down.weight", PART_FF | PART_FF_GATED | PART_FF_GATED_FUSED, ff, embd, 0 }, { "ffn_down.bias", PART_FF_BIAS, embd, 0, 0 },
                { "ffn_gate_inp.weight", PART_EXPERTS, embd, o->experts, 0 }, { "ffn_gate_exps.weight", PART_EXPERTS, embd, ff, o->experts },
                { "ffn_up_exps.weight", PART_EXPERTS, embd, ff, o->experts }, { "ffn_down_exps.weight", PART_EXPERTS, ff, embd, o->experts },
                { "post_ffw_norm.weight", PART_NORMS_POST, embd, 0, 0 },
                { "layer_output_norm.weight", PART_NORMS_AFTER, embd, 0, 0 }, { "layer_output_norm.bias", PART_NORMS_AFTER, embd, 0, 0 },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                const struct layer_tensor *t = &known[i];
                bool is_precious = !strncmp(t->name, "attn_v.w", 8) || !strncmp(t->name, "ffn_down", 8);
                char full[64];
                if (!(t->parts & parts_of(o)))
                        continue;
                snprintf(full, sizeof(full), "blk.%" PRIu32 ".%s", layer, t->name);
                if (!t->rows)
                        add(TENSOR_F32, t->columns, 0, 0, strstr(t->name, ".bias") ? BIAS_DEVIATION : 0, full);
                else if (t->parts == PART_EXPERTS && !t->planes)
                        add(TENSOR_F32, t->columns, t->rows, 0, 1 / sqrt(t->columns), full);
                else
                        add(is_precious ? precious : o->type, t->columns, t->rows, t->planes, 1 / sqrt(t->columns), full);
        }
}

static void list_tensors(const struct options *o) {
        enum tensor_type outer = o->mixed ? TENSOR_Q6_K : o->type;
        double logits = 3 / sqrt(o->embd); /* times the length of a normed vector: logits deviate by 3 */
        uint32_t parts = parts_of(o);

        add(o->untied ? o->type : outer, o->embd, o->vocab, 0, logits, "token_embd.weight");
        if (parts & PART_TOKEN_TYPES)
                add(TENSOR_F32, o->embd, 2, 0, logits, "token_types.weight");
        if (parts & PART_POSITIONS)
                add(TENSOR_F32, o->embd, o->ctx, 0, logits, "position_embd.weight");
        if (parts & PART_EMBD_NORM) {
                add(TENSOR_F32, o->embd, 0, 0, 0, "token_embd_norm.weight");
                add(TENSOR_F32, o->embd, 0, 0, BIAS_DEVIATION, "token_embd_norm.bias");
        }
        if (o->rope_freqs)
                add(TENSOR_F32, o->embd / o->heads / 2, 0, 0, 0, "rope_freqs.weight");
        for (uint32_t i = 0; i < o->layers; i++)
                list_layer(o, i);
        if (parts & PART_OUTPUT_NORM)
                add(TENSOR_F32, o->embd, 0, 0, 0, "output_norm.weight");
        if (o->untied)
                add(outer, o->embd, o->vocab, 0, logits, "output.weight");
}

/* ---- metadata ---- */

/* Pairs that BPE joins, most frequent first. "\xc4\xa0" is how byte-level BPE writes a space. */
static const char *const merges[][2] = {
        { "\xc4\xa0", "t" }, { "h", "e" }, { "i", "n" }, { "\xc4\xa0", "a" }, { "r", "e" },  { "o", "n" }, { "\xc4\xa0t", "he" },
        { "e", "r" },        { "a", "t" }, { "o", "r" }, { "e", "n" },        { "in", "g" }, { "e", "s" }, { "\xc4\xa0", "o" },
};
#define MERGES_COUNT ((uint32_t) (sizeof(merges) / sizeof(merges[0])))

static const char *const specials[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };
#define SPECIALS_COUNT 3u
#define VOCAB_MIN      (256 + MERGES_COUNT + SPECIALS_COUNT)

/* The printable character that stands for BYTE in byte-level BPE: itself where it is one, else from U+0100 on. */
static uint32_t byte_character(uint32_t byte) {
        uint32_t moved = 0;
        for (uint32_t b = 0;; b++) {
                bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
                if (b == byte)
                        return itself ? b : 256 + moved;
                moved += !itself;
        }
}

#define TOKEN_TEXT_MAX 512u

static void token_text(const struct options *o, uint32_t id, char out[TOKEN_TEXT_MAX]) {
        if (id < 256) {
                uint32_t c = byte_character(id);
                if (c < 0x80)
                        snprintf(out, 32, "%c", (char) c);
                else
                        snprintf(out, 32, "%c%c", (char) (0xc0 | c >> 6), (char) (0x80 | (c & 63)));
        } else if (id < 256 + MERGES_COUNT) {
                snprintf(out, 32, "%s%s", merges[id - 256][0], merges[id - 256][1]);
        } else if (id >= o->vocab - SPECIALS_COUNT) {
                snprintf(out, 32, "%s", specials[id - (o->vocab - SPECIALS_COUNT)]);
        } else if (o->last_word && id == o->vocab - SPECIALS_COUNT - 1) {
                snprintf(out, TOKEN_TEXT_MAX, "%s", o->last_word);
        } else {
                snprintf(out, 32, "\xc4\xa0word%" PRIu32, id);
        }
}

static void write_tokenizer(struct gguf_writer *w, const struct options *o) {
        char text[TOKEN_TEXT_MAX];
        gguf_write_string(w, "tokenizer.ggml.model", "gpt2");
        gguf_write_string(w, "tokenizer.ggml.pre", "gpt-2");
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, o->vocab);
        for (uint32_t i = 0; i < o->vocab; i++) {
                token_text(o, i, text);
                gguf_write_text(w, text, strlen(text));
        }
        gguf_write_array(w, "tokenizer.ggml.token_type", GGUF_I32, o->vocab);
        for (uint32_t i = 0; i < o->vocab; i++)
                gguf_write_number(w, i >= o->vocab - SPECIALS_COUNT ? 3 : 1, 4); /* control, normal */
        gguf_write_array(w, "tokenizer.ggml.merges", GGUF_STRING, MERGES_COUNT);
        for (uint32_t i = 0; i < MERGES_COUNT; i++) {
                snprintf(text, sizeof(text), "%s %s", merges[i][0], merges[i][1]);
                gguf_write_text(w, text, strlen(text));
        }
        gguf_write_u32(w, "tokenizer.ggml.bos_token_id", o->vocab - 3);
        gguf_write_u32(w, "tokenizer.ggml.eos_token_id", o->vocab - 1);
        gguf_write_bool(w, "tokenizer.ggml.add_bos_token", false);
        gguf_write_string(
                w, "tokenizer.chat_template",
                o->chat_template
                        ? o->chat_template
                        : "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
                          "'<|im_end|>' + '\n'}}{% endfor %}"
                          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}");
}

/* The number that `general.file_type` has for a type. */
static uint32_t file_type(const struct options *o) {
        static const uint32_t numbers[TENSOR_TYPE_COUNT] = {
                [TENSOR_F32] = 0,    [TENSOR_F16] = 1,     [TENSOR_Q4_0] = 2,     [TENSOR_Q4_1] = 3,    [TENSOR_Q8_0] = 7,
                [TENSOR_Q5_0] = 8,   [TENSOR_Q5_1] = 9,    [TENSOR_Q2_K] = 10,    [TENSOR_Q3_K] = 11,   [TENSOR_Q4_K] = 14,
                [TENSOR_Q5_K] = 16,  [TENSOR_Q6_K] = 18,   [TENSOR_IQ2_XXS] = 19, [TENSOR_IQ2_XS] = 20, [TENSOR_IQ3_XXS] = 23,
                [TENSOR_IQ1_S] = 24, [TENSOR_IQ4_NL] = 25, [TENSOR_IQ3_S] = 26,   [TENSOR_IQ2_S] = 28,  [TENSOR_IQ4_XS] = 30,
                [TENSOR_IQ1_M] = 31, [TENSOR_BF16] = 32,   [TENSOR_MXFP4] = 38,
        };
        return o->mixed ? 15 : numbers[o->type];
}

static void put_u32(struct gguf_writer *w, const struct options *o, const char *suffix, uint32_t value) {
        char key[96];
        snprintf(key, sizeof(key), "%s.%s", arch_name(o->arch), suffix);
        gguf_write_u32(w, key, value);
}

static void put_f32(struct gguf_writer *w, const struct options *o, const char *suffix, float value) {
        char key[96];
        snprintf(key, sizeof(key), "%s.%s", arch_name(o->arch), suffix);
        gguf_write_f32(w, key, value);
}

static void write_metadata(struct gguf_writer *w, const struct options *o) {
        const struct arch_info *arch = arch_info(o->arch);
        char name[64];
        snprintf(name, sizeof(name), "random %ux%u seed %" PRIu64, o->layers, o->embd, o->seed);
        gguf_write_string(w, "general.architecture", arch->name);
        gguf_write_string(w, "general.name", name);
        gguf_write_u32(w, "general.file_type", file_type(o));
        gguf_write_u32(w, "general.quantization_version", 2);
        put_u32(w, o, "context_length", o->ctx);
        put_u32(w, o, "embedding_length", o->embd);
        put_u32(w, o, "block_count", o->layers);
        put_u32(w, o, "feed_forward_length", o->ff);
        put_u32(w, o, "attention.head_count", o->heads);
        put_u32(w, o, "attention.head_count_kv", o->kv_heads);
        if (arch->rope != ROPE_NONE) {
                put_u32(w, o, "rope.dimension_count", o->embd / o->heads);
                put_f32(w, o, "rope.freq_base", o->rope_base);
        }
        if (o->experts) {
                put_u32(w, o, "expert_count", o->experts);
                put_u32(w, o, "expert_used_count", o->experts < EXPERTS_USED ? o->experts : EXPERTS_USED);
        }
        if (arch->window == WINDOW_PATTERN)
                put_u32(w, o, "attention.sliding_window", WINDOW);
        put_f32(w, o, arch->epsilon, 1e-5f);
        put_u32(w, o, "vocab_size", o->vocab);
        write_tokenizer(w, o);
}

/* ---- files ---- */

static void fail(const char *what, const char *path) {
        fprintf(stderr, "make-gguf: %s %s: %m\n", what, path);
        exit(1);
}

static void write_data(FILE *file, const char *path, const struct tensor *t, uint64_t bytes) {
        static uint8_t buffer[FILL_BYTES];
        uint32_t block = tensor_type_info(t->type)->block_bytes;
        for (uint64_t left = bytes; left > 0;) {
                uint64_t part = FILL_BYTES / block * block;
                if (part > left)
                        part = left;
                for (uint64_t at = 0; at < part; at += block) {
                        if (t->deviation > 0 && fills[t->type])
                                fills[t->type](buffer + at, t->deviation);
                        else if (t->deviation > 0)
                                fill_measured(t->type, buffer + at, t->deviation);
                        else
                                memcpy(buffer + at, "\0\0\x80\x3f", 4); /* 1.0f */
                }
                if (fwrite(buffer, 1, part, file) != part)
                        fail("cannot write", path);
                left -= part;
        }
        static const uint8_t zeros[32];
        size_t padding = (32 - bytes % 32) % 32;
        if (fwrite(zeros, 1, padding, file) != padding)
                fail("cannot write", path);
}

/* Tensors FIRST .. END-1 with their directory. */
static void write_part(const struct options *o, const char *path, uint32_t part, uint32_t first, uint32_t end) {
        struct gguf_writer w = { 0 };
        uint64_t bytes[TENSORS_MAX];
        gguf_write_begin(&w, 3);
        if (part == 0)
                write_metadata(&w, o);
        if (o->parts > 1) {
                gguf_write_u16(&w, "split.no", (uint16_t) part);
                gguf_write_u16(&w, "split.count", (uint16_t) o->parts);
                gguf_write_key(&w, "split.tensors.count", GGUF_I32);
                gguf_write_number(&w, tensors_count, 4);
        }
        for (uint32_t i = first; i < end; i++) {
                const struct tensor *t = &tensors[i];
                bytes[i] = gguf_write_tensor(&w, t->name, t->type, t->columns, t->rows, t->planes, 0);
        }
        gguf_write_end(&w);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(w.bytes, 1, w.length, file) != w.length)
                fail("cannot write", path);
        for (uint32_t i = first; i < end; i++)
                write_data(file, path, &tensors[i], bytes[i]);
        if (fclose(file))
                fail("cannot write", path);
        gguf_write_done(&w);
}

static void write_all(const struct options *o) {
        size_t stem = strlen(o->out);
        if (stem > 5 && !strcmp(o->out + stem - 5, ".gguf"))
                stem -= 5;
        for (uint32_t i = 0; i < o->parts; i++) {
                char path[4096];
                if (o->parts == 1)
                        snprintf(path, sizeof(path), "%s", o->out);
                else
                        snprintf(path, sizeof(path), "%.*s-%05u-of-%05u.gguf", (int) stem, o->out, i + 1, o->parts);
                write_part(o, path, i, i * tensors_count / o->parts, (i + 1) * tensors_count / o->parts);
        }
}

/* ---- command line ---- */

static void print_help(void) {
        puts("usage: make-gguf OUT.gguf [--preset tiny|160m|1b] [--type TYPE] [--layers N] [--embd N] [--ff N] [--heads N]\n"
             "                 [--kv-heads N] [--vocab N] [--ctx N] [--untied] [--rope-freqs] [--seed N] [--split N]\n"
             "                 [--arch NAME] [--experts N] [--chat-template TEXT] [--last-word TEXT]\n\n"
             "Writes a model with random weights, llama unless told otherwise. TYPE is q8_0 (default), q4_k_m, or any that the engine\n"
             "computes with.\n"
             "--last-word: the last token that is a word is spelt like this, in the characters that stand for bytes.\n"
             "Without a preset the sizes are those of 'tiny'. --split N writes OUT-00001-of-0000N.gguf and so on.");
}

static uint32_t number(const char *text, const char *name, uint32_t min, uint32_t max) {
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        if (*text == '\0' || *end || value < min || value > max) {
                fprintf(stderr, "make-gguf: --%s must be a number from %u to %u\n", name, min, max);
                exit(2);
        }
        return (uint32_t) value;
}

static void choose_preset(struct options *o, const char *name) {
        for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
                if (!strcmp(presets[i].name, name)) {
                        struct options kept = *o;
                        *o = presets[i].values;
                        o->type = kept.type, o->mixed = kept.mixed, o->seed = kept.seed, o->parts = kept.parts;
                        o->arch = kept.arch, o->experts = kept.experts;
                        o->chat_template = kept.chat_template, o->last_word = kept.last_word;
                        return;
                }
        fprintf(stderr, "make-gguf: there is no preset '%s'\n", name);
        exit(2);
}

static void choose_type(struct options *o, const char *name) {
        o->mixed = !strcasecmp(name, "q4_k_m");
        if (o->mixed)
                o->type = TENSOR_Q4_K;
        else if (tensor_type_by_name(name, &o->type) < 0 || !kernels_portable.types[o->type].multiply) {
                fprintf(stderr, "make-gguf: weights of type '%s' cannot be made\n", name);
                exit(2);
        }
}

static void choose_arch(struct options *o, const char *name) {
        char known[160];
        if (arch_by_name(name, strlen(name), &o->arch) == 0)
                return;
        arch_names(known, sizeof(known));
        fprintf(stderr, "make-gguf: architecture '%s' is none of %s\n", name, known);
        exit(2);
}

static void parse(struct options *o, int argc, char **argv) {
        enum {
                PRESET = 1,
                TYPE,
                LAYERS,
                EMBD,
                FF,
                HEADS,
                KV_HEADS,
                VOCAB,
                CTX,
                SEED,
                SPLIT,
                UNTIED,
                ROPE_FREQS,
                ARCH,
                EXPERTS,
                CHAT_TEMPLATE,
                LAST_WORD,
                HELP
        };
        static const struct option known[] = {
                { "preset", 1, NULL, PRESET },
                { "type", 1, NULL, TYPE },
                { "layers", 1, NULL, LAYERS },
                { "embd", 1, NULL, EMBD },
                { "ff", 1, NULL, FF },
                { "heads", 1, NULL, HEADS },
                { "kv-heads", 1, NULL, KV_HEADS },
                { "vocab", 1, NULL, VOCAB },
                { "ctx", 1, NULL, CTX },
                { "seed", 1, NULL, SEED },
                { "split", 1, NULL, SPLIT },
                { "untied", 0, NULL, UNTIED },
                { "arch", 1, NULL, ARCH },
                { "experts", 1, NULL, EXPERTS },
                { "help", 0, NULL, HELP },
                { "chat-template", 1, NULL, CHAT_TEMPLATE },
                { "last-word", 1, NULL, LAST_WORD },
                { "rope-freqs", 0, NULL, ROPE_FREQS },
                { NULL, 0, NULL, 0 },
        };
        for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
                switch (option) {
                case PRESET: choose_preset(o, optarg); break;
                case TYPE: choose_type(o, optarg); break;
                case LAYERS: o->layers = number(optarg, "layers", 1, 400); break;
                case EMBD: o->embd = number(optarg, "embd", 32, 1 << 16); break;
                case FF: o->ff = number(optarg, "ff", 32, 1 << 18); break;
                case HEADS: o->heads = number(optarg, "heads", 1, 512); break;
                case KV_HEADS: o->kv_heads = number(optarg, "kv-heads", 1, 512); break;
                case VOCAB: o->vocab = number(optarg, "vocab", VOCAB_MIN, 1 << 20); break;
                case CTX: o->ctx = number(optarg, "ctx", 1, 1 << 24); break;
                case SEED: o->seed = number(optarg, "seed", 0, UINT32_MAX); break;
                case SPLIT: o->parts = number(optarg, "split", 1, PARTS_MAX); break;
                case ARCH: choose_arch(o, optarg); break;
                case EXPERTS: o->experts = number(optarg, "experts", 1, 512); break;
                case CHAT_TEMPLATE: o->chat_template = optarg; break;
                case LAST_WORD: o->last_word = optarg; break;
                case UNTIED: o->untied = true; break;
                case ROPE_FREQS: o->rope_freqs = true; break;
                case HELP: print_help(); exit(0);
                default: exit(2);
                }
        }
}

static bool sizes_fit(const struct options *o) {
        uint32_t block = tensor_type_info(o->type)->block_values;
        if (o->embd % block || o->ff % block) {
                fprintf(stderr, "make-gguf: --embd and --ff must be multiples of %u, the type's block\n", block);
                return false;
        }
        if (o->embd % o->heads || o->embd / o->heads % 2 || o->heads % o->kv_heads) {
                fprintf(stderr, "make-gguf: --heads must divide --embd evenly, and --kv-heads must divide --heads\n");
                return false;
        }
        if (o->experts && !(arch_info(o->arch)->experts_may || (arch_info(o->arch)->parts & PART_EXPERTS))) {
                fprintf(stderr, "make-gguf: --experts is not for architecture %s\n", arch_name(o->arch));
                return false;
        }
        return true;
}

int main(int argc, char **argv) {
        struct options o = presets[0].values;
        o.type = TENSOR_Q8_0;
        o.parts = 1;
        parse(&o, argc, argv);
        if (argc - optind != 1) {
                fputs("make-gguf: name one file to write; see make-gguf --help\n", stderr);
                return 2;
        }
        o.out = argv[optind];
        if ((arch_info(o.arch)->parts & PART_EXPERTS) && !o.experts)
                o.experts = 8;
        if (!sizes_fit(&o))
                return 2;
        random_state = (o.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
        list_tensors(&o);
        write_all(&o);
        return 0;
}
