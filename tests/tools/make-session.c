/*
 * make-session.c - writes a suspended sequence as the engine does: what fuzzing its reader starts from.
 *
 *      make-session FILE TOKENS [TYPE ...]     the precision of each block, f16 where none is named
 *
 * One layer, one head of 32 values, as tests/fuzz/fuzz_session_file.c has them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/kv/session_file.h"

#define MODEL      0x1122334455667788u
#define TOKENS_MAX 1024u

static int failed(const char *what) {
        fprintf(stderr, "make-session: %s\n", what);
        return 1;
}

int main(int argc, char **argv) {
        static uint32_t heads[] = { 1 };
        static const struct hparams hparams = { .n_layer = 1, .head_kv = heads, .d_head_k = 32, .d_head_v = 32 };
        static int32_t tokens[TOKENS_MAX];
        long count = argc < 3 ? -1 : strtol(argv[2], NULL, 10);
        if (count < 0 || count > (long) TOKENS_MAX)
                return failed("usage: make-session FILE TOKENS [TYPE ...]");
        struct kv_cache *cache;
        struct kv_sequence kv = { 0 };
        if (kv_cache_new(&(struct kv_config){ &hparams, TOKENS_MAX, KV_F16, KV_F16 }, &cache) < 0 ||
            kv_sequence_grow(cache, &kv, (uint32_t) count) < 0)
                return failed("out of memory");
        kv.tokens_count = (uint32_t) count;
        for (uint32_t i = 0; i < kv.blocks_count && (int) i + 3 < argc; i++) {
                enum kv_type type;
                if (kv_type_by_name(argv[i + 3], &type) < 0)
                        return failed("no such type");
                (void) kv_sequence_convert(cache, &kv, i, type);
        }
        for (uint32_t i = 0; i < TOKENS_MAX; i++)
                tokens[i] = (int32_t) i;
        struct session_writer w;
        int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        int r = fd < 0 ? -1 : session_write_begin(&w, fd, MODEL, cache, &kv, tokens, (uint32_t) count);
        if (r == 0)
                while ((r = session_write_some(&w, 1u << 20)) > 0)
                        ;
        if (r < 0)
                return failed("cannot write");
        (void) close(fd);
        kv_sequence_done(cache, &kv);
        kv_cache_free(cache);
        return 0;
}
