/*
 * hparams.c - see hparams.h.
 *
 * Metadata is read through gguf/keys.h; every value has a range (jinja_value/bounds.h). A feature that a file asks for and
 * this engine lacks (an architecture, a scaling of RoPE) is refused by name: a wrong answer is worse than none.
 */
#include "engine/model/hparams.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/base/printable.h"
#include "engine/model/hparams_internal.h"

/* ---- the groups of hyperparameters ---- */

static void read_arch(struct metadata *m, struct hparams *s) {
        struct gguf_string name;
        char shown[40], known[160];
        int found = gguf_get_string(m->g, "general.architecture", &name);
        if (found < 0) {
                metadata_fail(m, -EBADMSG, "key 'general.architecture' is %s", found == -ENOENT ? "missing" : "no string");
                return;
        }
        if (arch_by_name(name.bytes, name.length, &s->arch) < 0) {
                arch_names(known, sizeof(known));
                metadata_fail(m, -ENOTSUP, "architecture '%s' is not supported: these are: %s",
                              printable_copy(shown, sizeof(shown), name.bytes, name.length), known);
                return;
        }
        m->arch = arch_name(s->arch);
        s->parts = arch_parts(s->arch);
}

/* The direction in which a model looks is its architecture's: a file that says otherwise is of another kind than we know. */
static void read_causal(struct metadata *m, struct hparams *s) {
        s->causal = arch_info(s->arch)->kind->causal;
        if (metadata_bool_or(m, "attention.causal", s->causal) != s->causal)
                metadata_fail(m, -ENOTSUP, "key '%s.attention.causal' is %s: this architecture is supported %s", m->arch,
                              s->causal ? "false" : "true", s->causal ? "causal alone" : "without it alone");
}

static void read_epsilon(struct metadata *m, struct hparams *s) {
        const char *key = arch_info(s->arch)->kind->epsilon;
        s->norm_epsilon = metadata_f32_or(m, key, 0, 1, -1);
        if (s->norm_epsilon < 0)
                metadata_fail(m, -EBADMSG, "key '%s.%s' is missing", m->arch, key);
}

static void read_head_kv_array(struct metadata *m, struct hparams *s, const struct gguf_array *a) {
        if (a->type == GGUF_STRING || a->type == GGUF_F32 || a->type == GGUF_F64 || a->type == GGUF_BOOL ||
            a->count != s->n_layer) {
                metadata_fail(m, -EBADMSG, "key '%s.attention.head_count_kv' is an array, but not of %" PRIu32 " integers",
                              m->arch, s->n_layer);
                return;
        }
        for (uint32_t i = 0; i < s->n_layer; i++) {
                uint64_t heads = gguf_array_u64(a, i);
                s->head_kv[i] = heads <= HPARAMS_HEADS_MAX ? (uint32_t) heads : UINT32_MAX;
        }
}

/* Key and value heads: one number for all layers, or one per layer. */
static void read_head_kv(struct metadata *m, struct hparams *s) {
        struct metadata_key key = metadata_key(m, "attention.head_count_kv");
        const struct gguf_entry *e = gguf_find(m->g, key.text);
        if (e && e->type == GGUF_ARRAY) {
                read_head_kv_array(m, s, &e->array);
        } else {
                uint32_t heads = metadata_u32_or(m, "attention.head_count_kv", 1, HPARAMS_HEADS_MAX, s->n_head);
                for (uint32_t i = 0; i < s->n_layer; i++)
                        s->head_kv[i] = heads;
        }
        for (uint32_t i = 0; i < s->n_layer && !m->error; i++) {
                if (s->head_kv[i] == 0 || s->head_kv[i] > s->n_head || s->n_head % s->head_kv[i])
                        metadata_fail(m, -EBADMSG,
                                      "key '%s' is %" PRIu32 " for layer %" PRIu32 ", which does not divide the %" PRIu32
                                      " query heads",
                                      key.text, s->head_kv[i], i, s->n_head);
                if (s->head_kv[i] > s->n_head_kv)
                        s->n_head_kv = s->head_kv[i];
        }
}

static void read_heads(struct metadata *m, struct hparams *s) {
        s->n_head = metadata_u32(m, "attention.head_count", 1, HPARAMS_HEADS_MAX);
        if (m->error)
                return;
        uint32_t d_head = s->n_embd / s->n_head;
        if (!metadata_has(m, "attention.key_length") && s->n_embd % s->n_head)
                metadata_fail(m, -EBADMSG,
                              "key '%s.attention.head_count' is %" PRIu32 ", which does not divide the embedding length %" PRIu32,
                              m->arch, s->n_head, s->n_embd);
        s->d_head_k = metadata_u32_or(m, "attention.key_length", 2, HPARAMS_HEAD_VALUES_MAX, d_head);
        s->d_head_v = metadata_u32_or(m, "attention.value_length", 1, HPARAMS_HEAD_VALUES_MAX, d_head);
        s->head_kv = calloc(s->n_layer, sizeof(*s->head_kv));
        if (s->head_kv)
                read_head_kv(m, s);
        else
                metadata_fail(m, -ENOMEM, "no memory for %" PRIu32 " layers", s->n_layer);
}

static void read_vocabulary(struct metadata *m, struct hparams *s) {
        const struct gguf_tensor *embd = gguf_find_tensor(m->g, "token_embd.weight");
        if (!embd) {
                if (gguf_tensors_count(m->g) == 0)
                        metadata_fail(m, -ENOTSUP, "the file holds a vocabulary and no weights");
                else
                        metadata_fail(m, -EBADMSG, "tensor 'token_embd.weight' is missing");
                return;
        }
        if (embd->dims_count != 2 || embd->dims[0] != s->n_embd || embd->dims[1] > HPARAMS_VOCAB_MAX) {
                metadata_fail(m, -EBADMSG,
                              "tensor 'token_embd.weight' is %" PRIu64 " x %" PRIu64 " where %" PRIu32
                              " x (at most %u) is expected",
                              embd->dims[0], embd->dims[1], s->n_embd, HPARAMS_VOCAB_MAX);
                return;
        }
        s->n_vocab = (uint32_t) embd->dims[1];
        const struct gguf_array *tokens;
        if (gguf_get_array(m->g, "tokenizer.ggml.tokens", GGUF_STRING, &tokens) == 0 && tokens->count != s->n_vocab)
                metadata_fail(m, -EBADMSG,
                              "key 'tokenizer.ggml.tokens' has %" PRIu64 " tokens, but tensor 'token_embd.weight' has %" PRIu32
                              " rows",
                              tokens->count, s->n_vocab);
        const struct gguf_array *merges;
        if (gguf_get_array(m->g, "tokenizer.ggml.merges", GGUF_STRING, &merges) == 0)
                s->n_merges = (uint32_t) merges->count; /* the directory's limit keeps it far below 2^32 */
        s->tied_output = s->causal && gguf_find_tensor(m->g, "output.weight") == NULL;
}

static bool ends_with(struct gguf_string name, const char *end) {
        size_t length = strlen(end);
        return name.length >= length && !memcmp(name.bytes + name.length - length, end, length);
}

/* "blk.0.ffn_up_exps.weight", or of a single one "blk.0.ffn_up.3.weight". */
static bool is_of_experts(struct gguf_string name) {
        const uint64_t end = sizeof(".weight") - 1;
        bool numbered = name.length > end && name.bytes[name.length - end - 1] >= '0' && name.bytes[name.length - end - 1] <= '9';
        return ends_with(name, "_exps.weight") || (numbered && ends_with(name, ".weight"));
}

/* Of tables one row is read, of experts those that are chosen. */
static uint64_t unread_bytes(const struct gguf *g, const struct hparams *s) {
        static const char *const tables[] = { "token_embd.weight", "position_embd.weight", "token_types.weight" };
        uint64_t unread = 0;
        for (size_t i = s->tied_output; i < sizeof(tables) / sizeof(tables[0]); i++) {
                const struct gguf_tensor *t = gguf_find_tensor(g, tables[i]);
                unread += t ? t->bytes : 0;
        }
        for (size_t i = 0; s->n_expert && i < gguf_tensors_count(g); i++) {
                const struct gguf_tensor *t = gguf_tensor_at(g, i);
                if (is_of_experts(t->name))
                        unread += t->bytes / s->n_expert * (s->n_expert - s->n_expert_used);
        }
        return unread;
}

static void sum_weights(const struct gguf *g, struct hparams *s) {
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
        s->decode_bytes -= unread_bytes(g, s);
}

static void read_name(const struct gguf *g, struct hparams *s) {
        struct gguf_string name;
        if (gguf_get_string(g, "general.name", &name) == 0)
                (void) printable_copy(s->name, sizeof(s->name), name.bytes, name.length);
}

static void read_all(struct metadata *m, struct hparams *s) {
        read_name(m->g, s);
        read_causal(m, s);
        s->n_ctx_train = metadata_u32(m, "context_length", 1, HPARAMS_CTX_MAX);
        s->n_embd = metadata_u32(m, "embedding_length", 1, HPARAMS_EMBD_MAX);
        s->n_layer = metadata_u32(m, "block_count", 1, HPARAMS_LAYERS_MAX);
        s->n_ff = metadata_u32(m, "feed_forward_length", 1, HPARAMS_FF_MAX);
        read_epsilon(m, s);
        if (!m->error)
                read_heads(m, s);
        if (!m->error) {
                hparams_read_experts(m, s);
                hparams_read_windows(m, s);
                hparams_read_scores(m, s);
                hparams_read_rope(m, s);
                hparams_read_pooling(m, s);
        }
        read_vocabulary(m, s);
}

int hparams_read(const struct gguf *g, struct hparams *ret, struct gguf_error *reterr) {
        struct metadata m = { .g = g, .reterr = reterr, .arch = "" };
        struct hparams s = { 0 };

        read_arch(&m, &s);
        if (!m.error)
                read_all(&m, &s);
        if (m.error) {
                hparams_done(&s);
                return m.error;
        }
        sum_weights(g, &s);
        *ret = s;
        return 0;
}

void hparams_done(struct hparams *s) {
        free(s->head_kv);
        *s = (struct hparams){ 0 };
}

uint32_t hparams_context(const struct hparams *s, uint32_t ctx) {
        return (s->parts & PART_POSITIONS) && ctx > s->n_ctx_train ? s->n_ctx_train : ctx;
}

uint32_t hparams_pass_tokens(const struct hparams *s, uint32_t chunk, uint32_t ctx) {
        return s->causal || chunk > ctx ? chunk : ctx;
}

uint32_t hparams_ff_values(const struct hparams *s) {
        return s->n_expert ? s->n_expert_used * s->n_ff_expert : s->n_ff;
}

/* ---- the memory account ---- */

uint64_t hparams_kv_bytes_per_token(const struct hparams *s, enum kv_type type) {
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

uint64_t hparams_overhead_bytes(const struct hparams *s) {
        return OVERHEAD_BYTES + s->directory_bytes + s->n_vocab * OVERHEAD_BYTES_PER_TOKEN +
               s->n_merges * OVERHEAD_BYTES_PER_MERGE;
}
