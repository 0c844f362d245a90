/* test_model.c - what is not a model is refused in one sentence that names the tensor; damaged files never crash. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/compute/transformer.h"
#include "tests/tiny_model.h"

static int open_bytes(const uint8_t *bytes, size_t length, struct model **ret, struct gguf_error *reterr) {
        int fd = tiny_file(bytes, length);
        int r = model_open(&fd, 1, ret, reterr);
        (void) close(fd);
        return r;
}

struct refusal_row {
        const char *what;
        struct tiny_model model;
        int error;
        const char *sentence; /* a part of it */
};

/* clang-format off */
static const struct refusal_row refusals[] = {
        { "as it should be", { .type = TENSOR_Q8_0 }, 0, "" },
        { "an output of its own", { .type = TENSOR_Q8_0, .untied = true }, 0, "" },
        { "types may differ", { .type = TENSOR_Q8_0, .odd = "blk.1.attn_v.weight", .odd_type = TENSOR_Q6_K }, 0, "" },
        { "no norm", { .type = TENSOR_F32, .without = "blk.1.ffn_norm.weight" }, -EBADMSG, "tensor 'blk.1.ffn_norm.weight' is missing" },
        { "no output norm", { .type = TENSOR_F32, .without = "output_norm.weight" }, -EBADMSG, "tensor 'output_norm.weight' is missing" },
        { "no layer at all", { .type = TENSOR_F32, .without = "blk.0.attn_q.weight" }, -EBADMSG, "tensor 'blk.0.attn_q.weight' is missing" },
        { "too few rows", { .type = TENSOR_F32, .odd = "blk.0.ffn_up.weight", .odd_type = TENSOR_F32, .odd_rows = 255 }, -EBADMSG,
          "tensor 'blk.0.ffn_up.weight' is 256 x 255 where 256 x 256 is expected" },
        { "too many rows", { .type = TENSOR_F32, .odd = "blk.1.attn_k.weight", .odd_type = TENSOR_F32, .odd_rows = 129 }, -EBADMSG,
          "tensor 'blk.1.attn_k.weight' is 256 x 129 where 256 x 128 is expected" },
        { "an output that is too short", { .type = TENSOR_F32, .untied = true, .odd = "output.weight", .odd_type = TENSOR_F32, .odd_rows = 63 },
          -EBADMSG, "tensor 'output.weight' is 256 x 63 where 256 x 64 is expected" },
        { "a norm in half precision", { .type = TENSOR_F32, .odd = "blk.0.attn_norm.weight", .odd_type = TENSOR_F16 }, -ENOTSUP,
          "tensor 'blk.0.attn_norm.weight' has type F16 where only F32 is supported" },
        { "a norm with rows", { .type = TENSOR_F32, .odd = "blk.0.attn_norm.weight", .odd_type = TENSOR_F32, .odd_rows = 2 }, -EBADMSG,
          "tensor 'blk.0.attn_norm.weight' is 256 x 2 where 256 x 1 is expected" },
        { "a bias would be left out in silence", { .type = TENSOR_F32, .extra = "blk.1.ffn_norm.bias" }, -ENOTSUP, "tensor 'blk.1.ffn_norm.bias' has no part" },
        { "so would one of another architecture", { .arch = ARCH_QWEN3, .extra = "blk.1.attn_q.bias" }, -ENOTSUP, "tensor 'blk.1.attn_q.bias' has no part" },
        { "llama may have it", { .type = TENSOR_F32, .extra = "blk.1.attn_q.bias" }, 0, "" },
        { "qwen2 must", { .arch = ARCH_QWEN2, .without = "blk.1.attn_k.bias" }, -EBADMSG, "tensor 'blk.1.attn_k.bias' is missing" },
        { "mistral", { .arch = ARCH_MISTRAL }, 0, "" },
        { "qwen2", { .arch = ARCH_QWEN2 }, 0, "" },
        { "qwen3", { .arch = ARCH_QWEN3 }, 0, "" },
        { "qwen3moe", { .arch = ARCH_QWEN3MOE }, 0, "" },
        { "gemma2", { .arch = ARCH_GEMMA2 }, 0, "" },
        { "gemma3", { .arch = ARCH_GEMMA3 }, 0, "" },
        { "phi3", { .arch = ARCH_PHI3, .rope_factors = true }, 0, "" },
        { "bert", { .arch = ARCH_BERT }, 0, "" },
        { "nomic-bert", { .arch = ARCH_NOMIC_BERT }, 0, "" },
        { "no norm of the heads", { .arch = ARCH_QWEN3, .without = "blk.0.attn_q_norm.weight" }, -EBADMSG, "tensor 'blk.0.attn_q_norm.weight' is missing" },
        { "no router", { .arch = ARCH_QWEN3MOE, .without = "blk.0.ffn_gate_inp.weight" }, -EBADMSG, "tensor 'blk.0.ffn_gate_inp.weight' is missing" },
        { "experts in one plane", { .arch = ARCH_QWEN3MOE, .experts = 1, .experts_used = 1, .odd = "blk.0.ffn_up_exps.weight", .odd_rows = 255 }, -EBADMSG,
          "tensor 'blk.0.ffn_up_exps.weight' is 256 x 255 where 256 x 256 is expected" },
        { "experts of too few rows", { .arch = ARCH_QWEN3MOE, .odd = "blk.1.ffn_down_exps.weight", .odd_rows = 255 }, -EBADMSG,
          "tensor 'blk.1.ffn_down_exps.weight' is 256 x 255 x 5 where 256 x 256 x 5 is expected" },
        { "one of the experts is missing", { .experts = 3, .experts_apart = true, .without = "blk.1.ffn_up.2.weight" }, -EBADMSG, "tensor 'blk.1.ffn_up.2.weight' is missing" },
        { "one expert too many", { .experts = 3, .experts_apart = true, .extra = "blk.1.ffn_up.3.weight" }, -ENOTSUP, "tensor 'blk.1.ffn_up.3.weight' has no part" },
        { "an expert's number with a zero before it", { .experts = 3, .experts_apart = true, .extra = "blk.1.ffn_up.02.weight" }, -ENOTSUP, "has no part" },
        { "an expert of another type", { .experts = 3, .experts_apart = true, .odd = "blk.0.ffn_down.1.weight", .odd_type = TENSOR_Q8_0 }, -ENOTSUP, "type Q8_0 where the first expert has F32" },
        { "a dense matrix beside experts", { .arch = ARCH_QWEN3MOE, .extra = "blk.0.ffn_up.weight" }, -ENOTSUP, "tensor 'blk.0.ffn_up.weight' has no part" },
        { "experts beside a dense matrix", { .extra = "blk.0.ffn_up_exps.weight" }, -ENOTSUP, "tensor 'blk.0.ffn_up_exps.weight' has no part" },
        { "a fused matrix that is too short", { .arch = ARCH_PHI3, .odd = "blk.0.attn_qkv.weight", .odd_rows = 511 }, -EBADMSG,
          "tensor 'blk.0.attn_qkv.weight' is 256 x 511 where 256 x 512 is expected" },
        { "gate without up", { .arch = ARCH_PHI3, .odd = "blk.0.ffn_up.weight", .odd_rows = 256 }, -EBADMSG,
          "tensor 'blk.0.ffn_up.weight' is 256 x 256 where 256 x 512 is expected" },
        { "long factors alone", { .arch = ARCH_PHI3, .rope_factors = true, .without = "rope_factors_short.weight" }, -EBADMSG,
          "tensor 'rope_factors_short.weight' is missing beside its twin" },
        { "too few positions", { .arch = ARCH_BERT, .odd = "position_embd.weight", .odd_rows = 511 }, -EBADMSG,
          "tensor 'position_embd.weight' is 256 x 511 where 256 x 512 is expected" },
        { "no bias of a layer norm", { .arch = ARCH_BERT, .without = "blk.1.layer_output_norm.bias" }, -EBADMSG, "tensor 'blk.1.layer_output_norm.bias' is missing" },
        { "an encoder has no logits", { .arch = ARCH_BERT, .extra = "output.weight" }, -ENOTSUP, "tensor 'output.weight' has no part" },
        { "so would a stranger", { .type = TENSOR_F32, .extra = "head.weight" }, -ENOTSUP, "tensor 'head.weight' has no part" },
        { "stored frequencies follow from the metadata", { .type = TENSOR_F32, .extra = "blk.0.attn_rot_embd" }, 0, "" },
};
/* clang-format on */

static void what_is_no_model_is_refused_by_name(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
                const struct refusal_row *row = &refusals[i];
                struct gguf_writer w = tiny_model_bytes(row->model);
                struct gguf_error error = { .text = "" };
                struct model *m = NULL;
                int r = open_bytes(w.bytes, w.length, &m, &error);
                if (r != row->error || !strstr(error.text, row->sentence))
                        fail_msg("%s: %d, \"%s\"", row->what, r, error.text);
                assert_true((m != NULL) == (r == 0));
                model_close(m);
                gguf_write_done(&w);
        }
        model_close(NULL);
}

static void a_type_without_kernel_is_refused_by_name(void **state) {
        (void) state;
        struct gguf_error error = { .text = "" };
        struct model *m = NULL;
        struct gguf_writer w = tiny_model_bytes((struct tiny_model){
                .type = TENSOR_F32, .odd = "blk.0.ffn_down.weight", .odd_type = TENSOR_TQ2_0 /* in the specification alone */
        });
        assert_int_equal(open_bytes(w.bytes, w.length, &m, &error), -ENOTSUP);
        assert_string_equal(error.text, "tensor 'blk.0.ffn_down.weight' has type TQ2_0, which this engine cannot compute with");
        gguf_write_done(&w);
}

static void files_that_cannot_be_opened_are_named(void **state) {
        (void) state;
        struct gguf_error error = { .text = "" };
        struct model *m = NULL;
        assert_int_equal(model_open_path("/nowhere/at-all.gguf", &m, &error), -ENOENT);
        assert_non_null(strstr(error.text, "/nowhere/at-all.gguf"));
        assert_int_equal(model_open_path("/nowhere/x-00003-of-00002.gguf", &m, &error), -EINVAL);
        assert_null(m);
}

/* --- damage --- */

/* A model that survives opening must also compute without harm, however senseless its numbers. */
static void run_once(struct model *m) {
        struct threads *threads = NULL;
        struct kv_cache *cache = NULL;
        struct transformer *f = NULL;
        struct kv_sequence s = { 0 };
        const int32_t tokens[] = { 0, (int32_t) m->hparams.n_vocab - 1, 1 };
        if (m->hparams.n_vocab < 2 || m->hparams.n_ctx_train < 3 || hparams_buffer_bytes(&m->hparams, 3, 1, 1) > 1u << 28)
                return;
        assert_int_equal(threads_new(1, &threads), 0);
        assert_int_equal(kv_cache_new(&(struct kv_config){ &m->hparams, 64, KV_F16, KV_F16 }, &cache), 0);
        assert_int_equal(transformer_new(&(struct transformer_config){ m, cache, threads, 3, 1 }, &f), 0);
        assert_int_equal(kv_sequence_grow(cache, &s, 3), 0);
        transformer_run(
                f,
                &(struct transformer_item){
                        .sequence = &s, .tokens = tokens, .count = 3, .want = m->hparams.causal ? WANT_LOGITS : WANT_HIDDEN },
                1);
        kv_sequence_done(cache, &s);
        transformer_free(f);
        kv_cache_free(cache);
        threads_free(threads);
}

static void try_damaged(const uint8_t *bytes, size_t length, unsigned *opened) {
        struct gguf_error error = { .text = "" };
        struct model *m = NULL;
        int r = open_bytes(bytes, length, &m, &error);
        if (r == 0) {
                run_once(m);
                ++*opened;
        } else if (!*error.text || strchr(error.text, '\n')) {
                fail_msg("%d without a sentence: \"%s\"", r, error.text);
        }
        model_close(m);
}

/* TIMES flips of a bit or a byte in the directory, and every seventh length of it. */
static unsigned damage(struct tiny_model model, unsigned times) {
        model.layers = 1, model.embd = 32, model.ff = 32, model.heads = 2, model.heads_kv = 1, model.d_head = 16,
        model.vocab = 16;
        struct gguf_writer w = tiny_model_bytes(model);
        unsigned opened = 0;
        size_t head = w.length < 3500 ? w.length : 3500; /* header, metadata and directory */
        uint64_t random = 7;
        for (unsigned i = 0; i < times; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                size_t at = (size_t) (random >> 33) % head;
                uint8_t kept = w.bytes[at];
                w.bytes[at] ^= (uint8_t) (1u << (random >> 60 & 7));
                if (i % 3 == 0)
                        w.bytes[at] = (uint8_t) (random >> 24);
                try_damaged(w.bytes, w.length, &opened);
                w.bytes[at] = kept;
        }
        for (size_t length = 0; length < w.length; length += length < head ? 7 : 997)
                try_damaged(w.bytes, length, &opened);
        gguf_write_done(&w);
        return opened;
}

static void damaged_files_end_in_a_sentence(void **state) {
        (void) state;
        static const struct tiny_model models[] = {
                { .type = TENSOR_Q8_0, .experts = 3 },
                { .arch = ARCH_QWEN2 },
                { .arch = ARCH_QWEN3MOE },
                { .arch = ARCH_GEMMA2 },
                { .arch = ARCH_GEMMA3, .rope_scale = 2 },
                { .arch = ARCH_BERT },
                { .arch = ARCH_NOMIC_BERT },
                { .arch = ARCH_PHI3, .rope_factors = true },
        };
        assert_true(damage((struct tiny_model){ .type = TENSOR_Q8_0, .rope_freqs = true }, 4000) > 100);
        for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++)
                assert_true(damage(models[i], 1000) > 20); /* bits in names of tokens and in weights harm nobody */
}

static void weights_that_are_not_numbers_harm_nobody(void **state) {
        (void) state;
        static const enum tensor_type types[] = { TENSOR_F32, TENSOR_F16, TENSOR_Q8_0, TENSOR_Q4_K, TENSOR_Q6_K };
        unsigned opened = 0;
        for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
                struct gguf_writer w =
                        tiny_model_bytes((struct tiny_model){ .type = types[t], .layers = 1, .experts = t % 2 ? 4 : 0 });
                memset(w.bytes + w.length / 2, t % 2 ? 0x7f : 0xff, w.length / 2); /* infinities and worse */
                try_damaged(w.bytes, w.length, &opened);
                gguf_write_done(&w);
        }
        for (enum arch arch = 0; arch < ARCH_COUNT; arch++) {
                struct gguf_writer w = tiny_model_bytes((struct tiny_model){ .arch = arch, .type = TENSOR_F16, .layers = 1 });
                memset(w.bytes + w.length / 2, 0x7f, w.length / 2);
                try_damaged(w.bytes, w.length, &opened);
                gguf_write_done(&w);
        }
        assert_int_equal(opened, sizeof(types) / sizeof(*types) + ARCH_COUNT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_no_model_is_refused_by_name),
                cmocka_unit_test(a_type_without_kernel_is_refused_by_name),
                cmocka_unit_test(files_that_cannot_be_opened_are_named),
                cmocka_unit_test(damaged_files_end_in_a_sentence),
                cmocka_unit_test(weights_that_are_not_numbers_harm_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
