/*
 * fuzz_gguf.c - libFuzzer's door to everything that reads a model file: container, shape, tensors, tokenizer, chat
 * format, and a few tokens through the forward pass of what has been accepted.
 *
 * `make fuzz` builds and runs it.
 *
 * For a given number of damaged copies of real files, read by the commands themselves, see tests/tools/damage.c.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/gguf/gguf.h"
#include "engine/base/printable.h"
#include "engine/model/hparams.h"
#include "engine/cli/single.h"

#define TOKENS   6u /* that are run */
#define BATCH    4u
#define ROWS_MAX 64u /* layers: tensors may overlap, so a small file can be a deep model */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t touched; /* keeps the reads alive */

static void touch(const void *bytes, uint64_t length) {
        for (uint64_t i = 0; i < length; i++)
                touched += ((const uint8_t *) bytes)[i];
}

static void touch_entry(const struct gguf_entry *e) {
        char shown[32];
        touch(e->key.bytes, e->key.length);
        if (e->type == GGUF_STRING)
                touched += strlen(printable_copy(shown, sizeof(shown), e->string.bytes, e->string.length));
        if (e->type != GGUF_ARRAY)
                return;
        for (uint64_t i = 0; i < e->array.count; i++) {
                if (e->array.type == GGUF_STRING)
                        touch(e->array.strings[i].bytes, e->array.strings[i].length);
                else if (e->array.type == GGUF_F32 || e->array.type == GGUF_F64)
                        touched += gguf_array_f32(&e->array, i) > 0;
                else
                        touched += gguf_array_u64(&e->array, i);
        }
}

/* The container in memory of exactly its size, where a sanitizer sees each byte too far. True when it holds a model. */
static bool read_container(const uint8_t *data, size_t size) {
        uint8_t *copy = malloc(size ? size : 1);
        struct gguf_memory memory = { copy, size };
        struct gguf_error error;
        struct gguf *g;
        struct hparams s;
        bool is_model = false;
        memcpy(copy, data, size);
        if (gguf_open_memory(&memory, 1, &g, &error) == 0) {
                for (size_t i = 0; i < gguf_entries_count(g); i++)
                        touch_entry(gguf_entry_at(g, i));
                for (size_t i = 0; i < gguf_tensors_count(g); i++)
                        touch(gguf_tensor_at(g, i)->data, gguf_tensor_at(g, i)->bytes);
                if (hparams_read(g, &s, &error) == 0) {
                        is_model = s.n_layer <= ROWS_MAX;
                        touched += hparams_buffer_bytes(&s, 256, 4, 2) + hparams_kv_bytes_per_token(&s, KV_Q8_0) +
                                   hparams_overhead_bytes(&s);
                        hparams_done(&s);
                }
                gguf_close(g);
        }
        free(copy);
        return is_model;
}

/* As a program would: from a file, with a text of every kind of character. */
static void run_model(const char *path) {
        static const char text[] = "Hello <|im_end|> caf\xc3\xa9 \xf0\x9f\x98\x80 123\n\n  x";
        struct single s;
        struct gguf_error error;
        struct token_list list = { 0 };
        const float *logits;
        struct single_config config = { .path = path, .threads = 1, .tokens_max = TOKENS, .batch = BATCH, .vectors = true };
        if (single_open(&s, &config, &error) == 0 &&
            tokenizer_encode(s.model->tokenizer, text, sizeof(text) - 1, true, true, &list) == 0 && list.count > 0) {
                uint32_t count = list.count < TOKENS ? (uint32_t) list.count : TOKENS;
                if (s.model->hparams.causal && single_feed(&s, list.ids, count, &logits) == 0)
                        touch(logits, s.model->hparams.n_vocab * sizeof(float));
                count = count < BATCH ? count : BATCH; /* a text goes through as a whole */
                if (!s.model->hparams.causal && count <= s.model->hparams.n_ctx_train &&
                    single_hidden(&s, list.ids, count, &logits) == 0)
                        touch(logits, count * s.model->hparams.n_embd * sizeof(float));
        }
        token_list_done(&list);
        single_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (!read_container(data, size))
                return 0;
        char path[32];
        int fd = memfd_create("fuzz.gguf", 0);
        if (fd < 0 || write(fd, data, size) != (ssize_t) size)
                abort();
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        run_model(path);
        close(fd);
        return 0;
}
