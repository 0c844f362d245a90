/*
 * session_file.h - a sequence's tokens and their KV in a file: written when it is suspended, read when it comes back.
 *
 * The format, version 1. All numbers are little-endian and unsigned; checksums are CRC-32C (engine/base/crc32c.h).
 *
 *      header   128 bytes: "HRSESS\r\n", version u32, header bytes u32, model u64 (session_model), block layout u32,
 *               tokens of a block u32, layers, heads, key values and value values of a head u32 each, tokens u32, stored
 *               tokens u32, blocks u32, checksum of the tokens u32, zeros, and at its end its own checksum u32
 *      tokens   i32 each; those after the stored ones are known but not computed yet
 *      blocks   in order, each: "BLK\n", its number u32, type of keys and of values u32 each, bytes u64, checksum of the bytes
 *               u32, of these seven u32; then the bytes as they lie in a kv_block_view
 *
 * Block types are kept, so what is read is what was written, bit for bit. The reader trusts nothing: lengths are bounded by
 * the caller and by the file, a block's bytes by its types; nothing is allocated out of proportion; each part is checked
 * before it counts. Both directions go in pieces, so that other sequences go on in between.
 *
 * The descriptor stays the caller's. Everything happens by pread and pwrite: no position is shared, no path is known.
 */
#ifndef HEADROOM_ENGINE_KV_SESSION_FILE_H
#define HEADROOM_ENGINE_KV_SESSION_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/kv/cache.h"
#include "engine/model/model.h"

#define SESSION_VERSION 1u
#define SESSION_LAYOUT  1u /* the order within a block and what its types mean (quantised keys are rotated): docs/kv-cache.md */

/*
 * Tells models apart for which a KV would be wrong: of the shape, every tensor's name, type and dimensions, bytes of some of
 * the tensors, and the instruction set that computes (each gives the same bits always, but not those of another). Not
 * a defence against a model made to look like another; who keeps files for long knows the model's file better.
 */
uint64_t session_model(const struct model *m);

struct session_writer { /* nothing to release */
        int fd;
        const struct kv_cache *cache;
        const struct kv_sequence *kv; /* neither cut nor grown while it is written; the blocks may be converted in between */
        uint32_t block;               /* the next to be written */
        uint64_t offset, synced;
};

/* Bytes of the file that would be written of KV, with all TOKENS_COUNT tokens. */
uint64_t session_bytes(const struct kv_cache *cache, const struct kv_sequence *kv, uint32_t tokens_count);
/*
 * Begins with the header and TOKENS (at least as many as are stored), after asking the file system for all the room that will be
 * needed. 0 or -errno.
 */
int session_write_begin(struct session_writer *w, int fd, uint64_t model, const struct kv_cache *cache,
                        const struct kv_sequence *kv, const int32_t *tokens, uint32_t tokens_count);
/*
 * Writes some BYTES more, whole blocks, at least one, and has them on the disk before it returns; their pages are then not
 * kept in memory. 1: there is more; 0: all is written and safe; -errno.
 */
int session_write_some(struct session_writer *w, uint64_t bytes);

struct session_reader { /* start with all zero; release with session_reader_done */
        int fd;
        struct kv_cache *cache;
        int32_t *tokens; /* all known ones */
        uint32_t tokens_count, stored_count, blocks_count;
        uint32_t block; /* the next to be read */
        uint64_t offset;
};
void session_reader_done(struct session_reader *r);

/*
 * Reads and checks the header and the tokens. 0; -EBADMSG: damaged or no such file; -ENOTSUP: of another version; -ESTALE: of
 * another model; -E2BIG: of more than TOKENS_MAX tokens; -ENOMEM; another -errno when it cannot be read.
 */
int session_read_begin(struct session_reader *r, int fd, uint64_t model, struct kv_cache *cache, uint32_t tokens_max);
/*
 * Appends some BYTES of blocks, at least one, to KV, which was empty at first and is grown here; its tokens_count says how
 * far it is good. It may be converted, but not cut or fed, in between. 1: there is more; 0: all is there; -EBADMSG:
 * damaged from here on; -ENOSPC: no block is free; -ENOMEM; another -errno. A caller that wants only a prefix stops when
 * it is there.
 */
int session_read_some(struct session_reader *r, struct kv_sequence *kv, uint64_t bytes);

#endif
