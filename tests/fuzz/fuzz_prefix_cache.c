/*
 * fuzz_prefix_cache.c - libFuzzer's door to the scan of the prompt cache's directory: any bytes as the one file in it.
 *
 * The first byte says whether the checksum is to be made good before reading. A file is known afterwards, or set aside: one that is
 * neither would lie there for ever and count for nothing. `make fuzz` builds and runs it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cache/prefix_cache_dir.h"
#include "policy/base/hash.h"

#define FOOTER_BYTES   40u
#define CHECKSUM_BYTES 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/fuzz_prefix_cache.XXXXXX", file[64], aside[64];

static void leave(void) {
        (void) unlink(file);
        (void) unlink(aside);
        (void) rmdir(directory);
}

static void begin(void) {
        if (!mkdtemp(directory) || atexit(leave))
                abort();
        (void) snprintf(file, sizeof(file), "%s/7.kv", directory);
        (void) snprintf(aside, sizeof(aside), "%s/damaged-0.kv", directory);
}

/* The hash of what the footer says are the hashes, and of the footer. */
static void make_good(uint8_t *bytes, size_t size) {
        if (size < FOOTER_BYTES)
                return;
        uint64_t blocks = 0;
        uint8_t *footer = bytes + size - FOOTER_BYTES;
        for (unsigned i = 0; i < 8; i++)
                blocks |= (uint64_t) footer[16 + i] << 8 * i;
        size_t hashes = blocks <= (size - FOOTER_BYTES) / 8 ? (size_t) blocks * 8 : size - FOOTER_BYTES;
        uint64_t hash = hash_bytes(HASH_START, footer - hashes, hashes + FOOTER_BYTES - CHECKSUM_BYTES);
        for (unsigned i = 0; i < CHECKSUM_BYTES; i++)
                footer[FOOTER_BYTES - CHECKSUM_BYTES + i] = (uint8_t) (hash >> 8 * i);
}

static void put(const uint8_t *bytes, size_t size) {
        FILE *f = fopen(file, "we");
        if (!f || fwrite(bytes, 1, size, f) != size || fclose(f))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (!*file)
                begin();
        if (size < 1)
                return 0;
        uint8_t *bytes = malloc(size);
        struct cache_scan scan;
        memcpy(bytes, data + 1, size - 1);
        if (data[0] & 1)
                make_good(bytes, size - 1);
        put(bytes, size - 1);
        free(bytes);
        if (cache_files_scan(directory, &scan) < 0 || scan.count + scan.damaged != 1 || (access(file, F_OK) == 0) != scan.count)
                abort();
        for (uint32_t i = 0; i < scan.count; i++) {
                if (scan.all[i].number != 7 || scan.all[i].blocks == 0 || scan.all[i].bytes != size - 1)
                        abort();
                free(scan.all[i].hashes);
        }
        free(scan.all);
        return 0;
}
