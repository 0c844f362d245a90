/*
 * fuzz_session_file.c - libFuzzer's door to the reader of suspended sequences: any bytes as a file, into a small cache.
 *
 * The first byte says whether the checksums are to be made good before reading, as one who means it would: without that,
 * next to nothing comes past them. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/crc32c.h"
#include "engine/kv/session_file.h"

#define HEADER_BYTES 128u
#define BLOCK_BYTES  32u
#define MODEL        0x1122334455667788u /* as the seeds say */
#define TOKENS_MAX   4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t number(const uint8_t *p, unsigned count) {
        uint64_t value = 0;
        for (unsigned i = 0; i < count; i++)
                value |= (uint64_t) p[i] << 8 * i;
        return value;
}

static void put(uint8_t *p, uint32_t value) {
        for (unsigned i = 0; i < 4; i++)
                p[i] = (uint8_t) (value >> 8 * i);
}

/* Repairs the checksums of the parts, at the places where these seem to lie. */
static void make_good(uint8_t *file, size_t size) {
        if (size < HEADER_BYTES)
                return;
        uint64_t tokens = number(file + 48, 4) * 4, at = HEADER_BYTES + tokens;
        if (at <= size)
                put(file + 60, crc32c(0, file + HEADER_BYTES, tokens));
        put(file + HEADER_BYTES - 4, crc32c(0, file, HEADER_BYTES - 4));
        while (at + BLOCK_BYTES <= size) {
                uint64_t bytes = number(file + at + 16, 8);
                if (bytes > size - at - BLOCK_BYTES)
                        bytes = size - at - BLOCK_BYTES;
                put(file + at + 24, crc32c(0, file + at + BLOCK_BYTES, bytes));
                put(file + at + 28, crc32c(0, file + at, 28));
                at += BLOCK_BYTES + bytes;
        }
}

static void read_it(int fd, struct kv_cache *cache) {
        struct session_reader r;
        struct kv_sequence kv = { 0 };
        if (session_read_begin(&r, fd, MODEL, cache, TOKENS_MAX) < 0)
                return;
        int result;
        while ((result = session_read_some(&r, &kv, 1000)) == 1)
                ;
        if (kv.tokens_count > r.stored_count || (result == 0 && kv.tokens_count != r.stored_count))
                abort();
        session_reader_done(&r);
        kv_sequence_done(cache, &kv);
        struct kv_usage usage;
        kv_cache_usage(cache, &usage);
        if (usage.blocks_used)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static uint32_t heads[] = { 1 };
        static const struct hparams hparams = { .n_layer = 1, .head_kv = heads, .d_head_k = 32, .d_head_v = 32 };
        static struct kv_cache *cache;
        if (!cache && kv_cache_new(&(struct kv_config){ &hparams, 1024, KV_F16, KV_F16 }, &cache) < 0)
                abort();
        if (size < 1)
                return 0;
        uint8_t *file = malloc(size);
        int fd = memfd_create("fuzz", 0);
        if (!file || fd < 0)
                abort();
        memcpy(file, data + 1, size - 1);
        if (data[0] & 1)
                make_good(file, size - 1);
        if (write(fd, file, size - 1) != (ssize_t) size - 1)
                abort();
        read_it(fd, cache);
        close(fd);
        free(file);
        return 0;
}
