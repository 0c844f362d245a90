/*
 * make-gguf.c - writes a model of any size with random weights: for tests that need hundreds of megabytes, and
 * for measuring speed, which does not depend on what the weights say. Scaled so that logits have a standard deviation of a few
 * units and nothing overflows.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "engine/base/bounds.h"
#include "engine/kernels/kernels.h"
#include "engine/cli/options.h"
#include "tests/arch_file.h"
#include "tests/made_vocab.h"
#include "tests/random_blocks.h"

#define TENSORS_MAX    4096
#define PARTS_MAX      64
#define FILL_BYTES     (1u << 20)

#define BIAS_DEVIATION 0.05
#define INSISTENCE     30.0f /* far from what the layers add */
#define WINDOW         512u  /* of an architecture whose layers have one in turn */

struct options {
        const char *out;
        enum arch arch;
        uint32_t layers, embd, ff, heads, kv_heads, ctx;
        uint32_t experts; /* 0: none */
        uint32_t experts_used;
        uint32_t labels; /* that it ranks by; 0: it does not */
        enum tensor_type type;
        bool mixed; /* Q4_K_M: the tensors that suffer most get Q6_K */
        bool untied, rope_freqs, experts_apart, one_word;
        float rope_base;
        uint32_t seed;
        uint32_t parts;
        const char *rank_prompt;
        const char *nan; /* the tensor that holds no numbers; NULL: none */
        struct made_vocab vocab;
};

struct preset {
        const char *name;
        struct options values;
};

static const struct preset presets[] = {
        { "tiny",
          { .layers = 2,
            .embd = 256,
            .ff = 512,
            .heads = 4,
            .kv_heads = 2,
            .vocab.count = 512,
            .ctx = 2048,
            .rope_base = 1e4f } },
        { "160m",
          { .layers = 12,
            .embd = 768,
            .ff = 2560,
            .heads = 12,
            .kv_heads = 12,
            .vocab.count = 50257,
            .ctx = 2048,
            .untied = true,
            .rope_base = 1e4f } },
        { "1b",
          { .layers = 16,
            .embd = 2048,
            .ff = 8192,
            .heads = 32,
            .kv_heads = 8,
            .vocab.count = 128256,
            .ctx = 131072,
            .rope_freqs = true,
            .rope_base = 5e5f } },
};

/* ---- the list of tensors ---- */

struct tensor {
        char name[64];
        enum tensor_type type;
        struct arch_tensor like; /* its extents */
        double deviation;        /* 0: all ones */
};

static struct tensor tensors[TENSORS_MAX];
static uint32_t tensors_count;

static void add(enum tensor_type type, const struct arch_tensor *like, double deviation, const char *name) {
        struct tensor *t = &tensors[tensors_count++];
        if (tensors_count == TENSORS_MAX) {
                fputs("make-gguf: too many layers\n", stderr);
                exit(1);
        }
        *t = (struct tensor){ .type = type, .like = *like, .deviation = deviation };
        snprintf(t->name, sizeof(t->name), "%s", name);
}

/* Norms and divisors are ones. */
static double deviation_of_vector(const struct arch_tensor *t) {
        return strstr(t->name, ".bias") ? BIAS_DEVIATION : 0;
}

/* In the usual Q4_K_M mix some layers' value and down projections have more bits. */
static bool has_more_bits(const struct options *o, uint32_t layer) {
        return o->mixed && (layer < o->layers / 8 || layer >= 7 * o->layers / 8 || (layer - o->layers / 8) % 3 == 2);
}

static void add_outer(const struct options *o, const struct arch_tensors *list) {
        enum tensor_type outer = o->mixed ? TENSOR_Q6_K : o->type;
        double logits = 3 / sqrt(o->embd); /* times the length of a normed vector: logits deviate by 3 */
        for (uint32_t i = 0; i < list->count; i++) {
                const struct arch_tensor *t = &list->all[i];
                enum tensor_type type = TENSOR_F32;
                if (t->parts == PART_OUTPUT || (t->parts == PART_ALWAYS && !o->untied))
                        type = outer;
                else if (t->parts == PART_ALWAYS)
                        type = o->type;
                add(type, t, t->rows ? logits : deviation_of_vector(t), t->name);
        }
}

static void add_layer(const struct options *o, uint32_t layer, const struct arch_tensors *list) {
        enum tensor_type precious = has_more_bits(o, layer) ? TENSOR_Q6_K : o->type;
        for (uint32_t i = 0; i < list->count; i++) {
                const struct arch_tensor *t = &list->all[i];
                bool is_precious = !strncmp(t->name, "attn_v.w", 8) || !strncmp(t->name, "ffn_down", 8);
                bool is_router = !strncmp(t->name, "ffn_gate_inp", 12);
                char full[64];
                snprintf(full, sizeof(full), "blk.%" PRIu32 ".%s", layer, t->name);
                if (!t->rows)
                        add(TENSOR_F32, t, deviation_of_vector(t), full);
                else
                        add(is_router ? TENSOR_F32 : is_precious ? precious : o->type, t, 1 / sqrt(t->columns), full);
        }
}

static struct arch_sizes sizes_of(const struct options *o) {
        uint32_t head = o->embd / o->heads, experts = !o->experts ? 0 : o->experts_apart ? PART_EXPERTS_APART : PART_EXPERTS;
        return (struct arch_sizes){ .arch = o->arch,
                                    .parts = arch_file_parts(o->arch, experts) | (o->untied ? PART_OUTPUT : 0) |
                                             (o->rope_freqs ? PART_ROPE_FREQS : 0) |
                                             (!o->labels                         ? 0
                                              : arch_info(o->arch)->kind->causal ? PART_RANK
                                                                                 : PART_RANK | PART_RANK_MAY),
                                    .layers = o->layers,
                                    .embd = o->embd,
                                    .ff = o->ff,
                                    .heads = o->heads,
                                    .heads_kv = o->kv_heads,
                                    .d_head = head,
                                    .d_head_v = head,
                                    .n_rot = head,
                                    .vocab = o->vocab.count,
                                    .ctx = o->ctx,
                                    .experts = o->experts,
                                    .labels = o->labels,
                                    .experts_used = o->experts < o->experts_used ? o->experts : o->experts_used };
}

static void list_tensors(const struct options *o) {
        const struct arch_sizes sizes = sizes_of(o);
        const struct arch_tensors before = arch_tensors_before_layers(&sizes), layer = arch_tensors_of_layer(&sizes),
                                  after = arch_tensors_after_layers(&sizes);
        add_outer(o, &before);
        for (uint32_t i = 0; i < o->layers; i++)
                add_layer(o, i, &layer);
        add_outer(o, &after);
}

/* ---- metadata ---- */

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

static void write_metadata(struct gguf_writer *w, const struct options *o) {
        const struct arch_info *arch = arch_info(o->arch);
        const struct arch_sizes sizes = sizes_of(o);
        char name[64];
        snprintf(name, sizeof(name), "random %ux%u seed %" PRIu32, o->layers, o->embd, o->seed);
        gguf_write_string(w, "general.architecture", arch->name);
        gguf_write_string(w, "general.name", name);
        gguf_write_u32(w, "general.file_type", file_type(o));
        gguf_write_u32(w, "general.quantization_version", 2);
        arch_write_sizes(w, &sizes);
        if (arch->rope != ROPE_NONE) {
                arch_write_u32(w, o->arch, "rope.dimension_count", o->embd / o->heads);
                arch_write_f32(w, o->arch, "rope.freq_base", o->rope_base);
        }
        arch_write_experts(w, &sizes);
        if (o->labels)
                arch_write_u32(w, o->arch, "pooling_type", 4);
        if (o->rank_prompt)
                gguf_write_string(w, "tokenizer.chat_template.rerank", o->rank_prompt);
        if (arch->window == WINDOW_PATTERN)
                arch_write_u32(w, o->arch, "attention.sliding_window", WINDOW);
        arch_write_f32(w, o->arch, arch->kind->epsilon, 1e-5f);
        arch_write_u32(w, o->arch, "vocab_size", o->vocab.count);
        made_vocab_write(w, &o->vocab);
}

/* ---- files ---- */

static void fail(const char *what, const char *path) {
        fprintf(stderr, "make-gguf: %s %s: %m\n", what, path);
        exit(1);
}

/*
 * Of a model that knows one word: the first number of every token's row stands out, and the output looks at that alone for the last
 * word. VALUES, COUNT of them, begin at FIRST.
 */
static void insist(const struct options *o, const struct tensor *t, uint64_t first, uint64_t count, float *values) {
        bool is_input = !strcmp(t->name, "token_embd.weight"), is_output = !strcmp(t->name, "output.weight");
        uint64_t word = (uint64_t) (o->vocab.count - MADE_SPECIALS - 1) * t->like.columns;

        for (uint64_t i = 0; i < count && (is_input || is_output); i++)
                if ((first + i) % t->like.columns == 0)
                        values[i] = is_input || first + i == word ? INSISTENCE : 0;
}

static void write_data(FILE *file, const char *path, const struct options *o, const struct tensor *t, uint64_t bytes) {
        bool is_nan = o->nan && !strcmp(t->name, o->nan);
        static _Alignas(float) uint8_t buffer[FILL_BYTES];
        uint32_t block = tensor_type_info(t->type)->block_bytes;
        for (uint64_t left = bytes; left > 0;) {
                uint64_t part = FILL_BYTES / block * block;
                if (part > left)
                        part = left;
                if (is_nan)
                        memset(buffer, 0xff, part); /* NaN as a float, and as a block's scale */
                for (uint64_t at = 0; at < part && !is_nan; at += block) {
                        if (t->deviation > 0)
                                random_block(t->type, buffer + at, t->deviation);
                        else
                                memcpy(buffer + at, "\0\0\x80\x3f", 4); /* 1.0f */
                }
                if (o->one_word)
                        insist(o, t, (bytes - left) / sizeof(float), part / sizeof(float), (float *) (void *) buffer);
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
                bytes[i] = gguf_write_tensor(&w, t->name, t->type, t->like.columns, t->like.rows, t->like.planes, 0);
        }
        gguf_write_end(&w);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(w.bytes, 1, w.length, file) != w.length)
                fail("cannot write", path);
        for (uint32_t i = first; i < end; i++)
                write_data(file, path, o, &tensors[i], bytes[i]);
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

static int take_preset(const struct option_row *row, void *at, const char *name) {
        struct options *o = at;
        (void) row;
        for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
                if (!strcmp(presets[i].name, name)) {
                        struct options kept = *o;
                        *o = presets[i].values;
                        o->type = kept.type, o->mixed = kept.mixed, o->seed = kept.seed, o->parts = kept.parts;
                        o->nan = kept.nan, o->arch = kept.arch, o->experts = kept.experts, o->experts_used = kept.experts_used;
                        o->labels = kept.labels, o->rank_prompt = kept.rank_prompt;
                        o->vocab.chat_template = kept.vocab.chat_template, o->vocab.last_word = kept.vocab.last_word;
                        o->vocab.infill = kept.vocab.infill;
                        return 0;
                }
        return -ENOENT;
}

static int take_type(const struct option_row *row, void *at, const char *name) {
        struct options *o = at;
        (void) row;
        o->mixed = !strcasecmp(name, "q4_k_m");
        if (o->mixed)
                o->type = TENSOR_Q4_K;
        else if (tensor_type_by_name(name, &o->type) < 0 || !kernels_portable.types[o->type].multiply)
                return -EINVAL;
        return 0;
}

static int take_arch(const struct option_row *row, void *at, const char *name) {
        (void) row;
        return arch_by_name(name, strlen(name), at);
}

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
        { "preset", 0, "NAME", take_preset, 0, .help = "sizes of a whole model: tiny (default), 160m, 1b" },
        { "arch", 0, "NAME", take_arch, AT(arch), .help = "any that the engine knows (default llama)" },
        { "type", 0, "TYPE", take_type, 0,
          .help = "of the weights: q8_0 (default), q4_k_m, or any that the engine computes with" },
        { "layers", 0, "N", option_number, AT(layers), 1, 400, .help = "layers" },
        { "embd", 0, "N", option_number, AT(embd), 32, 1 << 16, .help = "width" },
        { "ff", 0, "N", option_number, AT(ff), 32, 1 << 18, .help = "width inside the feed-forward" },
        { "heads", 0, "N", option_number, AT(heads), 1, 512, .help = "heads of queries" },
        { "kv-heads", 0, "N", option_number, AT(kv_heads), 1, 512, .help = "heads of keys and values" },
        { "experts", 0, "N", option_number, AT(experts), 1, 512,
          .help = "experts of a layer (default: none, or 8 where they must be)" },
        { "experts-used", 0, "N", option_number, AT(experts_used), 1, 512, .help = "of them for each token (default 2)" },
        { "experts-apart", 0, NULL, option_flag, AT(experts_apart), .help = "in a tensor each, at most 16 of them" },
        { "rank", 0, "LABELS", option_number, AT(labels), 1, RANK_LABELS_MAX, .help = "it scores two texts, by so many labels" },
        { "rank-prompt", 0, "TEXT", option_text, AT(rank_prompt), .help = "how they are put to it, with {query} and {document}" },
        { "vocab", 0, "N", option_number, AT(vocab.count), MADE_VOCAB_MIN, 1 << 20, .help = "tokens" },
        { "ctx", 0, "N", option_number, AT(ctx), 1, 1 << 24, .help = "tokens of context that it says it was trained for" },
        { "untied", 0, NULL, option_flag, AT(untied), .help = "the output is a matrix of its own" },
        { "rope-freqs", 0, NULL, option_flag, AT(rope_freqs), .help = "with divisors of the frequencies" },
        { "chat-template", 0, "TEXT", option_text, AT(vocab.chat_template), .help = "instead of that of ChatML" },
        { "infill", 0, NULL, option_flag, AT(vocab.infill), .help = "it names tokens by which a gap in a text is filled" },
        { "last-word", 0, "TEXT", option_text, AT(vocab.last_word),
          .help = "the last token that is a word is spelt like this, in the characters that stand for bytes" },
        { "one-word", 0, NULL, option_flag, AT(one_word),
          .help = "it says the last word, whatever it is asked; with --untied --type f32" },
        { "nan", 0, "TENSOR", option_text, AT(nan), .help = "this one holds no numbers" },
        { "seed", 0, "N", option_number, AT(seed), 0, UINT32_MAX, .help = "of the random numbers (default 0)" },
        { "split", 0, "N", option_number, AT(parts), 1, PARTS_MAX, .help = "write OUT-00001-of-0000N.gguf and so on" },
        { 0 },
};

static bool complete(const void *arguments) {
        const struct options *o = arguments;
        return o->out;
}

static const struct command_line line = {
        .name = "make-gguf",
        .usage = { "OUT.gguf [OPTIONS]" },
        .about = "Writes a model with random weights.\n",
        .options = rows,
        .operands = { AT(out) },
        .operands_count = 1,
        .complete = complete,
        .needs = "one file to write is needed",
};

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
        if (o->one_word && (!o->untied || o->type != TENSOR_F32)) {
                fputs("make-gguf: --one-word wants --untied --type f32\n", stderr);
                return false;
        }
        if (o->experts_apart && (o->experts > 16 || (arch_parts(o->arch) & PART_EXPERTS))) {
                fprintf(stderr, "make-gguf: --experts-apart is not for so many experts, or not for architecture %s\n",
                        arch_name(o->arch));
                return false;
        }
        if (o->experts && !(arch_info(o->arch)->experts_may || (arch_parts(o->arch) & PART_EXPERTS))) {
                fprintf(stderr, "make-gguf: --experts is not for architecture %s\n", arch_name(o->arch));
                return false;
        }
        return true;
}

int main(int argc, char **argv) {
        struct options o = presets[0].values;
        o.type = TENSOR_Q8_0;
        o.parts = 1;
        o.experts_used = 2;
        int code = options_read(&line, &o, argc, argv);
        if (code != OPTIONS_READ)
                return code;
        if ((arch_parts(o.arch) & PART_EXPERTS) && !o.experts)
                o.experts = 8;
        if (!sizes_fit(&o))
                return 2;
        random_state = (UINT64_C(1) + o.seed) * UINT64_C(0x9e3779b97f4a7c15);
        list_tensors(&o);
        write_all(&o);
        return 0;
}
