/* test_kind.c - one row is one file that lies beside models: by what it says of itself, or by its tensors alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/model/kind.h"
#include "tests/gguf_writer.h"

static const struct row {
        const char *what, *key, *value, *tensor; /* TENSOR NULL: none */
        const char *starts;                      /* of the kind; NULL: a model */
} rows[] = {
        { "a model", "general.architecture", "llama", "token_embd.weight", NULL },
        { "a model that says so", "general.type", "model", "token_embd.weight", NULL },
        { "a projector by its architecture", "general.architecture", "clip", "v.blk.0.attn_q.weight", "a projector" },
        { "a projector by its type", "general.type", "mmproj", "mm.0.weight", "a projector" },
        { "an adapter by its type", "general.type", "adapter", "token_embd.weight", "an adapter" },
        { "an adapter that says nothing", "general.architecture", "llama", "blk.0.attn_q.weight.lora_a", "an adapter" },
        { "an importance matrix", "general.type", "imatrix", "blk.0.attn_q.weight.in_sum2", "an importance" },
        { "an importance matrix that says nothing", "x", "y", "blk.0.attn_q.weight.in_sum2", "an importance" },
        { "a control vector", "general.architecture", "controlvector", "direction.1", "a control" },
        { "a vocabulary", "tokenizer.ggml.tokens", NULL, NULL, "a vocabulary" },
        { "nothing at all", "general.architecture", "llama", NULL, "metadata" },
};

static void test_kinds(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct row *row = &rows[i];
                struct gguf_writer w = { 0 };
                struct gguf_error error;
                struct gguf *g;
                gguf_write_begin(&w, 3);
                if (row->value) {
                        gguf_write_string(&w, row->key, row->value);
                } else {
                        gguf_write_array(&w, row->key, GGUF_STRING, 1);
                        gguf_write_text(&w, "t", 1);
                }
                uint64_t bytes = row->tensor ? gguf_write_tensor(&w, row->tensor, TENSOR_F32, 8, 1, 0, 0) : 0;
                gguf_write_end(&w);
                gguf_write_zeros(&w, row->tensor ? w.offset : bytes);
                struct gguf_memory memory = { w.bytes, w.length };
                if (gguf_open_memory(&memory, 1, &g, &error))
                        fail_msg("%s: the test's own file: %s", row->what, error.text);
                const char *kind = model_kind_else(g);
                if (!kind != !row->starts || (kind && strncmp(kind, row->starts, strlen(row->starts)) != 0))
                        fail_msg("%s: %s", row->what, kind ? kind : "a model");
                gguf_close(g);
                gguf_write_done(&w);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_kinds) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
