/* test_hparams.c - hyperparameters from metadata: what is read, what is refused and how it is worded, and the memory account. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/gguf/files.h"
#include "engine/base/printable.h"
#include "engine/model/hparams.h"
#include "tests/gguf_writer.h"

/* A model of which one thing can be changed: a key left out, or replaced by what ODD writes. */
struct change {
        const char *without; /* key or tensor to leave out; NULL: none */
        void (*odd)(struct gguf_writer *w);
        const char *tensor_without;
        uint64_t vocab_rows;   /* of token_embd, default 8 */
        uint64_t embd_columns; /* default 64 */
        uint32_t layers;       /* default 3 */
};

static bool wanted(const struct change *c, const char *name) {
        return !c->without || strcmp(c->without, name) != 0;
}

static void put_u32(struct gguf_writer *w, const struct change *c, const char *key, uint32_t value) {
        if (wanted(c, key))
                gguf_write_u32(w, key, value);
}

static void write_tokens(struct gguf_writer *w, uint64_t count) {
        gguf_write_array(w, "tokenizer.ggml.tokens", GGUF_STRING, count);
        for (uint64_t i = 0; i < count; i++)
                gguf_write_text(w, "t", 1);
}

static uint64_t write_tensors(struct gguf_writer *w, const struct change *c) {
        uint64_t embd = c->embd_columns ? c->embd_columns : 64, rows = c->vocab_rows ? c->vocab_rows : 8;
        if (!c->tensor_without || strcmp(c->tensor_without, "all") != 0) {
                if (!c->tensor_without || strcmp(c->tensor_without, "token_embd.weight") != 0)
                        gguf_write_tensor(w, "token_embd.weight", TENSOR_Q8_0, embd, rows, 0, 0);
                gguf_write_tensor(w, "blk.0.attn_q.weight", TENSOR_Q4_0, 64, 64, 0, 0);
                gguf_write_tensor(w, "output_norm.weight", TENSOR_F32, 64, 0, 0, 0);
                if (!c->tensor_without || strcmp(c->tensor_without, "output.weight") != 0)
                        gguf_write_tensor(w, "output.weight", TENSOR_Q8_0, 64, 8, 0, 0);
        }
        return w->offset;
}

static void write_model(struct gguf_writer *w, const struct change *c) {
        gguf_write_begin(w, 3);
        if (wanted(c, "general.architecture"))
                gguf_write_string(w, "general.architecture", "llama");
        gguf_write_string(w, "general.name", "tiny\nmodel");
        put_u32(w, c, "llama.context_length", 2048);
        put_u32(w, c, "llama.embedding_length", 64);
        put_u32(w, c, "llama.block_count", c->layers ? c->layers : 3);
        put_u32(w, c, "llama.feed_forward_length", 96);
        put_u32(w, c, "llama.attention.head_count", 4);
        put_u32(w, c, "llama.attention.head_count_kv", 2);
        if (wanted(c, "llama.attention.layer_norm_rms_epsilon"))
                gguf_write_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
        if (wanted(c, "tokenizer.ggml.tokens"))
                write_tokens(w, 8);
        if (c->odd)
                c->odd(w);
        uint64_t bytes = write_tensors(w, c);
        gguf_write_end(w);
        gguf_write_zeros(w, bytes);
}

static int read_changed(const struct change *c, struct hparams *ret, struct gguf_error *reterr) {
        struct gguf_writer w = { 0 };
        struct gguf *g;
        write_model(&w, c);
        struct gguf_memory memory = { w.bytes, w.length };
        if (gguf_open_memory(&memory, 1, &g, reterr))
                fail_msg("the test's own file: %s", reterr->text);
        int r = hparams_read(g, ret, reterr);
        gguf_close(g);
        gguf_write_done(&w);
        return r;
}

static void test_plain_model(void **state) {
        (void) state;
        struct hparams s;
        struct gguf_error error;
        assert_int_equal(read_changed(&(struct change){ 0 }, &s, &error), 0);
        assert_int_equal(s.arch, ARCH_LLAMA);
        assert_string_equal(arch_name(s.arch), "llama");
        assert_string_equal(s.name, "tiny?model");
        assert_string_equal(s.quantization, "Q4_0");
        assert_int_equal(s.n_vocab, 8);
        assert_int_equal(s.n_embd, 64);
        assert_int_equal(s.n_layer, 3);
        assert_int_equal(s.n_ff, 96);
        assert_int_equal(s.n_head, 4);
        assert_int_equal(s.n_head_kv, 2);
        assert_int_equal(s.d_head_k, 16);
        assert_int_equal(s.d_head_v, 16);
        assert_int_equal(s.n_rot, 16);
        assert_int_equal(s.n_ctx_train, 2048);
        assert_true(s.norm_epsilon == 1e-5f && s.rope.freq_base == 10000.0f && s.rope.freq_scale == 1.0f);
        assert_false(s.has_rope_freqs);
        assert_false(s.tied_output);
        assert_int_equal(s.parameters, 64 * 8 * 2 + 64 * 64 + 64);
        assert_int_equal(s.weights_bytes, 2 * 544 + 2304 + 256);
        assert_int_equal(s.decode_bytes, 544 + 2304 + 256);
        hparams_done(&s);
        assert_null(s.head_kv);

        assert_int_equal(read_changed(&(struct change){ .tensor_without = "output.weight" }, &s, &error), 0);
        assert_true(s.tied_output);
        assert_int_equal(s.decode_bytes, s.weights_bytes);
        hparams_done(&s);
}

static void head_sizes(struct gguf_writer *w) {
        gguf_write_u32(w, "llama.attention.key_length", 128);
        gguf_write_u32(w, "llama.attention.value_length", 64);
        gguf_write_u32(w, "llama.rope.dimension_count", 32);
        gguf_write_f32(w, "llama.rope.freq_base", 500000.0f);
        gguf_write_string(w, "llama.rope.scaling.type", "linear");
        gguf_write_f32(w, "llama.rope.scaling.factor", 4.0f);
        gguf_write_u32(w, "llama.expert_count", 0);
}

static void heads_by_layer(struct gguf_writer *w) {
        gguf_write_array(w, "llama.attention.head_count_kv", GGUF_I32, 3);
        gguf_write_number(w, 1, 4);
        gguf_write_number(w, 4, 4);
        gguf_write_number(w, 2, 4);
}

static void old_scale(struct gguf_writer *w) {
        gguf_write_f32(w, "llama.rope.scale_linear", 2.0f);
}
static void scale_of_none(struct gguf_writer *w) {
        old_scale(w);
        gguf_write_string(w, "llama.rope.scaling.type", "none");
}

static void test_variants(void **state) {
        (void) state;
        struct hparams s;
        struct gguf_error error;
        assert_int_equal(read_changed(&(struct change){ .odd = head_sizes }, &s, &error), 0);
        assert_int_equal(s.d_head_k, 128);
        assert_int_equal(s.d_head_v, 64);
        assert_int_equal(s.n_rot, 32);
        assert_true(s.rope.freq_base == 500000.0f && s.rope.freq_scale == 0.25f);
        /* 3 layers of 2 heads of 128 + 64 values */
        assert_int_equal(hparams_kv_bytes_per_token(&s, KV_F16), 3 * 2 * 192 * 2);
        assert_int_equal(hparams_kv_bytes_per_token(&s, KV_Q8_0), 3 * 2 * 192 / 32 * 34);
        assert_int_equal(hparams_kv_bytes_per_token(&s, KV_Q4_0), 3 * 2 * 192 / 32 * 18);
        hparams_done(&s);

        assert_int_equal(
                read_changed(&(struct change){ .odd = heads_by_layer, .without = "llama.attention.head_count_kv" }, &s, &error),
                0);
        assert_int_equal(s.n_head_kv, 4);
        assert_int_equal(s.head_kv[0], 1);
        assert_int_equal(s.head_kv[2], 2);
        assert_int_equal(hparams_kv_bytes_per_token(&s, KV_F16), 7 * 32 * 2);
        assert_int_equal(hparams_kv_bytes_per_token(&s, KV_Q8_0), 0); /* heads of 16 values */
        hparams_done(&s);

        assert_int_equal(read_changed(&(struct change){ .without = "llama.attention.head_count_kv" }, &s, &error), 0);
        assert_int_equal(s.n_head_kv, 4);
        hparams_done(&s);
        assert_int_equal(read_changed(&(struct change){ .odd = old_scale }, &s, &error), 0);
        assert_true(s.rope.freq_scale == 0.5f);
        hparams_done(&s);
        assert_int_equal(read_changed(&(struct change){ .odd = scale_of_none }, &s, &error), 0);
        assert_true(s.rope.freq_scale == 1.0f);
        hparams_done(&s);
}

/* clang-format off */
static void other_architecture(struct gguf_writer *w) { gguf_write_string(w, "general.architecture", "grok\033[2J"); }
static void architecture_number(struct gguf_writer *w) { gguf_write_u32(w, "general.architecture", 1); }
static void huge_context(struct gguf_writer *w) { gguf_write_u32(w, "llama.context_length", UINT32_MAX); }
static void no_width(struct gguf_writer *w) { gguf_write_u32(w, "llama.embedding_length", 0); }
static void negative_layers(struct gguf_writer *w) { gguf_write_key(w, "llama.block_count", GGUF_I32); gguf_write_number(w, UINT32_MAX, 4); }
static void seven_heads(struct gguf_writer *w) { gguf_write_u32(w, "llama.attention.head_count", 7); }
static void no_heads(struct gguf_writer *w) { gguf_write_u32(w, "llama.attention.head_count", 0); }
static void three_kv_heads(struct gguf_writer *w) { gguf_write_u32(w, "llama.attention.head_count_kv", 3); }
static void more_kv_heads(struct gguf_writer *w) { gguf_write_u32(w, "llama.attention.head_count_kv", 8); }
static void short_array(struct gguf_writer *w) { gguf_write_array(w, "llama.attention.head_count_kv", GGUF_U32, 1); gguf_write_number(w, 1, 4); }
static void array_of_floats(struct gguf_writer *w) { gguf_write_array(w, "llama.attention.head_count_kv", GGUF_F32, 3); gguf_write_bytes(w, "123412341234", 12); }
static void array_with_0(struct gguf_writer *w) { gguf_write_array(w, "llama.attention.head_count_kv", GGUF_U8, 3); gguf_write_bytes(w, "\1\0\2", 3); }
static void array_negative(struct gguf_writer *w) { gguf_write_array(w, "llama.attention.head_count_kv", GGUF_I8, 3); gguf_write_bytes(w, "\1\xff\2", 3); }
static void huge_heads(struct gguf_writer *w) { gguf_write_u32(w, "llama.attention.key_length", 4096); }
static void odd_rotation(struct gguf_writer *w) { gguf_write_u32(w, "llama.rope.dimension_count", 15); }
static void wide_rotation(struct gguf_writer *w) { gguf_write_u32(w, "llama.rope.dimension_count", 32); }
static void epsilon_nan(struct gguf_writer *w) { gguf_write_f32(w, "llama.attention.layer_norm_rms_epsilon", NAN); }
static void epsilon_text(struct gguf_writer *w) { gguf_write_string(w, "llama.attention.layer_norm_rms_epsilon", "small"); }
static void base_zero(struct gguf_writer *w) { gguf_write_f32(w, "llama.rope.freq_base", 0); }
static void base_infinite(struct gguf_writer *w) { gguf_write_f32(w, "llama.rope.freq_base", INFINITY); }
static void factor_tiny(struct gguf_writer *w) { gguf_write_f32(w, "llama.rope.scaling.factor", 1e-30f); }
static void scaling_unknown(struct gguf_writer *w) { gguf_write_string(w, "llama.rope.scaling.type", "longrope"); }
static void yarn_betas_nan(struct gguf_writer *w) { gguf_write_string(w, "llama.rope.scaling.type", "yarn"); gguf_write_f32(w, "llama.rope.scaling.yarn_beta_fast", NAN); }
static void yarn_base_one(struct gguf_writer *w) { gguf_write_string(w, "llama.rope.scaling.type", "yarn"); gguf_write_f32(w, "llama.rope.freq_base", 1); }
static void yarn_log(struct gguf_writer *w) { gguf_write_string(w, "llama.rope.scaling.type", "yarn"); gguf_write_f32(w, "llama.rope.scaling.yarn_log_multiplier", 0.1f); }
static void original_zero(struct gguf_writer *w) { gguf_write_u32(w, "llama.rope.scaling.original_context_length", 0); }
static void magnitude_nan(struct gguf_writer *w) { gguf_write_f32(w, "llama.rope.scaling.attn_factor", NAN); }
static void factor_nan(struct gguf_writer *w) { gguf_write_f32(w, "llama.rope.scaling.factor", NAN); }
static void scale_nan(struct gguf_writer *w) { gguf_write_f32(w, "llama.attention.scale", NAN); }
static void scale_zero(struct gguf_writer *w) { gguf_write_f32(w, "llama.attention.scale", 0); }
static void cap_negative(struct gguf_writer *w) { gguf_write_f32(w, "llama.attn_logit_softcapping", -1); }
static void cap_zero(struct gguf_writer *w) { gguf_write_f32(w, "llama.final_logit_softcapping", 0); }
static void unknown_pooling(struct gguf_writer *w) { gguf_write_u32(w, "llama.pooling_type", 5); }
static void scaling_number(struct gguf_writer *w) { gguf_write_u32(w, "llama.rope.scaling.type", 1); }
static void experts_unused(struct gguf_writer *w) { gguf_write_u32(w, "llama.expert_count", 8); }
static void experts_none(struct gguf_writer *w) { experts_unused(w); gguf_write_u32(w, "llama.expert_used_count", 0); }
static void experts_more(struct gguf_writer *w) { experts_unused(w); gguf_write_u32(w, "llama.expert_used_count", 9); }
static void experts_many(struct gguf_writer *w) { gguf_write_u32(w, "llama.expert_count", 1025); }
static void experts_wide(struct gguf_writer *w) {
        gguf_write_u32(w, "llama.expert_count", 1024);
        gguf_write_u32(w, "llama.expert_used_count", 1024);
        gguf_write_u32(w, "llama.expert_feed_forward_length", 1u << 20);
}
static void experts_flat(struct gguf_writer *w) { experts_unused(w); gguf_write_u32(w, "llama.expert_used_count", 2); gguf_write_u32(w, "llama.expert_feed_forward_length", 0); }
static void looks_both_ways(struct gguf_writer *w) { gguf_write_bool(w, "llama.attention.causal", false); }
static void nine_tokens(struct gguf_writer *w) { write_tokens(w, 9); }
/* clang-format on */

static void test_refusals(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                struct change change;
                int expect;
                const char *says;
        } rows[] = {
                { { .without = "general.architecture" }, -EBADMSG, "key 'general.architecture' is missing" },
                { { .without = "general.architecture", .odd = architecture_number }, -EBADMSG, "key 'general.architecture' is no string" },
                { { .without = "general.architecture", .odd = other_architecture }, -ENOTSUP, "architecture 'grok?[2J' is not supported: these are: llama, mistral, qwen2, qwen3, qwen3moe, gemma2, gemma3, phi3, bert, nomic-bert" },
                { { .without = "llama.context_length" }, -EBADMSG, "key 'llama.context_length' is missing" },
                { { .without = "llama.context_length", .odd = huge_context }, -EBADMSG, "key 'llama.context_length' is 4294967295 (1 to 67108864" },
                { { .without = "llama.embedding_length" }, -EBADMSG, "key 'llama.embedding_length' is missing" },
                { { .without = "llama.embedding_length", .odd = no_width }, -EBADMSG, "key 'llama.embedding_length' is 0" },
                { { .without = "llama.block_count" }, -EBADMSG, "key 'llama.block_count' is missing" },
                { { .without = "llama.block_count", .odd = negative_layers }, -EBADMSG, "key 'llama.block_count' is no unsigned" },
                { { .layers = 1025 }, -EBADMSG, "key 'llama.block_count' is 1025 (1 to 1024 are possible)" },
                { { .without = "llama.feed_forward_length" }, -EBADMSG, "key 'llama.feed_forward_length' is missing" },
                { { .without = "llama.attention.head_count" }, -EBADMSG, "key 'llama.attention.head_count' is missing" },
                { { .without = "llama.attention.head_count", .odd = no_heads }, -EBADMSG, "key 'llama.attention.head_count' is 0" },
                { { .without = "llama.attention.head_count", .odd = seven_heads }, -EBADMSG, "is 7, which does not divide the embedding length 64" },
                { { .without = "llama.attention.head_count_kv", .odd = three_kv_heads }, -EBADMSG, "is 3 for layer 0, which does not divide the 4" },
                { { .without = "llama.attention.head_count_kv", .odd = more_kv_heads }, -EBADMSG, "is 8 for layer 0" },
                { { .without = "llama.attention.head_count_kv", .odd = short_array }, -EBADMSG, "is an array, but not of 3 integers" },
                { { .without = "llama.attention.head_count_kv", .odd = array_of_floats }, -EBADMSG, "is an array, but not of 3 integers" },
                { { .without = "llama.attention.head_count_kv", .odd = array_with_0 }, -EBADMSG, "is 0 for layer 1" },
                { { .without = "llama.attention.head_count_kv", .odd = array_negative }, -EBADMSG, "for layer 1" },
                { { .odd = huge_heads }, -EBADMSG, "key 'llama.attention.key_length' is 4096 (2 to 1024" },
                { { .odd = odd_rotation }, -EBADMSG, "key 'llama.rope.dimension_count' is 15, which is odd" },
                { { .odd = wide_rotation }, -EBADMSG, "key 'llama.rope.dimension_count' is 32, which is odd or more than a head's 16" },
                { { .without = "llama.attention.layer_norm_rms_epsilon" }, -EBADMSG, "layer_norm_rms_epsilon' is missing" },
                { { .without = "llama.attention.layer_norm_rms_epsilon", .odd = epsilon_nan }, -EBADMSG, "layer_norm_rms_epsilon' is " },
                { { .without = "llama.attention.layer_norm_rms_epsilon", .odd = epsilon_text }, -EBADMSG, "is no floating-point number" },
                { { .odd = base_zero }, -EBADMSG, "key 'llama.rope.freq_base' is 0" },
                { { .odd = base_infinite }, -EBADMSG, "key 'llama.rope.freq_base' is inf" },
                { { .odd = factor_tiny }, -EBADMSG, "key 'llama.rope.scaling.factor' is 1e-30" },
                { { .odd = factor_nan }, -EBADMSG, "key 'llama.rope.scaling.factor' is nan" },
                { { .odd = scaling_unknown }, -ENOTSUP, "key 'llama.rope.scaling.type' is 'longrope'" },
                { { .odd = yarn_betas_nan }, -EBADMSG, "key 'llama.rope.scaling.yarn_beta_fast' is nan" },
                { { .odd = yarn_base_one }, -EBADMSG, "key 'llama.rope.freq_base' is 1, with which YaRN has no meaning" },
                { { .odd = yarn_log }, -ENOTSUP, "yarn_log_multiplier' is 0.1" },
                { { .odd = original_zero }, -EBADMSG, "key 'llama.rope.scaling.original_context_length' is 0" },
                { { .odd = magnitude_nan }, -EBADMSG, "key 'llama.rope.scaling.attn_factor' is nan" },
                { { .odd = scale_nan }, -EBADMSG, "key 'llama.attention.scale' is nan" },
                { { .odd = scale_zero }, -EBADMSG, "key 'llama.attention.scale' is 0" },
                { { .odd = cap_negative }, -EBADMSG, "key 'llama.attn_logit_softcapping' is -1" },
                { { .odd = cap_zero }, -EBADMSG, "key 'llama.final_logit_softcapping' is 0" },
                { { .odd = unknown_pooling }, -ENOTSUP, "key 'llama.pooling_type' is 5" },
                { { .odd = scaling_number }, -EBADMSG, "key 'llama.rope.scaling.type' is no string" },
                { { .odd = experts_unused }, -EBADMSG, "key 'llama.expert_used_count' is missing" },
                { { .odd = experts_none }, -EBADMSG, "key 'llama.expert_used_count' is 0 (1 to 8" },
                { { .odd = experts_more }, -EBADMSG, "key 'llama.expert_used_count' is 9 (1 to 8" },
                { { .odd = experts_many }, -EBADMSG, "key 'llama.expert_count' is 1025" },
                { { .odd = experts_wide }, -EBADMSG, "1024 experts of 1048576 values at once" },
                { { .odd = experts_flat }, -EBADMSG, "key 'llama.expert_feed_forward_length' is 0" },
                { { .odd = looks_both_ways }, -ENOTSUP, "key 'llama.attention.causal' is false" },
                { { .without = "tokenizer.ggml.tokens", .odd = nine_tokens }, -EBADMSG, "has 9 tokens, but tensor 'token_embd.weight' has 8 rows" },
                { { .tensor_without = "token_embd.weight" }, -EBADMSG, "tensor 'token_embd.weight' is missing" },
                { { .tensor_without = "all" }, -ENOTSUP, "a vocabulary and no weights" },
                { { .embd_columns = 32 }, -EBADMSG, "tensor 'token_embd.weight' is 32 x 8 where 64 x" },
                { { .without = "tokenizer.ggml.tokens", .vocab_rows = (1u << 22) + 1 }, -EBADMSG, "tensor 'token_embd.weight' is 64 x 4194305" },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct hparams s = { .n_layer = 99 };
                struct gguf_error error = { "" };
                int r = read_changed(&rows[i].change, &s, &error);
                if (r != rows[i].expect || !strstr(error.text, rows[i].says))
                        fail_msg("row %zu: %d \"%s\", expected %d \"%s\"", i, r, error.text, rows[i].expect, rows[i].says);
                assert_int_equal(s.n_layer, 99);
        }
}

/* ---- what the architectures differ in: the keys of a model are those of its architecture ---- */

static int read_arch(const char *arch, void (*more)(struct gguf_writer *w), struct hparams *ret, struct gguf_error *reterr) {
        struct gguf_writer w = { 0 };
        struct gguf *g;
        char key[96];
        static const struct {
                const char *suffix;
                uint32_t value;
        } numbers[] = { { "context_length", 2048 },
                        { "embedding_length", 64 },
                        { "block_count", 7 },
                        { "feed_forward_length", 96 },
                        { "attention.head_count", 4 } };
        gguf_write_begin(&w, 3);
        gguf_write_string(&w, "general.architecture", arch);
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                (void) snprintf(key, sizeof(key), "%s.%s", arch, numbers[i].suffix);
                gguf_write_u32(&w, key, numbers[i].value);
        }
        (void) snprintf(key, sizeof(key), "%s.attention.layer_norm%s_epsilon", arch, strstr(arch, "bert") ? "" : "_rms");
        gguf_write_f32(&w, key, 1e-6f);
        if (more)
                more(&w);
        gguf_write_tensor(&w, "token_embd.weight", TENSOR_F32, 64, 8, 0, 0);
        gguf_write_tensor(&w, "blk.0.ffn_up_exps.weight", TENSOR_F32, 64, 4, 6, 0);
        uint64_t bytes = w.offset;
        gguf_write_end(&w);
        gguf_write_zeros(&w, bytes);
        struct gguf_memory memory = { w.bytes, w.length };
        assert_int_equal(gguf_open_memory(&memory, 1, &g, reterr), 0);
        int r = hparams_read(g, ret, reterr);
        gguf_close(g);
        gguf_write_done(&w);
        return r;
}

/* clang-format off */
static void six_experts(struct gguf_writer *w) { gguf_write_u32(w, "qwen3moe.expert_count", 6); gguf_write_u32(w, "qwen3moe.expert_used_count", 2); gguf_write_u32(w, "qwen3moe.expert_feed_forward_length", 4); }
static void no_experts(struct gguf_writer *w) { gguf_write_u32(w, "qwen3moe.expert_count", 0); }
static void experts_of_qwen2(struct gguf_writer *w) { gguf_write_u32(w, "qwen2.expert_count", 4); }
static void window_of_gemma3(struct gguf_writer *w) { gguf_write_u32(w, "gemma3.attention.sliding_window", 512); }
static void window_zero(struct gguf_writer *w) { gguf_write_u32(w, "gemma3.attention.sliding_window", 0); }
static void pattern_zero(struct gguf_writer *w) { window_of_gemma3(w); gguf_write_u32(w, "gemma3.attention.sliding_window_pattern", 0); }
static void window_none(struct gguf_writer *w) { gguf_write_u32(w, "phi3.attention.sliding_window", 0); }
static void causal_bert(struct gguf_writer *w) { gguf_write_bool(w, "bert.attention.causal", true); }
static void window_of_phi3(struct gguf_writer *w) { gguf_write_u32(w, "phi3.attention.sliding_window", 2047); gguf_write_string(w, "phi3.rope.scaling.type", "longrope"); }
static void cls_of_bert(struct gguf_writer *w) { gguf_write_u32(w, "bert.pooling_type", 2); gguf_write_bool(w, "bert.attention.causal", false); }
/* clang-format on */

static void test_traits(void **state) {
        (void) state;
        struct hparams s;
        struct gguf_error error = { "" };
        assert_int_equal(read_arch("qwen3moe", six_experts, &s, &error), 0);
        assert_true(s.n_expert == 6 && s.n_expert_used == 2 && s.n_ff_expert == 4 && hparams_ff_values(&s) == 8);
        assert_int_equal(s.decode_bytes, s.weights_bytes - 6 * 64 * 4 * 4 + 2 * 64 * 4 * 4); /* two experts of six */
        hparams_done(&s);

        assert_int_equal(read_arch("gemma2", NULL, &s, &error), 0);
        assert_true(s.window == 4096 && s.attention_cap == 50 && s.logits_cap == 30 && !s.has_rope_local);
        assert_true(hparams_window(&s, 0) == 4096 && hparams_window(&s, 1) == 0 && hparams_window(&s, 6) == 4096);
        hparams_done(&s);

        assert_int_equal(read_arch("gemma3", window_of_gemma3, &s, &error), 0);
        assert_true(s.has_rope_local && s.rope_local.freq_base == 10000 && s.attention_cap == 0);
        for (uint32_t layer = 0; layer < 7; layer++)
                assert_int_equal(hparams_window(&s, layer), layer == 5 ? 0 : 512);
        hparams_done(&s);

        assert_int_equal(read_arch("phi3", window_of_phi3, &s, &error), 0);
        assert_true(hparams_window(&s, 0) == 2047 && hparams_window(&s, 6) == 2047 && s.rope.freq_scale == 1);
        hparams_done(&s);
        assert_int_equal(read_arch("phi3", window_none, &s, &error), 0);
        assert_int_equal(hparams_window(&s, 0), 0);
        hparams_done(&s);

        assert_int_equal(read_arch("bert", cls_of_bert, &s, &error), 0);
        assert_true(!s.causal && s.pooling == POOLING_CLS && s.n_rot == 0 && !s.tied_output);
        assert_int_equal(s.decode_bytes, s.weights_bytes - 64 * 8 * 4); /* of embeddings a row is read */
        hparams_done(&s);
}

static void test_traits_refused(void **state) {
        (void) state;
        static const struct {
                const char *arch;
                void (*more)(struct gguf_writer *w);
                int expect;
                const char *says;
        } rows[] = {
                { "qwen3moe", NULL, -EBADMSG, "key 'qwen3moe.expert_count' is missing" },
                { "qwen3moe", no_experts, -EBADMSG, "key 'qwen3moe.expert_count' is 0" },
                { "qwen2", experts_of_qwen2, -ENOTSUP, "key 'qwen2.expert_count' is 4" },
                { "gemma3", NULL, -EBADMSG, "key 'gemma3.attention.sliding_window' is missing" },
                { "gemma3", window_zero, -EBADMSG, "key 'gemma3.attention.sliding_window' is 0" },
                { "gemma3", pattern_zero, -EBADMSG, "key 'gemma3.attention.sliding_window_pattern' is 0" },
                { "bert", causal_bert, -ENOTSUP, "key 'bert.attention.causal' is true" },
                { "gemma", NULL, -ENOTSUP, "architecture 'gemma' is not supported" },
                { "nomic-bert-moe", NULL, -ENOTSUP, "architecture 'nomic-bert-moe' is not supported" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct hparams s;
                struct gguf_error error = { "" };
                int r = read_arch(rows[i].arch, rows[i].more, &s, &error);
                if (r != rows[i].expect || !strstr(error.text, rows[i].says))
                        fail_msg("row %zu: %d \"%s\", expected %d \"%s\"", i, r, error.text, rows[i].expect, rows[i].says);
        }
}

static void test_account_is_monotonous(void **state) {
        (void) state;
        struct hparams s;
        struct gguf_error error;
        assert_int_equal(read_changed(&(struct change){ 0 }, &s, &error), 0);
        assert_true(hparams_buffer_bytes(&s, 1, 1, 1) > 0);
        assert_true(hparams_buffer_bytes(&s, 512, 4, 2) > hparams_buffer_bytes(&s, 256, 4, 2));
        assert_true(hparams_buffer_bytes(&s, 512, 5, 2) > hparams_buffer_bytes(&s, 512, 4, 2));
        assert_true(hparams_buffer_bytes(&s, 512, 4, 3) > hparams_buffer_bytes(&s, 512, 4, 2));
        uint64_t overhead = hparams_overhead_bytes(&s);
        s.n_vocab *= 1000;
        assert_true(hparams_overhead_bytes(&s) > overhead);
        hparams_done(&s);
}

/* ---- neighbours too small for a file of their own ---- */

static void test_printable(void **state) {
        (void) state;
        /* clang-format off */
        static const struct {
                const char *text, *expect;
                size_t size;
        } rows[] = {
                { "plain", "plain", 64 },
                { "", "", 4 },
                { "a\tb\nc\033[1m\x7f", "a?b?c?[1m?", 64 },
                { "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9", 64 },
                { "\xc2\x9b" "2J", "?2J", 64 },                         /* C1: a control sequence in one character */
                { "\xc3", "?", 64 },
                { "\xc0\xaf", "??", 64 },                               /* not the shortest form */
                { "\xed\xa0\x80", "???", 64 },                          /* a surrogate */
                { "\xf4\x90\x80\x80", "????", 64 },                     /* beyond U+10FFFF */
                { "\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!", 64 },
                { "abcdefgh", "abcdefgh", 9 },
                { "abcdefgh", "abcd...", 8 },
                { "abc\xf0\x9f\x98\x80" "defg", "abc...", 9 },
                { "abcd", "...", 4 },
        };
        /* clang-format on */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char out[64];
                assert_string_equal(printable_copy(out, rows[i].size, rows[i].text, strlen(rows[i].text)), rows[i].expect);
        }
}

static void test_model_files(void **state) {
        (void) state;
        struct model_files f;
        uint32_t part, count;
        assert_true(model_files_part("/a/x-00002-of-00010.gguf", &part, &count));
        assert_int_equal(part, 2);
        assert_int_equal(count, 10);
        assert_false(model_files_part("x.gguf", NULL, NULL));
        assert_false(model_files_part("x-0002-of-00010.gguf", NULL, NULL));
        assert_false(model_files_part("x-00002-of-00010.gguf.part", NULL, NULL));
        assert_false(model_files_part("x-0000a-of-00010.gguf", NULL, NULL));

        assert_int_equal(model_files_list("/a/x-00002-of-00003.gguf", &f), 0);
        assert_int_equal(f.count, 3);
        assert_string_equal(f.paths[0], "/a/x-00001-of-00003.gguf");
        assert_string_equal(f.paths[2], "/a/x-00003-of-00003.gguf");
        int fds[3];
        uint32_t failed = 9;
        assert_int_equal(model_files_open(&f, fds, &failed), -ENOENT);
        assert_int_equal(failed, 0);
        model_files_done(&f);
        assert_int_equal(model_files_list("x.gguf", &f), 0);
        assert_int_equal(f.count, 1);
        assert_string_equal(f.paths[0], "x.gguf");
        model_files_done(&f);
        assert_int_equal(model_files_list("x-00004-of-00003.gguf", &f), -EINVAL);
        assert_int_equal(model_files_list("x-00000-of-00003.gguf", &f), -EINVAL);
        assert_int_equal(model_files_list("x-00001-of-99999.gguf", &f), -EINVAL);
}

static void test_model_files_open(void **state) {
        (void) state;
        char folder[] = "/tmp/headroom-test-XXXXXX", path[64];
        struct model_files f;
        int fds[2];
        uint32_t failed = 9;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/m-00001-of-00002.gguf", folder);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "first", 5), 5);
        close(fd);
        assert_int_equal(model_files_list(path, &f), 0);
        int next_free = dup(0);
        close(next_free);
        assert_int_equal(model_files_open(&f, fds, &failed), -ENOENT);
        assert_int_equal(failed, 1);
        int still_free = dup(0);
        assert_int_equal(still_free, next_free); /* the first part was closed again */
        close(still_free);
        assert_int_equal(link(f.paths[0], f.paths[1]), 0);
        assert_int_equal(model_files_open(&f, fds, &failed), 0);
        assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
        close(fds[0]);
        close(fds[1]);
        unlink(f.paths[0]);
        unlink(f.paths[1]);
        rmdir(folder);
        model_files_done(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain_model),      cmocka_unit_test(test_variants),
                cmocka_unit_test(test_refusals),         cmocka_unit_test(test_traits),
                cmocka_unit_test(test_traits_refused),   cmocka_unit_test(test_account_is_monotonous),
                cmocka_unit_test(test_printable),        cmocka_unit_test(test_model_files),
                cmocka_unit_test(test_model_files_open),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
