/*
 * shape.c - see shape.h.
 *
 * Metadata is read through one reader whose first failure sticks, as in gguf.c; every value has a range
 * (bounds.h), and the sentence of a refusal names the key and the value. What a file asks for and this engine
 * does not do (a mixture of experts, a scaling of RoPE) is refused by name: a wrong answer is worse than none.
 */
#include "engine/shape.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/bounds.h"
#include "engine/printable.h"

#define ROPE_FREQ_BASE_DEFAULT 10000.0f /* Su et al. 2021, RoFormer */
#define ROPE_FREQ_BASE_MAX     1e12f
#define ROPE_FACTOR_MAX        1e6f

static const char *const archs[ARCH_COUNT] = {
        [ARCH_LLAMA] = "llama",
};

const char *arch_name(enum arch arch) {
        assert(arch < ARCH_COUNT);
        return archs[arch];
}

/* ---- reading ---- */

struct reader {
        const struct gguf *g;
        const char *arch; /* prefix of the keys */
        int error;        /* first failure, 0 while all is well */
        struct gguf_error *reterr;
};

__attribute__((format(printf, 3, 4))) static void reader_fail(struct reader *r, int error, const char *format, ...) {
        if (r->error)
                return;
        r->error = error;
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(r->reterr->text, sizeof(r->reterr->text), format, arguments);
        va_end(arguments);
}

struct key {
        char text[96];
};

static struct key key_of(const struct reader *r, const char *suffix) {
        struct key key;
        (void) snprintf(key.text, sizeof(key.text), "%s.%s", r->arch, suffix);
        return key;
}

static uint32_t read_u32_or(struct reader *r, const char *suffix, uint32_t min, uint32_t max, uint32_t default_value) {
        struct key key = key_of(r, suffix);
        uint32_t value = default_value;
        if (gguf_get_u32(r->g, key.text, &value) == -EBADMSG)
                reader_fail(r, -EBADMSG, "key '%s' is no unsigned 32-bit integer", key.text);
        else if (value < min || value > max)
                reader_fail(r, -EBADMSG, "key '%s' is %" PRIu32 " (%" PRIu32 " to %" PRIu32 " are possible)", key.text, value,
                            min, max);
        return value;
}

static uint32_t read_u32(struct reader *r, const char *suffix, uint32_t min, uint32_t max) {
        struct key key = key_of(r, suffix);
        if (!gguf_find(r->g, key.text)) {
                reader_fail(r, -EBADMSG, "key '%s' is missing", key.text);
                return min;
        }
        return read_u32_or(r, suffix, min, max, min);
}

/* DEFAULT_VALUE without range check when the key is absent. */
static float read_f32_or(struct reader *r, const char *suffix, float min, float max, float default_value) {
        struct key key = key_of(r, suffix);
        float value = default_value;
        int found = gguf_get_f32(r->g, key.text, &value);
        if (found == -EBADMSG)
                reader_fail(r, -EBADMSG, "key '%s' is no floating-point number", key.text);
        else if (found == 0 && !(value >= min && value <= max)) /* written so that NaN fails */
                reader_fail(r, -EBADMSG, "key '%s' is %g (%g to %g are possible)", key.text, (double) value, (double) min,
                            (double) max);
        return value;
}

/* ---- what is refused ---- */

static void refuse_experts(struct reader *r) {
        uint32_t experts = read_u32_or(r, "expert_count", 0, UINT32_MAX, 0);
        if (experts > 0)
                reader_fail(r, -ENOTSUP, "key '%s.expert_count' is %" PRIu32 ": mixtures of experts are not supported", r->arch,
                            experts);
}

static void refuse_bidirectional(struct reader *r) {
        bool causal = true;
        if (gguf_get_bool(r->g, key_of(r, "attention.causal").text, &causal) == -EBADMSG)
                reader_fail(r, -EBADMSG, "key '%s.attention.causal' is no truth value", r->arch);
        if (!causal)
                reader_fail(r, -ENOTSUP, "key '%s.attention.causal' is false: only causal models are supported", r->arch);
}

/* ---- the parts of a shape ---- */

static void read_arch(struct reader *r, struct shape *s) {
        struct gguf_string name;
        char shown[40];
        int found = gguf_get_string(r->g, "general.architecture", &name);
        if (found < 0) {
                reader_fail(r, -EBADMSG, "key 'general.architecture' is %s", found == -ENOENT ? "missing" : "no string");
                return;
        }
        for (unsigned i = 0; i < ARCH_COUNT; i++)
                if (gguf_string_equals(name, archs[i])) {
                        s->arch = (enum arch) i;
                        r->arch = archs[i];
                        return;
                }
        reader_fail(r, -ENOTSUP, "architecture '%s' is not supported",
                    printable_copy(shown, sizeof(shown), name.bytes, name.length));
}

static void read_head_kv_array(struct reader *r, struct shape *s, const struct gguf_array *a) {
        if (a->type == GGUF_STRING || a->type == GGUF_F32 || a->type == GGUF_F64 || a->type == GGUF_BOOL ||
            a->count != s->n_layer) {
                reader_fail(r, -EBADMSG, "key '%s.attention.head_count_kv' is an array, but not of %" PRIu32 " integers", r->arch,
                            s->n_layer);
                return;
        }
        for (uint32_t i = 0; i < s->n_layer; i++) {
                uint64_t heads = gguf_array_u64(a, i);
                s->head_kv[i] = heads <= SHAPE_HEADS_MAX ? (uint32_t) heads : UINT32_MAX;
        }
}

/* Key and value heads: one number for all layers, or one per layer. */
static void read_head_kv(struct reader *r, struct shape *s) {
        struct key key = key_of(r, "attention.head_count_kv");
        const struct gguf_entry *e = gguf_find(r->g, key.text);
        if (e && e->type == GGUF_ARRAY) {
                read_head_kv_array(r, s, &e->array);
        } else {
                uint32_t heads = read_u32_or(r, "attention.head_count_kv", 1, SHAPE_HEADS_MAX, s->n_head);
                for (uint32_t i = 0; i < s->n_layer; i++)
                        s->head_kv[i] = heads;
        }
        for (uint32_t i = 0; i < s->n_layer && !r->error; i++) {
                if (s->head_kv[i] == 0 || s->head_kv[i] > s->n_head || s->n_head % s->head_kv[i])
                        reader_fail(r, -EBADMSG,
                                    "key '%s' is %" PRIu32 " for layer %" PRIu32 ", which does not divide the %" PRIu32
                                    " query heads",
                                    key.text, s->head_kv[i], i, s->n_head);
                if (s->head_kv[i] > s->n_head_kv)
                        s->n_head_kv = s->head_kv[i];
        }
}

static void read_heads(struct reader *r, struct shape *s) {
        s->n_head = read_u32(r, "attention.head_count", 1, SHAPE_HEADS_MAX);
        if (r->error)
                return;
        uint32_t d_head = s->n_embd / s->n_head;
        if (!gguf_find(r->g, key_of(r, "attention.key_length").text) && s->n_embd % s->n_head)
                reader_fail(r, -EBADMSG,
                            "key '%s.attention.head_count' is %" PRIu32 ", which does not divide the embedding length %" PRIu32,
                            r->arch, s->n_head, s->n_embd);
        s->d_head_k = read_u32_or(r, "attention.key_length", 2, SHAPE_HEAD_VALUES_MAX, d_head);
        s->d_head_v = read_u32_or(r, "attention.value_length", 1, SHAPE_HEAD_VALUES_MAX, d_head);
        s->n_rot = read_u32_or(r, "rope.dimension_count", 2, SHAPE_HEAD_VALUES_MAX, s->d_head_k);
        if (s->n_rot > s->d_head_k || s->n_rot % 2)
                reader_fail(r, -EBADMSG,
                            "key '%s.rope.dimension_count' is %" PRIu32 ", which is odd or more than a head's %" PRIu32 " values",
                            r->arch, s->n_rot, s->d_head_k);
        s->head_kv = calloc(s->n_layer, sizeof(*s->head_kv));
        if (s->head_kv)
                read_head_kv(r, s);
        else
                reader_fail(r, -ENOMEM, "no memory for %" PRIu32 " layers", s->n_layer);
}

/* Linear scaling (position interpolation, Chen et al. 2023) is a factor on the frequencies; older files call it scale_linear. */
static void read_rope(struct reader *r, struct shape *s) {
        s->rope_freq_base = read_f32_or(r, "rope.freq_base", 1.0f, ROPE_FREQ_BASE_MAX, ROPE_FREQ_BASE_DEFAULT);
        s->has_rope_freqs = gguf_find_tensor(r->g, "rope_freqs.weight") != NULL;

        struct key key = key_of(r, "rope.scaling.type");
        struct gguf_string type = { "linear", 6 };
        char shown[40];
        if (gguf_get_string(r->g, key.text, &type) == -EBADMSG)
                reader_fail(r, -EBADMSG, "key '%s' is no string", key.text);
        bool linear = gguf_string_equals(type, "linear");
        if (!linear && !gguf_string_equals(type, "none"))
                reader_fail(r, -ENOTSUP, "key '%s' is '%s': only 'none' and 'linear' are supported", key.text,
                            printable_copy(shown, sizeof(shown), type.bytes, type.length));
        float factor = read_f32_or(r, "rope.scale_linear", 0, ROPE_FACTOR_MAX, 0);
        factor = read_f32_or(r, "rope.scaling.factor", 0, ROPE_FACTOR_MAX, factor);
        if (factor != 0 && factor < 1 / ROPE_FACTOR_MAX)
                reader_fail(r, -EBADMSG, "key '%s.rope.scaling.factor' is %g, which is too small", r->arch, (double) factor);
        s->rope_freq_scale = linear && factor != 0 ? 1 / factor : 1;
}

static void read_vocabulary(struct reader *r, struct shape *s) {
        const struct gguf_tensor *embd = gguf_find_tensor(r->g, "token_embd.weight");
        if (!embd) {
                if (gguf_tensors_count(r->g) == 0)
                        reader_fail(r, -ENOTSUP, "the file holds a vocabulary and no weights");
                else
                        reader_fail(r, -EBADMSG, "tensor 'token_embd.weight' is missing");
                return;
        }
        if (embd->dims_count != 2 || embd->dims[0] != s->n_embd || embd->dims[1] > SHAPE_VOCAB_MAX) {
                reader_fail(r, -EBADMSG,
                            "tensor 'token_embd.weight' is %" PRIu64 " x %" PRIu64 " where %" PRIu32
                            " x (at most %u) is expected",
                            embd->dims[0], embd->dims[1], s->n_embd, SHAPE_VOCAB_MAX);
                return;
        }
        s->n_vocab = (uint32_t) embd->dims[1];
        const struct gguf_array *tokens;
        if (gguf_get_array(r->g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens) == 0 && tokens->count != s->n_vocab)
                reader_fail(r, -EBADMSG,
                            "key 'tokenizer.ggml.tokens' has %" PRIu64 " tokens, but tensor 'token_embd.weight' has %" PRIu32
                            " rows",
                            tokens->count, s->n_vocab);
        const struct gguf_array *merges;
        if (gguf_get_array(r->g, "tokenizer.ggml.merges", GGUF_STRING, &merges) == 0)
                s->n_merges = (uint32_t) merges->count; /* the directory's limit keeps it far below 2^32 */
        s->tied_output = gguf_find_tensor(r->g, "output.weight") == NULL;
}

static void sum_weights(const struct gguf *g, struct shape *s) {
        uint64_t bytes_of[TENSOR_TYPE_COUNT] = { 0 };
        for (size_t i = 0; i < gguf_tensors_count(g); i++) {
                const struct gguf_tensor *t = gguf_tensor_at(g, i);
                bytes_of[t->type] += t->bytes; /* no overflow: gguf_open has added up all of them */
                s->parameters += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        }
        uint32_t most = 0;
        for (uint32_t i = 1; i < TENSOR_TYPE_COUNT; i++)
                if (bytes_of[i] > bytes_of[most])
                        most = i;
        (void) snprintf(s->quantization, sizeof(s->quantization), "%s", tensor_type_info(most)->name);
        s->weights_bytes = s->decode_bytes = gguf_tensor_bytes(g);
        if (gguf_file_bytes(g) > s->weights_bytes) /* tensors may overlap */
                s->directory_bytes = gguf_file_bytes(g) - s->weights_bytes;
        const struct gguf_tensor *embd = gguf_find_tensor(g, "token_embd.weight");
        if (embd && !s->tied_output)
                s->decode_bytes -= embd->bytes; /* one row of it is read */
}

static void read_name(const struct gguf *g, struct shape *s) {
        struct gguf_string name;
        if (gguf_get_string(g, "general.name", &name) == 0)
                (void) printable_copy(s->name, sizeof(s->name), name.bytes, name.length);
}

int shape_read(const struct gguf *g, struct shape *ret, struct gguf_error *reterr) {
        struct reader r = { .g = g, .reterr = reterr, .arch = "" };
        struct shape s = { 0 };

        read_arch(&r, &s);
        if (r.error)
                return r.error;
        read_name(g, &s);
        refuse_experts(&r);
        refuse_bidirectional(&r);
        s.n_ctx_train = read_u32(&r, "context_length", 1, SHAPE_CTX_MAX);
        s.n_embd = read_u32(&r, "embedding_length", 1, SHAPE_EMBD_MAX);
        s.n_layer = read_u32(&r, "block_count", 1, SHAPE_LAYERS_MAX);
        s.n_ff = read_u32(&r, "feed_forward_length", 1, SHAPE_FF_MAX);
        s.rms_epsilon = read_f32_or(&r, "attention.layer_norm_rms_epsilon", 0, 1, -1);
        if (s.rms_epsilon < 0)
                reader_fail(&r, -EBADMSG, "key '%s.attention.layer_norm_rms_epsilon' is missing", r.arch);
        if (!r.error)
                read_heads(&r, &s);
        read_rope(&r, &s);
        read_vocabulary(&r, &s);
        if (r.error) {
                shape_done(&s);
                return r.error;
        }
        sum_weights(g, &s);
        *ret = s;
        return 0;
}

void shape_done(struct shape *s) {
        free(s->head_kv);
        *s = (struct shape){ 0 };
}

/* ---- the memory account ---- */

uint64_t shape_kv_bytes_per_token(const struct shape *s, enum kv_type type) {
        static const struct {
                uint32_t values, bytes;
        } block[KV_TYPE_COUNT] = {
                [KV_F16] = { 1, 2 },
                [KV_Q8_0] = { 32, 34 },
                [KV_Q4_0] = { 32, 18 },
        };
        uint32_t values = block[type].values;
        if (s->d_head_k % values || s->d_head_v % values)
                return 0;
        uint64_t per_head = (uint64_t) (s->d_head_k / values + s->d_head_v / values) * block[type].bytes;
        uint64_t heads = 0;
        for (uint32_t i = 0; i < s->n_layer; i++)
                heads += s->head_kv[i];
        return heads * per_head;
}

/*
 * Measured with glibc 2.36 on x86-64, as anonymous memory plus the proportional share of program and libraries, less KV
 * and scratch: 1 to 4 MiB with vocabularies of 512 to 128,256 tokens and four requests. The rest is for long prompts on their way.
 */
#define OVERHEAD_BYTES (8ull << 20)
#define OVERHEAD_BYTES_PER_TOKEN \
        72ull /* view 16, hash table 8, marks 1; sampling 12, and 8 for each of 4 requests with penalties */
#define OVERHEAD_BYTES_PER_MERGE 40ull /* view 16, merge 12, hash table up to 12 */

uint64_t shape_overhead_bytes(const struct shape *s) {
        return OVERHEAD_BYTES + s->directory_bytes + s->n_vocab * OVERHEAD_BYTES_PER_TOKEN +
               s->n_merges * OVERHEAD_BYTES_PER_MERGE;
}
